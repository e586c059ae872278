//! A bucket behind the S3 protocol.
//!
//! The SDK signs and carries; everything that decides is here. Its retries are off (`retry.rs` has
//! ours, which know what a repetition means), its automatic checksums are off (ours are named, so
//! that they reach over the whole object), bodies are bytes in memory with a known length (streams
//! go out in a form that many services refuse), and every request has a deadline.

mod connect;
mod explain;
mod headers;
mod upload;

use super::{
    Checksums, Chunks, Limits, Listed, Metadata, ObjectInfo, OpenOptions, Result, Situation, Store,
    StoreError, Stored, Unfinished, Upload, check_key, url::S3Url,
};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::ChecksumMode;
use bytes::Bytes;
use explain::{Speaker, about};
use futures_util::{StreamExt, stream};
use headers::{BodySum, crc64, from_headers};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The name under which an upload's nonce is kept: it tells our object from someone else's.
const NONCE: &str = "upload";

/// The slowest connection a request's bytes are given time for, in bytes a second.
const SLOWEST: u64 = 128 << 10;

/// A bucket, or a prefix of one.
#[derive(Clone)]
pub(super) struct S3(Arc<Bucket>);

struct Bucket {
    client: Client,
    url: S3Url,
    checksums: Checksums,
    says_object_size: bool,
    limits: Limits,
    request_timeout: Duration,
    speaker: Speaker,
}

impl S3 {
    /// The bucket at `url`; no request is made to it yet.
    pub(super) async fn open(url: &S3Url, options: OpenOptions) -> Result<Self> {
        connect::connect(url, options).await.map(|bucket| Self(Arc::new(bucket)))
    }
}

impl Bucket {
    fn full_key(&self, key: &str) -> Result<String> {
        check_key(key)?;
        Ok(self.full_prefix(key))
    }

    fn full_prefix(&self, prefix: &str) -> String {
        match self.url.prefix.as_str() {
            "" => prefix.to_owned(),
            above => format!("{above}/{prefix}"),
        }
    }

