//! A bucket that is reached by the S3 protocol.
//!
//! The SDK signs and sends; decisions are made here. Its retries are off (ours, in `retry/`, know what a repetition
//! means), its automatic checksums are off (ours cover the whole object), bodies are bytes in memory with a known
//! length (streams are sent in a form that many services reject), and every request has a deadline.

mod attempt;
mod bucket;
mod client;
mod connect;
mod credentials;
mod explain;
mod extras;
mod headers;
mod heeded;
mod interceptors;
mod list;
mod look;
mod read;
mod rules;
mod unloaded;
mod upload;

use super::options::OpenOptions;
use super::url::S3Url;
use super::{Chunks, Store, Upload, multipart};
use crate::store::contract::attempt::Attempt;
use crate::store::contract::error::Result;
use crate::store::contract::limits::Limits;
use crate::store::contract::object::{Lock, Metadata, ObjectInfo, Page, Stored, Unfinished};
use crate::store::contract::rules::BucketRules;
use crate::store::multipart::protocol::Protocol;
use async_trait::async_trait;
use bucket::Bucket;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

/// A bucket, or a prefix of one.
#[derive(Clone)]
pub(super) struct S3(Arc<Bucket>);

impl S3 {
    /// The bucket at `url`; no request is made yet.
    pub(super) async fn open(url: &S3Url, options: OpenOptions) -> Result<Self> {
        connect::connect(url, options).await.map(|bucket| Self(Arc::new(bucket)))
    }
}

#[async_trait]
impl Store for S3 {
    fn limits(&self) -> Limits {
        self.0.limits
    }

    fn display_url(&self) -> String {
        self.0.url.place().to_string()
    }

    fn identity(&self) -> String {
        self.0.url.identity(self.0.recipe.endpoint.as_deref())
    }

    async fn begin(&self, key: &str, metadata: &Metadata, part_size: u64) -> Result<Box<dyn Upload>> {
        let full = self.0.prefix.full_key(key)?;
        multipart::begin(Arc::clone(&self.0), full, metadata, part_size).await
    }

    async fn put_new(&self, key: &str, bytes: Bytes) -> Result<Stored> {
        let full = self.0.prefix.full_key(key)?;
        if !self.0.limits.put_is_create_only {
            self.0.refuse_existing(&full).await?;
        }
        self.0.put(&full, bytes, None).await
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
        self.0.recipe.clock.now()
    }

    async fn attempt(&self, attempt: Attempt, key: &str) -> Result<()> {
        self.0.attempt(attempt, &self.0.prefix.full_key(key)?).await
    }

    async fn rules(&self) -> Option<BucketRules> {
        Some(self.0.rules().await)
    }
}
