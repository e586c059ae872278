//! One bucket: its keys, its deadlines, and the requests that several operations share.

use super::client::Clients;
use super::explain::{Speaker, about};
use super::headers::{BodySum, crc64};
use crate::store::error::{Result, Situation, StoreError};
use crate::store::key::check_key;
use crate::store::limits::Limits;
use crate::store::object::{Lock, Stored};
use crate::store::profiles::Checksums;
use crate::store::retry::Retry;
use crate::store::url::S3Url;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumMode, ObjectLockLegalHoldStatus};
use bytes::Bytes;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// The slowest connection for which a request gets enough time, in bytes per second.
const SLOWEST: u64 = 128 << 10;

/// A bucket, or a prefix of one, and how to talk to it.
pub(super) struct Bucket {
    pub(super) clients: Clients,
    pub(super) url: S3Url,
    pub(super) checksums: Checksums,
    pub(super) says_object_size: bool,
    pub(super) limits: Limits,
    pub(super) request_timeout: Duration,
    pub(super) retry: Retry,
    pub(super) speaker: Speaker,
}

impl Bucket {
    pub(super) fn full_key(&self, key: &str) -> Result<String> {
        check_key(key)?;
        Ok(self.full_prefix(key))
    }

    pub(super) fn full_prefix(&self, prefix: &str) -> String {
        match self.url.prefix.as_str() {
            "" => prefix.to_owned(),
            above => format!("{above}/{prefix}"),
        }
    }

