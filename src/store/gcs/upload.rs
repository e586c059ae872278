//! The requests of an upload in Google's words, and those that every write needs.

use super::access::Access;
use super::bucket::{Bucket, LIMITS};
use super::xml::{Answer, Request, Xml, text_of};
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::contract::limits::Limits;
use crate::store::contract::object::{Lock, ObjectInfo};
use crate::store::multipart::metadata::from_headers;
use crate::store::multipart::protocol::{Begun, Headers, Part, Protocol, Said, Sent, about, on_the_way};
use crate::store::multipart::sum::{Sum, md5_of};
use crate::store::options::object_options::{LockMode, LockWish};
use crate::store::retry::Retry;
use async_trait::async_trait;
use bytes::Bytes;
use google_cloud_storage::model::Object;
use google_cloud_storage::model::object::Retention;
use google_cloud_storage::model::object::retention::Mode;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// A completion may take this many times longer than other requests: it puts thousands of parts together.
const COMPLETION: u32 = 10;

/// What the bytes are.
const BYTES: &str = "application/octet-stream";

impl Bucket {
    /// Makes one request to the XML API about an object.
    pub(super) async fn tell(
        &self,
        method: Method,
        full: &str,
        query: &[(&'static str, String)],
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer> {
        let length = body.len() as u64;
        let request = |_: Access, xml: Xml, token| {
            let (key, query) = (Some(full.to_owned()), query.to_vec());
            let (headers, body) = (headers.clone(), body.clone());
            let request = Request { method: method.clone(), key, query, headers, body };
            async move { xml.send(&self.speaker, token, request).await }
        };
        if query.iter().any(|(name, _)| *name == "uploadId") && method == Method::POST {
            return self.ask_within(self.request_timeout * COMPLETION, request).await;
        }
        self.ask(length, request).await
    }

    /// What keeps an object from being deleted, as far as these credentials may know.
    pub(super) async fn lock(&self, full: &str) -> Result<Option<Lock>> {
        let object = match self.object(full).await {
            Err(error) if matches!(error.situation(), Situation::NotFound | Situation::Denied) => {
                return Ok(None);
            }
            object => object?,
        };
        if object.temporary_hold || object.event_based_hold == Some(true) {
            return Ok(Some(Lock::LegalHold));
        }
        // The bucket's policy, and the object's own.
        let own = object.retention.and_then(|retention| retention.retain_until_time);
        let moments = [object.retention_expire_time, own].into_iter().flatten();
        let until = moments.filter_map(|time| SystemTime::try_from(time).ok()).max();
        Ok(until.filter(|until| *until > SystemTime::now()).map(Lock::Until))
    }

    pub(super) async fn object(&self, full: &str) -> Result<Object> {
        let look = |access: Access, _, _| {
            let request = access.control.get_object().set_bucket(self.name()).set_object(full);
            async move { request.send().await.map_err(|error| self.speaker.google(&error)) }
        };
        self.ask(0, look).await.map_err(|error| about(error, full))
    }

    /// What was asked for, and an object does not have.
    fn missing(&self, object: &Object) -> Option<String> {
        if let Some(wanted) = self.url.class.as_ref().filter(|wanted| **wanted != object.storage_class) {
            return Some(format!("the storage class {wanted}"));
        }
        // It is named with its version.
        let named = object.kms_key.split("/cryptoKeyVersions/").next();
        if let Some(wanted) = self.url.kms.as_ref().filter(|wanted| named != Some(wanted.as_str())) {
            return Some(format!("the encryption with {wanted}"));
        }
        let lock = self.lock?;
        let has = object.retention.as_ref();
        let mode = has.map(|retention| match retention.mode {
            Mode::Locked => LockMode::Compliance.word(),
            Mode::Unlocked => LockMode::Governance.word(),
            _ => "",
        });
        let until = has.and_then(|retention| retention.retain_until_time);
        lock.missing(mode, until.and_then(|time| SystemTime::try_from(time).ok()))
    }

    /// The headers that an upload begins with.
    fn beginning(&self, metadata: &Headers) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(BYTES));
        let own = metadata.iter().map(|(name, value)| (format!("x-goog-meta-{name}"), value.as_str()));
        let class = self.url.class.as_deref().map(|class| ("x-goog-storage-class".to_owned(), class));
        let kms = self.url.kms.as_deref().map(|key| ("x-goog-encryption-kms-key-name".to_owned(), key));
        let until = self.lock.map(|lock| lock.moment());
        let mode = self.lock.map(|lock| ("x-goog-object-lock-mode".to_owned(), lock.mode.word()));
        let until = until.as_deref().map(|until| ("x-goog-object-lock-retain-until-date".to_owned(), until));
        for (name, value) in own.chain(class).chain(kms).chain(mode).chain(until) {
            let header = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(value).ok());
            let Some((name, value)) = header else {
                return Err(StoreError::new(
                    Situation::Other,
                    format!("{name} has a value that no header can have"),
                ));
            };
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

#[async_trait]
impl Protocol for Bucket {
    fn limits(&self) -> Limits {
        LIMITS
    }

    fn sum(&self) -> Option<Sum> {
        Some(Sum::Crc32c)
    }

    fn retry(&self) -> Retry {
        self.retry.clone()
    }

    fn permission_to_look(&self) -> &'static str {
        "storage.objects.get"
    }

    async fn begin(&self, full: &str, metadata: &Headers) -> Result<String> {
        let headers = self.beginning(metadata)?;
        let begun = self.tell(Method::POST, full, &[("uploads", String::new())], headers, Bytes::new()).await;
        let begun = begun.map_err(|error| self.speaker.of_bucket(error))?;
        let id = begun.read(&self.speaker, |root| text_of(root, "UploadId"))?.filter(|id| !id.is_empty());
        id.ok_or_else(|| StoreError::new(Situation::Other, "the store began an upload without an upload id"))
    }

    async fn send(&self, upload: &Begun, number: u32, bytes: Bytes) -> Result<Part> {
        let sum = Sum::Crc32c.of(&bytes);
        let hash = format!("crc32c={},md5={}", Sum::Crc32c.base64(sum), md5_of(&bytes).await?);
        let mut headers = HeaderMap::new();
        let hash = HeaderValue::try_from(hash)
            .map_err(|e| StoreError::new(Situation::Other, "a checksum cannot be a header").because(e))?;
        headers.insert("x-goog-hash", hash);
        let query = [("partNumber", number.to_string()), ("uploadId", upload.id.clone())];
        let said = self.tell(Method::PUT, &upload.full, &query, headers, bytes).await?;
        if said.crc32c().is_some_and(|theirs| theirs != Sum::Crc32c.text(sum)) {
            return Err(StoreError::new(Situation::Transient, "the part arrived damaged"));
        }
        let Some(etag) = said.etag() else {
            return Err(StoreError::new(Situation::Other, "the store confirmed a part without an ETag"));
        };
        Ok(Part { etag, sum: Some(sum) })
    }

    async fn finish(&self, upload: &Begun, parts: Vec<(u32, String)>, _sent: &Sent) -> Result<Said> {
        let mut list = String::from("<CompleteMultipartUpload>");
        for (number, etag) in parts {
            let etag = etag.replace('&', "&amp;").replace('<', "&lt;");
            list += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        list += "</CompleteMultipartUpload>";
        let query = [("uploadId", upload.id.clone())];
        let said = self.tell(Method::POST, &upload.full, &query, HeaderMap::new(), list.into()).await;
        let said = said.map_err(|error| about(error, &upload.full))?;
        Ok(Said { etag: said.generation(), checksum: said.crc32c() })
    }

    async fn cancel(&self, full: &str, id: &str) -> Result<()> {
        let query = [("uploadId", id.to_owned())];
        match self.tell(Method::DELETE, full, &query, HeaderMap::new(), Bytes::new()).await {
            Err(error) if error.situation() != Situation::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn write(&self, full: &str, bytes: Bytes, metadata: Option<&Headers>) -> Result<Said> {
        let length = bytes.len() as u64;
        let sum = Sum::Crc32c.of(&bytes) as u32;
        let put = |access: Access, _, _| {
            let mut request = access
                .storage
                .write_object(self.name(), full, bytes.clone())
                // Only if there is no object with this key.
                .set_if_generation_match(0)
                .set_content_type(BYTES)
                .set_metadata(metadata.into_iter().flatten())
                .with_known_crc32c(sum)
                // In one request, whatever its size: its own way of resuming stores wrong bytes.
                .with_resumable_upload_threshold(usize::MAX);
            if let Some(class) = &self.url.class {
                request = request.set_storage_class(class);
            }
            if let Some(key) = &self.url.kms {
                request = request.set_kms_key(key);
            }
            if let Some(retention) = self.lock.and_then(|lock| retention(&lock)) {
                request = request.set_retention(retention);
            }
            async move { request.send_unbuffered().await.map_err(|error| self.speaker.google(&error)) }
        };
        let written = self.ask(length, put).await.map_err(|error| {
            // The object does not exist yet: only the bucket can be missing.
            self.speaker.of_bucket(on_the_way(about(error, full)))
        })?;
        let ObjectInfo { etag, checksum, .. } = info(&written);
        Ok(Said { etag, checksum })
    }

    async fn look(&self, full: &str) -> Result<ObjectInfo> {
        Ok(info(&self.object(full).await?))
    }

    async fn ignored(&self, full: &str, may_look: bool) -> Result<Option<String>> {
        if self.lock.is_none() && self.url.class.is_none() && self.url.kms.is_none() {
            return Ok(None);
        }
        if !may_look {
            if self.lock.is_some() && !self.said_unknown.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "these credentials may not look at objects (storage.objects.get): it is not known whether the store \
                     locked the backup"
                );
            }
            return Ok(None);
        }
        let look = || self.object(full);
        let object = self.retry.run(format!("look at {full}"), |_| look()).await?;
        Ok(self.missing(&object))
    }

    async fn remove(&self, full: &str, version: Option<&str>) -> Result<()> {
        let generation = version.and_then(|version| version.parse::<i64>().ok());
        let delete = |access: Access, _, _| {
            let mut request = access.control.delete_object().set_bucket(self.name()).set_object(full);
            if let Some(generation) = generation {
                request = request.set_if_generation_match(generation);
            }
            async move { request.send().await.map_err(|error| self.speaker.google(&error)) }
        };
        match self.ask(0, delete).await {
            // It is gone, or somebody else's by now.
            Err(error) if matches!(error.situation(), Situation::NotFound | Situation::Exists) => Ok(()),
            answer => answer,
        }
    }
}

/// A lock as Google's client has it.
fn retention(lock: &LockWish) -> Option<Retention> {
    let mode = match lock.mode {
        LockMode::Governance => Mode::Unlocked,
        LockMode::Compliance => Mode::Locked,
    };
    let mut retention = Retention::new().set_mode(mode);
    retention.retain_until_time = Some(lock.until.try_into().ok()?);
    Some(retention)
}

fn info(object: &Object) -> ObjectInfo {
    let crc32c = object.checksums.as_ref().and_then(|sums| sums.crc32c);
    ObjectInfo {
        bytes: u64::try_from(object.size).unwrap_or_default(),
        etag: (object.generation > 0).then(|| object.generation.to_string()),
        checksum: crc32c.map(|sum| Sum::Crc32c.text(sum.into())),
        metadata: from_headers(&object.metadata),
    }
}