    fn short_key<'a>(&self, full: &'a str) -> Option<&'a str> {
        full.strip_prefix(&self.full_prefix(""))
    }

    /// Makes one request, which carries `bytes` bytes, within its deadline.
    async fn ask<T, E>(
        &self,
        bytes: u64,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.ask_within(self.request_timeout + Duration::from_secs(bytes / SLOWEST), request).await
    }

    async fn ask_within<T, E>(
        &self,
        deadline: Duration,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match tokio::time::timeout(deadline, Box::pin(request)).await {
            Ok(answer) => answer.map_err(|error| self.speaker.explain(&error)),
            Err(_) => Err(self.speaker.silent(deadline)),
        }
    }

    async fn head(&self, full: &str) -> Result<HeadObjectOutput> {
        let mode = (self.checksums == Checksums::Full).then_some(ChecksumMode::Enabled);
        let request = self.client.head_object().bucket(&self.url.bucket).key(full).set_checksum_mode(mode);
        self.ask(0, request.send()).await.map_err(|error| about(error, full))
    }

    /// Refuses a key that is taken, as far as this credential may know.
    async fn refuse_existing(&self, full: &str) -> Result<()> {
        match self.head(full).await {
            Ok(_) => Err(exists(full)),
            Err(error) if matches!(error.situation(), Situation::NotFound | Situation::Denied) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn put(
        &self,
        full: &str,
        bytes: Bytes,
        metadata: Option<HashMap<String, String>>,
    ) -> Result<Stored> {
        let length = bytes.len() as u64;
        let sum = BodySum::of(self.checksums, &bytes).await?;
        let checksum = sum.crc.map(crc64);
        let request = self
            .client
            .put_object()
            .bucket(&self.url.bucket)
            .key(full)
            .content_type("application/octet-stream")
            .set_metadata(metadata)
            .set_if_none_match(self.limits.put_is_create_only.then(|| "*".to_owned()))
            .set_checksum_crc64_nvme(checksum.clone())
            .set_content_md5(sum.md5)
            .body(ByteStream::from(bytes));
        let said = self.ask(length, request.send()).await.map_err(|error| on_the_way(about(error, full)))?;
        let said = Answer::new(said.e_tag(), said.checksum_crc64_nvme());
        self.confirm(full, &Sent { bytes: length, checksum }, said).await
    }

    /// Compares what the store keeps with what was sent; deletes it if it differs.
    ///
    /// `said` is what the store answered to the writing itself: all there is where HEAD is forbidden.
    async fn confirm(&self, full: &str, sent: &Sent, said: Answer) -> Result<Stored> {
        let (length, now, read_back) = match self.head(full).await {
            Ok(head) => (length_of(&head), Answer::of_head(&head), true),
            Err(error) if error.situation() == Situation::Denied => (sent.bytes, Answer::default(), false),
            Err(error) if error.situation() == Situation::NotFound => {
                return Err(error.in_situation(Situation::Transient));
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

    async fn delete(&self, full: &str) -> Result<()> {
        let request = self.client.delete_object().bucket(&self.url.bucket).key(full);
        match self.ask(0, request.send()).await {
            Err(error) if error.situation() != Situation::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn abort(&self, full: &str, id: &str) -> Result<()> {
        let request = self.client.abort_multipart_upload().bucket(&self.url.bucket).key(full).upload_id(id);
        match self.ask(0, request.send()).await {
            Err(error) if error.situation() != Situation::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// What was sent, to compare with what is kept.
struct Sent {
    bytes: u64,
    checksum: Option<String>,
}

/// What a store answers about an object: its version, and its CRC64NVME as base64.
#[derive(Default)]
struct Answer {
    etag: Option<String>,
    checksum: Option<String>,
}

impl Answer {
    fn new(etag: Option<&str>, checksum: Option<&str>) -> Self {
        // Some services answer an empty ETag to a completion.
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self { etag: etag.and_then(filled), checksum: checksum.and_then(filled) }
    }

    fn of_head(head: &HeadObjectOutput) -> Self {
        Self::new(head.e_tag(), head.checksum_crc64_nvme())
    }
}

fn length_of(head: &HeadObjectOutput) -> u64 {
    head.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or_default()
}

fn exists(full: &str) -> StoreError {
    StoreError::new(Situation::Exists, format!("{full} exists in the store"))
}

fn moment(time: Option<&DateTime>) -> Option<SystemTime> {
    time.and_then(|time| SystemTime::try_from(*time).ok())
}

#[async_trait]
impl Store for S3 {
    fn limits(&self) -> Limits {
        self.0.limits
    }

    fn display_url(&self) -> String {
        self.0.url.to_string()
    }

    async fn begin(&self, key: &str, metadata: &Metadata, part_size: u64) -> Result<Box<dyn Upload>> {
        let full = self.0.full_key(key)?;
        upload::begin(Arc::clone(&self.0), full, metadata, part_size).await
    }

    async fn put_new(&self, key: &str, bytes: Bytes) -> Result<Stored> {
        let full = self.0.full_key(key)?;
        if !self.0.limits.put_is_create_only {
            self.0.refuse_existing(&full).await?;
        }
        self.0.put(&full, bytes, None).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        let head = self.0.head(&self.0.full_key(key)?).await?;
        let mut metadata = from_headers(head.metadata());
        metadata.remove(NONCE);
        let Answer { etag, checksum } = Answer::of_head(&head);
        let checksum = checksum.map(|value| format!("CRC64NVME:{value}"));
        Ok(ObjectInfo { bytes: length_of(&head), etag, checksum, metadata })
    }

    async fn read(&self, key: &str, range: Range<u64>, etag: Option<&str>) -> Result<Chunks> {
        let s3 = &self.0;
        let full = s3.full_key(key)?;
        let Some(last) = range.end.checked_sub(1).filter(|last| *last >= range.start) else {
            return Ok(stream::empty().boxed());
        };
        let request = s3
            .client
            .get_object()
            .bucket(&s3.url.bucket)
            .key(&full)
            .range(format!("bytes={}-{last}", range.start))
            .set_if_match(etag.map(str::to_owned));
        let replaced =
            || StoreError::new(Situation::Changed, format!("{full} was replaced while it was read"));
        let request = async {
            match request.send().await {
                Err(error) if explain::is_beyond_the_end(&error) => Ok(None),
                answer => answer.map(Some),
            }
        };
        let answer = match s3.ask(0, request).await {
            Ok(Some(answer)) => answer,
            Ok(None) => return Ok(stream::empty().boxed()),
            Err(error) if error.situation() == Situation::Exists => return Err(replaced()),
            Err(error) => return Err(about(error, &full)),
        };
        // Some services ignore the condition (Garage 2.5 does), and say the tag all the same.
        if etag.zip(answer.e_tag()).is_some_and(|(pinned, now)| pinned != now) {
            return Err(replaced());
        }
        let length = answer.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
        if answer.content_range().is_none() && (range.start > 0 || length > range.end) {
            return Err(StoreError::new(
                Situation::Unsupported,
                "the store sends whole objects instead of ranges",
            ));
        }
        let speaker = s3.speaker.clone();
        let chunks = stream::try_unfold((answer.body, speaker), |(mut body, speaker)| async move {
            match body.next().await {
                Some(Ok(chunk)) => Ok(Some((chunk, (body, speaker)))),
                Some(Err(error)) => Err(speaker.broken(error)),
                None => Ok(None),
            }
        });
        Ok(chunks.boxed())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let s3 = &self.0;
        let prefix = s3.full_prefix(prefix);
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let request = s3
                .client
                .list_objects_v2()
                .bucket(&s3.url.bucket)
                .prefix(&prefix)
                .set_continuation_token(token.clone());
            let page = s3.ask(0, request.send()).await.map_err(|error| s3.speaker.of_bucket(error))?;
            found.extend(page.contents().iter().filter_map(|object| {
                let key = s3.short_key(object.key()?)?.to_owned();
                let bytes = object.size().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
                Some(Listed { key, bytes, modified: moment(object.last_modified()) })
            }));
            if page.is_truncated() != Some(true) {
                break;
            }
            token = Some(next_page(token.as_ref(), page.next_continuation_token().map(str::to_owned))?);
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.0.delete(&self.0.full_key(key)?).await
    }

    async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>> {
        let s3 = &self.0;
        let prefix = s3.full_prefix(prefix);
        let mut found = Vec::new();
        let mut after: Option<(String, String)> = None;
        loop {
            let (key, id) = after.clone().unzip();
            let request = s3
                .client
                .list_multipart_uploads()
                .bucket(&s3.url.bucket)
                .prefix(&prefix)
                .set_key_marker(key)
                .set_upload_id_marker(id);
            let page = s3.ask(0, request.send()).await.map_err(|error| s3.speaker.of_bucket(error))?;
            found.extend(page.uploads().iter().filter_map(|upload| {
                let key = s3.short_key(upload.key()?)?.to_owned();
                Some(Unfinished {
                    key,
                    id: upload.upload_id()?.to_owned(),
                    started: moment(upload.initiated()),
                })
            }));
            if page.is_truncated() != Some(true) {
                break;
            }
            let next = page.next_key_marker().zip(Some(page.next_upload_id_marker().unwrap_or_default()));
            let next = next.map(|(key, id)| (key.to_owned(), id.to_owned()));
            after = Some(next_page(after.as_ref(), next)?);
        }
        found.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
        Ok(found)
    }

    async fn abort_unfinished(&self, upload: &Unfinished) -> Result<()> {
        self.0.abort(&self.0.full_key(&upload.key)?, &upload.id).await
    }

    async fn free_space(&self) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// Where a list goes on; a store that says the same place again would be asked forever.
fn next_page<T: PartialEq>(last: Option<&T>, next: Option<T>) -> Result<T> {
    next.filter(|next| Some(next) != last).ok_or_else(|| {
        StoreError::new(Situation::Other, "the store's list does not go on although it says it is cut")
    })
}

/// A body that arrived damaged was damaged on its way: sending it again may help.
fn on_the_way(error: StoreError) -> StoreError {
    match error.situation() {
        Situation::Damaged => error.in_situation(Situation::Transient),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_does_not_go_on_ends() {
        assert_eq!(next_page(None, Some("a")).unwrap(), "a");
        assert!(next_page(Some(&"a"), Some("a")).is_err());
        assert!(next_page::<&str>(None, None).is_err());
    }
}
