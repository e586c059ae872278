//! A bucket of Google Cloud Storage, reached as Google means it: with OAuth tokens, never with keys for S3.
//!
//! Two ways lead to it. Uploads in parts go by the XML API (`xml.rs`), which has S3's shape: parts in any order, sent
//! again alone, each checked by its CRC32C and MD5. Everything else is Google's client: ranged reads pinned to a
//! generation, lists, looking, deleting, and writes in one request, which only create. Its own streamed uploads are not
//! used: in 1.21 a broken connection makes them store wrong bytes (googleapis/google-cloud-rust issues 6683 and 6685).
//! It has no deadlines, and retries without knowing what a repetition means: deadlines are set here, and its retries
//! are off.

mod access;
mod attempt;
mod bucket;
mod credentials;
mod explain;
mod list;
mod proxied;
mod read;
mod upload;
mod xml;

use super::options::OpenOptions;
use super::url::GsUrl;
use super::{Chunks, Store, Upload, multipart};
use crate::store::contract::attempt::Attempt;
use crate::store::contract::error::Result;
use crate::store::contract::limits::Limits;
use crate::store::contract::object::{Lock, Metadata, ObjectInfo, Page, Stored, Unfinished};
use crate::store::multipart::protocol::Protocol;
use async_trait::async_trait;
use bucket::Bucket;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

/// A bucket, or a prefix of one.
#[derive(Clone)]
pub(super) struct Gcs(Arc<Bucket>);

impl Gcs {
    /// The bucket at `url`; no request is made yet.
    pub(super) async fn open(url: &GsUrl, options: OpenOptions) -> Result<Self> {
        Bucket::open(url, options).await.map(|bucket| Self(Arc::new(bucket)))
    }
}

#[async_trait]
impl Store for Gcs {
    fn limits(&self) -> Limits {
        bucket::LIMITS
    }

    fn display_url(&self) -> String {
        self.0.url.place().to_string()
    }

    fn identity(&self) -> String {
        GsUrl { allow_http: false, ..self.0.url.place() }.to_string()
    }

    async fn begin(&self, key: &str, metadata: &Metadata, part_size: u64) -> Result<Box<dyn Upload>> {
        let full = self.0.prefix.full_key(key)?;
        multipart::begin(Arc::clone(&self.0), full, metadata, part_size).await
    }

    async fn put_new(&self, key: &str, bytes: Bytes) -> Result<Stored> {
        self.0.put(&self.0.prefix.full_key(key)?, bytes, None).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        multipart::head(&*self.0, &self.0.prefix.full_key(key)?).await
    }

    async fn read(&self, key: &str, range: Range<u64>, etag: Option<&str>) -> Result<Chunks> {
        self.0.read(key, range, etag).await
    }

    async fn page(&self, prefix: &str, token: Option<&str>) -> Result<Page> {
        self.0.page(prefix, token).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.0.remove(&self.0.prefix.full_key(key)?, None).await
    }

    async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>> {
        self.0.unfinished(prefix).await
    }

    async fn abort_unfinished(&self, upload: &Unfinished) -> Result<()> {
        self.0.cancel(&self.0.prefix.full_key(&upload.key)?, &upload.id).await
    }

    async fn last_written(&self, upload: &Unfinished) -> Result<Option<SystemTime>> {
        let last = self.0.last_part(&self.0.prefix.full_key(&upload.key)?, &upload.id).await?;
        Ok(last.max(upload.started))
    }

    async fn lock(&self, key: &str) -> Result<Option<Lock>> {
        self.0.lock(&self.0.prefix.full_key(key)?).await
    }

    fn now(&self) -> Option<SystemTime> {
        self.0.xml.clock.now()
    }

    async fn attempt(&self, attempt: Attempt, key: &str) -> Result<()> {
        self.0.attempt(attempt, &self.0.prefix.full_key(key)?).await
    }
}
