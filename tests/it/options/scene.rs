//! Stores that are opened with options, at any server.

use crate::servers::s3::S3;
use crate::stores::noise;
use bytes::Bytes;
use pgstow::store::{
    Credentials, CustomerKey, Metadata, OpenOptions, Retry, Store, StoreError, Stored, open,
};
use std::sync::Arc;
use std::time::Duration;

/// The size of the parts, in bytes: the smallest that every server takes.
pub const PART: usize = 5 << 20;

/// A key for SSE-C, and another one.
pub const SSE_C: [&str; 2] =
    ["aHVzaEhVU0hodXNoSFVTSGh1c2hIVVNIaHVzaEhVU0g=", "aHVzaEhVU0hodXNoSFVTSGh1c2hIVVNIaHVzaEhVU0c="];

/// Short where a test waits for the end of patience.
pub fn options() -> OpenOptions {
    let retry = Retry::lasting(Duration::from_secs(3))
        .with_pauses(Duration::from_millis(20), Duration::from_millis(50));
    OpenOptions { retry, ..OpenOptions::default() }
}

/// Options with this key for SSE-C.
pub fn keyed(key: &str) -> OpenOptions {
    OpenOptions { customer_key: Some(CustomerKey::parse(key).unwrap()), ..options() }
}

/// Opens a place with more parameters in its URL.
pub async fn opened(place: &S3, more: &str, options: OpenOptions) -> Arc<dyn Store> {
    let credentials = Credentials {
        access_key_id: place.access_key.clone(),
        secret_access_key: place.secret_key.clone(),
        session_token: None,
        variable: "a test",
    };
    let url = format!("{}{more}", place.url()).parse().unwrap();
    open(&url, OpenOptions { credentials: Some(credentials), ..options }).await.unwrap()
}

/// Writes an object of two parts.
pub async fn write(store: &dyn Store, key: &str) -> Result<(Stored, Bytes), StoreError> {
    let bytes = noise(PART + 1, 70);
    let upload = store.begin(key, &Metadata::new(), PART as u64).await?;
    upload.part(1, bytes.slice(..PART)).await?;
    upload.part(2, bytes.slice(PART..)).await?;
    let stored = upload.complete(bytes.len() as u64).await;
    if stored.is_err() {
        upload.abort().await?;
    }
    Ok((stored?, bytes))
}
