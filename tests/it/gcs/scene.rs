//! A store at Google's imitation, and a fault proxy between.

use crate::servers::fault::FaultProxy;
use crate::servers::gcs::{Account, Google};
use crate::stores::noise;
use bytes::Bytes;
use pgstow::store::{Metadata, OpenOptions, Retry, Store, StoreError, Stored, Upload, open};
use std::sync::Arc;
use std::time::Duration;

/// The size of parts: the smallest that the service takes.
pub const PART: usize = 5 << 20;

/// Short where a test waits for the end of patience, and patient enough for a busy machine.
pub fn options() -> OpenOptions {
    OpenOptions {
        request_timeout: Duration::from_secs(20),
        retry: Retry::lasting(Duration::from_secs(3))
            .with_pauses(Duration::from_millis(20), Duration::from_millis(50)),
        ..OpenOptions::default()
    }
}

/// Opens the store at this URL.
pub async fn opened(url: &str) -> Arc<dyn Store> {
    open(&url.parse().unwrap(), options()).await.unwrap()
}

/// A store of its own behind a proxy.
pub struct Behind {
    pub google: Google,
    pub proxy: FaultProxy,
    pub store: Arc<dyn Store>,
}

pub async fn behind() -> Behind {
    impatient(options().request_timeout).await
}

/// The same, whose requests have this long.
pub async fn impatient(request_timeout: Duration) -> Behind {
    let google = Google::start();
    let proxy = FaultProxy::start(&google.endpoint());
    let url = google.url_through(&proxy.endpoint(), "p", Account::Owner);
    let options = OpenOptions { request_timeout, ..options() };
    let store = open(&url.parse().unwrap(), options).await.unwrap();
    Behind { google, proxy, store }
}

impl Behind {
    /// An upload of "x" with two parts sent.
    pub async fn sent(&self) -> (Box<dyn Upload>, Bytes) {
        let bytes = noise(PART + 1, 50);
        let upload = self.store.begin("x", &Metadata::new(), PART as u64).await.unwrap();
        upload.part(1, bytes.slice(..PART)).await.unwrap();
        upload.part(2, bytes.slice(PART..)).await.unwrap();
        (upload, bytes)
    }

    pub async fn completed(&self) -> (Result<Stored, StoreError>, Box<dyn Upload>, Bytes) {
        let (upload, bytes) = self.sent().await;
        (upload.complete(bytes.len() as u64).await, upload, bytes)
    }

    pub fn holds(&self, bytes: &Bytes) {
        assert!(self.google.object("p/x").unwrap().bytes == bytes, "other bytes are stored");
        assert!(self.google.unfinished().is_empty());
    }

    pub fn is_clean(&self) {
        assert!(self.google.unfinished().is_empty());
        assert!(self.google.keys("").is_empty(), "{:?}", self.google.keys(""));
    }
}
