//! A store around a store, which retries failures that may pass, and limits the rate.
//!
//! It repeats only what the contract allows ([`Situation::may_pass`]); what a repetition means for a completion is
//! known to the backend.

use crate::store::contract::attempt::Attempt;
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::contract::limits::Limits;
use crate::store::contract::object::{Lock, Metadata, ObjectInfo, Page, Stored, Unfinished};
use crate::store::contract::rules::BucketRules;
use crate::store::retry::Retry;
use crate::store::retry::rate::{Rate, Rates};
use crate::store::{Chunks, Store, Upload};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A store that retries.
pub(in crate::store) struct Retrying {
    inner: Arc<dyn Store>,
    retry: Retry,
    /// How long reading a small object back may take, and how long a reader waits for more bytes.
    patience: Duration,
    rates: Rates,
}

impl Retrying {
    /// Aborts an upload of this key that was begun without an answer, if there is one: nobody has its id.
    async fn abort_unknown(&self, key: &str) {
        let work = async {
            for upload in self.inner.unfinished(key).await?.iter().filter(|upload| upload.key == key) {
                self.inner.abort_unfinished(upload).await?;
            }
            Ok::<_, StoreError>(())
        };
        let late = || Err(StoreError::new(Situation::Unreachable, "no answer in time"));
        match tokio::time::timeout(self.patience, work).await.unwrap_or_else(|_| late()) {
            Err(error) if !error.situation().may_pass() => tracing::warn!(
                "the answer to beginning the upload of {key} was lost; if it was begun, it stays in the store, empty, until it is pruned: {error}"
            ),
            // The next attempt sees to it.
            Err(error) => tracing::debug!("{key}: an unknown upload was not looked for: {error}"),
            Ok(()) => {}
        }
    }

    pub(in crate::store) fn new(
        inner: Arc<dyn Store>,
        retry: Retry,
        patience: Duration,
        rates: Rates,
    ) -> Self {
        Self { inner, retry, patience, rates }
    }

    /// Decides whether the object that exists now is the one we wrote, although the answer was lost.
    async fn ours_after_all(&self, key: &str, bytes: &Bytes, taken: StoreError) -> Result<Stored> {
        let length = bytes.len() as u64;
        // One byte more than ours, to notice a longer object.
        let there = async { self.inner.read(key, 0..length + 1, None).await?.try_collect::<Vec<_>>().await };
        let late = || Err(StoreError::new(Situation::Unreachable, "it could not be read back in time"));
        let read_back = match tokio::time::timeout(self.patience, there).await.unwrap_or_else(|_| late()) {
            Ok(chunks) if chunks.concat() == *bytes => true,
            Ok(_) => return Err(taken),
            Err(error) if error.situation() == Situation::Denied => {
                tracing::warn!(
                    "{key}: the answer to writing it was lost, and it exists now; these credentials may not read it to be sure"
                );
                false
            }
            Err(error) => return Err(error.context(taken)),
        };
        Ok(Stored { bytes: length, etag: None, checksum: None, read_back })
    }
}

#[async_trait]
impl Store for Retrying {
    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn display_url(&self) -> String {
        self.inner.display_url()
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }

    fn retry(&self) -> Retry {
        self.retry.clone()
    }

    fn idle(&self) -> Duration {
        self.patience
    }

    fn now(&self) -> Option<SystemTime> {
        self.inner.now()
    }

    async fn begin(&self, key: &str, metadata: &Metadata, part_size: u64) -> Result<Box<dyn Upload>> {
        let begin = |attempt| async move {
            if attempt > 1 {
                self.abort_unknown(key).await;
            }
            self.inner.begin(key, metadata, part_size).await
        };
        let inner = self.retry.run(format!("begin {key}"), begin).await?;
        Ok(Box::new(RetryingUpload {
            inner,
            retry: self.retry.clone(),
            sending: Arc::clone(&self.rates.sending),
        }))
    }

    async fn put_new(&self, key: &str, bytes: Bytes) -> Result<Stored> {
        self.retry
            .run(format!("write {key}"), |attempt| {
                let bytes = bytes.clone();
                async move {
                    self.rates.sending.admit(bytes.len()).await;
                    match self.inner.put_new(key, bytes.clone()).await {
                        Err(error) if attempt > 1 && error.situation() == Situation::Exists => {
                            self.ours_after_all(key, &bytes, error).await
                        }
                        answer => answer,
                    }
                }
            })
            .await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.retry.run(format!("look at {key}"), |_| self.inner.head(key)).await
    }

    async fn read(&self, key: &str, range: Range<u64>, etag: Option<&str>) -> Result<Chunks> {
        let mut attempts = self.retry.attempts(format!("read {key}"));
        let chunks = loop {
            match self.inner.read(key, range.clone(), etag).await {
                Ok(chunks) => {
                    // Only when bytes come, as the reader will see, has it worked.
                    attempts.answered("it goes on");
                    break chunks;
                }
                Err(error) => attempts.failed(error).await?,
            }
        };
        let rate = Arc::clone(&self.rates.reading);
        let in_time = move |chunk: Bytes| {
            let rate = Arc::clone(&rate);
            async move {
                rate.admit(chunk.len()).await;
                Ok(chunk)
            }
        };
        Ok(chunks.and_then(in_time).boxed())
    }

    async fn page(&self, prefix: &str, token: Option<&str>) -> Result<Page> {
        self.retry.run("list the store", |_| self.inner.page(prefix, token)).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.retry.run(format!("delete {key}"), |_| self.inner.delete(key)).await
    }

    async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>> {
        self.retry.run("list unfinished uploads", |_| self.inner.unfinished(prefix)).await
    }

    async fn abort_unfinished(&self, upload: &Unfinished) -> Result<()> {
        let what = format!("abort the upload of {}", upload.key);
        self.retry.run(what, |_| self.inner.abort_unfinished(upload)).await
    }

    async fn last_written(&self, upload: &Unfinished) -> Result<Option<SystemTime>> {
        let what = format!("look at the upload of {}", upload.key);
        self.retry.run(what, |_| self.inner.last_written(upload)).await
    }

    async fn lock(&self, key: &str) -> Result<Option<Lock>> {
        self.retry.run(format!("look at {key}"), |_| self.inner.lock(key)).await
    }

    async fn attempt(&self, attempt: Attempt, key: &str) -> Result<()> {
        self.inner.attempt(attempt, key).await
    }

    async fn free_space(&self) -> Result<Option<u64>> {
        self.inner.free_space().await
    }

    async fn rules(&self) -> Option<BucketRules> {
        self.inner.rules().await
    }
}

struct RetryingUpload {
    inner: Box<dyn Upload>,
    retry: Retry,
    sending: Arc<Rate>,
}

#[async_trait]
impl Upload for RetryingUpload {
    async fn part(&self, number: u32, bytes: Bytes) -> Result<()> {
        let send = |_| {
            let bytes = bytes.clone();
            async move {
                self.sending.admit(bytes.len()).await;
                self.inner.part(number, bytes).await
            }
        };
        self.retry.run(format!("part {number}"), send).await
    }

    async fn complete(&self, bytes: u64) -> Result<Stored> {
        self.retry.run("complete the upload", |_| self.inner.complete(bytes)).await
    }

    async fn abort(&self) -> Result<()> {
        // The caller sets a deadline, and an outage may be why it aborts.
        self.retry.afresh().run("abort the upload", |_| self.inner.abort()).await
    }
}