    pub(super) fn short_key<'a>(&self, full: &'a str) -> Option<&'a str> {
        full.strip_prefix(&self.full_prefix(""))
    }

    /// Makes one request, which carries `bytes` bytes, within its deadline.
    pub(super) async fn ask<T, E, F>(&self, bytes: u64, request: impl Fn(Client) -> F) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        self.ask_within(self.request_timeout + Duration::from_secs(bytes / SLOWEST), request).await
    }

    /// Makes one request within a deadline; makes it once more if the credentials have expired since they were accepted.
    pub(super) async fn ask_within<T, E, F>(
        &self,
        deadline: Duration,
        request: impl Fn(Client) -> F,
    ) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let once =
            async |client: Client| match tokio::time::timeout(deadline, Box::pin(request(client))).await {
                Ok(answer) => answer.map_err(|error| self.speaker.explain(&error)),
                Err(_) => Err(self.speaker.silent(deadline)),
            };
        let current = self.clients.current();
        let mut answer = once(current.client.clone()).await;
        if let Err(Situation::Expired) = answer.as_ref().map_err(StoreError::situation)
            && let Some(next) = self.clients.after(&current).await
        {
            answer = once(next).await;
        }
        if answer.is_ok() {
            self.clients.accept();
        }
        answer
    }

    pub(super) async fn head(&self, full: &str) -> Result<HeadObjectOutput> {
        let mode = (self.checksums == Checksums::Full).then_some(ChecksumMode::Enabled);
        let head = |client: Client| {
            let request = client.head_object().bucket(&self.url.bucket).key(full);
            request.set_checksum_mode(mode.clone()).send()
        };
        self.ask(0, head).await.map_err(|error| about(error, full))
    }

    /// Looks up an object that was just written; if the store does not have it yet, asks again for a while.
    pub(super) async fn head_written(&self, full: &str) -> Result<HeadObjectOutput> {
        let mut attempt = 1;
        loop {
            match self.head(full).await {
                Err(error) if error.situation() == Situation::NotFound && attempt < self.retry.attempts => {
                    tracing::debug!("{full} was written, and does not exist yet: {error}");
                    self.retry.pause(attempt).await;
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    /// Refuses a key that exists, as far as these credentials may know.
    pub(super) async fn refuse_existing(&self, full: &str) -> Result<()> {
        match self.head(full).await {
            Ok(_) => Err(exists(full)),
            Err(error) if matches!(error.situation(), Situation::NotFound | Situation::Denied) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn put(
        &self,
        full: &str,
        bytes: Bytes,
        metadata: Option<HashMap<String, String>>,
    ) -> Result<Stored> {
        let length = bytes.len() as u64;
        let sum = BodySum::of(self.checksums, &bytes).await?;
        let checksum = sum.crc.map(crc64);
        let put = |client: Client| {
            let request = client.put_object().bucket(&self.url.bucket).key(full);
            request
                .content_type("application/octet-stream")
                .set_metadata(metadata.clone())
                .set_if_none_match(self.limits.put_is_create_only.then(|| "*".to_owned()))
                .set_checksum_crc64_nvme(checksum.clone())
                .set_content_md5(sum.md5.clone())
                .body(ByteStream::from(bytes.clone()))
                .send()
        };
        let said = self.ask(length, put).await.map_err(|error| {
            // The object does not exist yet: only the bucket can be missing.
            self.speaker.of_bucket(on_the_way(about(error, full)))
        })?;
        let said = Answer::new(said.e_tag(), said.checksum_crc64_nvme());
        self.confirm(full, &Sent { bytes: length, checksum }, said).await
    }

    /// Compares what the store has with what was sent; deletes it if it differs.
    ///
    /// `said` is what the store answered to the write itself: if HEAD is forbidden, there is nothing else.
    pub(super) async fn confirm(&self, full: &str, sent: &Sent, said: Answer) -> Result<Stored> {
        let (length, now, read_back) = match self.head_written(full).await {
            Ok(head) => (length_of(&head), Answer::of_head(&head), true),
            Err(error) if error.situation() == Situation::Denied => (sent.bytes, Answer::default(), false),
            Err(error) if error.situation() == Situation::NotFound => {
                let message = format!("the store confirmed {full}, and does not have it");
                return Err(StoreError::new(Situation::Other, message)
                    .because(error)
                    .hint("run the backup again; if the store keeps losing objects, ask its operator"));
            }
            Err(error) => return Err(error),
        };
        let checksum = now.checksum.or(said.checksum);
        let wrong = if length != sent.bytes {
            Some(format!("it has {length} bytes instead of {}", sent.bytes))
        } else if let (Some(theirs), Some(ours)) = (&checksum, &sent.checksum) {
            (theirs != ours).then(|| format!("its CRC64NVME is {theirs} instead of {ours}"))
        } else {
            None
        };
        if let Some(wrong) = wrong {
            let gone = self.delete(full).await;
            let error = StoreError::new(Situation::Damaged, format!("{full} is not what was sent: {wrong}"));
            return Err(match gone {
                Ok(()) => error.and("it was deleted"),
                Err(why) => error.and(format_args!("it could not be deleted ({why})")),
            });
        }
        let checksum = checksum.map(|value| format!("CRC64NVME:{value}"));
        Ok(Stored { bytes: length, etag: now.etag.or(said.etag), checksum, read_back })
    }

    pub(super) async fn delete(&self, full: &str) -> Result<()> {
        let delete = |client: Client| client.delete_object().bucket(&self.url.bucket).key(full).send();
        match self.ask(0, delete).await {
            Err(error) if error.situation() != Situation::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What keeps an object from being deleted, as far as these credentials may know.
    pub(super) async fn lock(&self, full: &str) -> Result<Option<Lock>> {
        let head = match self.head(full).await {
            Err(error) if matches!(error.situation(), Situation::NotFound | Situation::Denied) => {
                return Ok(None);
            }
            head => head?,
        };
        if head.object_lock_legal_hold_status() == Some(&ObjectLockLegalHoldStatus::On) {
            return Ok(Some(Lock::LegalHold));
        }
        let until = head.object_lock_retain_until_date().and_then(|date| SystemTime::try_from(*date).ok());
        Ok(until.filter(|until| *until > SystemTime::now()).map(Lock::Until))
    }

    pub(super) async fn abort(&self, full: &str, id: &str) -> Result<()> {
        let abort = |client: Client| {
            client.abort_multipart_upload().bucket(&self.url.bucket).key(full).upload_id(id).send()
        };
        match self.ask(0, abort).await {
            Err(error) if error.situation() != Situation::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// What was sent, to compare it with what is stored.
pub(super) struct Sent {
    pub(super) bytes: u64,
    pub(super) checksum: Option<String>,
}

/// What a store answers about an object: its version, and its CRC64NVME as base64.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) etag: Option<String>,
    pub(super) checksum: Option<String>,
}

impl Answer {
    pub(super) fn new(etag: Option<&str>, checksum: Option<&str>) -> Self {
        // Some services answer an empty ETag to a completion.
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self { etag: etag.and_then(filled), checksum: checksum.and_then(filled) }
    }

    pub(super) fn of_head(head: &HeadObjectOutput) -> Self {
        Self::new(head.e_tag(), head.checksum_crc64_nvme())
    }
}

/// An object's length, as a HEAD says it.
pub(super) fn length_of(head: &HeadObjectOutput) -> u64 {
    head.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or_default()
}

/// The failure of a write to a key that exists.
pub(super) fn exists(full: &str) -> StoreError {
    StoreError::new(Situation::Exists, format!("{full} exists in the store"))
}

/// Bytes that arrived damaged were damaged in transit: sending them again may help.
pub(super) fn on_the_way(error: StoreError) -> StoreError {
    match error.situation() {
        Situation::Damaged => error.in_situation(Situation::Transient),
        _ => error,
    }
}
