//! The requests of an upload in S3's words, and those that every write needs.

use super::bucket::Bucket;
use super::headers::BodySum;
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::contract::limits::Limits;
use crate::store::contract::object::ObjectInfo;
use crate::store::multipart::metadata::from_headers;
use crate::store::multipart::protocol::{Begun, Headers, Part, Protocol, Said, Sent, about, on_the_way};
use crate::store::multipart::sum::Sum;
use crate::store::retry::Retry;
use crate::store::url::profiles::Checksums;
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

/// A completion may take this many times longer than other requests: some stores copy the parts.
const COMPLETION: u32 = 10;

#[async_trait]
impl Protocol for Bucket {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn sum(&self) -> Option<Sum> {
        (self.checksums == Checksums::Full).then_some(Sum::Crc64Nvme)
    }

    fn retry(&self) -> Retry {
        self.retry.clone()
    }

    fn permission_to_look(&self) -> &'static str {
        "s3:GetObject"
    }

    async fn begin(&self, full: &str, metadata: &Headers) -> Result<String> {
        let full_checksum = self.checksums == Checksums::Full;
        let create = |client: Client| {
            let request = client.create_multipart_upload().bucket(&self.url.bucket).key(full);
            request
                .content_type("application/octet-stream")
                .set_metadata(Some(metadata.clone()))
                .set_checksum_algorithm(full_checksum.then_some(ChecksumAlgorithm::Crc64Nvme))
                .set_checksum_type(full_checksum.then_some(ChecksumType::FullObject))
                .send()
        };
        let begun = self.ask(0, create).await.map_err(|error| self.speaker.of_bucket(error))?;
        let id = begun.upload_id().filter(|id| !id.is_empty()).map(str::to_owned);
        id.ok_or_else(|| StoreError::new(Situation::Other, "the store began an upload without an upload id"))
    }

    async fn send(&self, upload: &Begun, number: u32, bytes: Bytes) -> Result<Part> {
        let length = bytes.len() as u64;
        let sum = BodySum::of(self.checksums, &bytes).await?;
        let send = |client: Client| {
            let request = client.upload_part().bucket(&self.url.bucket).key(&upload.full);
            let request = request
                .upload_id(&upload.id)
                .part_number(i32::try_from(number).unwrap_or(i32::MAX))
                .set_checksum_crc64_nvme(sum.crc64())
                .set_content_md5(sum.md5.clone())
                .body(ByteStream::from(bytes.clone()))
                .customize();
            if self.signs_parts { request } else { request.disable_payload_signing() }.send()
        };
        let said = self.ask(length, send).await?;
        let (theirs, ours) = (said.checksum_crc64_nvme(), sum.crc64());
        if theirs.is_some() && ours.is_some() && theirs != ours.as_deref() {
            return Err(StoreError::new(Situation::Transient, "the part arrived damaged"));
        }
        let Some(etag) = said.e_tag().filter(|etag| !etag.is_empty()).map(str::to_owned) else {
            return Err(StoreError::new(Situation::Other, "the store confirmed a part without an ETag"));
        };
        Ok(Part { etag, sum: sum.crc })
    }

    async fn finish(&self, upload: &Begun, parts: Vec<(u32, String)>, sent: &Sent) -> Result<Said> {
        let part = |(number, etag)| {
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            CompletedPart::builder().part_number(number).e_tag(etag).build()
        };
        let parts = parts.into_iter().map(part).collect();
        let list = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let size = self.says_object_size.then(|| i64::try_from(sent.bytes).ok()).flatten();
        let checksum = sent.checksum.as_deref().and_then(|text| text.split_once(':'));
        let complete = |client: Client| {
            let request = client.complete_multipart_upload().bucket(&self.url.bucket).key(&upload.full);
            request
                .upload_id(&upload.id)
                .multipart_upload(list.clone())
                .set_checksum_type(checksum.is_some().then_some(ChecksumType::FullObject))
                .set_checksum_crc64_nvme(checksum.map(|(_, base64)| base64.to_owned()))
                .set_mpu_object_size(size)
                .set_if_none_match(self.limits.complete_is_create_only.then(|| "*".to_owned()))
                .send()
        };
        let said = self.ask_within(self.request_timeout * COMPLETION, complete).await;
        let said = said.map_err(|error| about(error, &upload.full))?;
        Ok(said_by(said.e_tag(), said.checksum_crc64_nvme()))
    }

    async fn cancel(&self, full: &str, id: &str) -> Result<()> {
        let abort = |client: Client| {
            client.abort_multipart_upload().bucket(&self.url.bucket).key(full).upload_id(id).send()
        };
        match self.ask(0, abort).await {
            Err(error) if error.situation() != Situation::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn write(&self, full: &str, bytes: Bytes, metadata: Option<&Headers>) -> Result<Said> {
        let length = bytes.len() as u64;
        let sum = BodySum::of(self.checksums, &bytes).await?;
        let put = |client: Client| {
            let request = client.put_object().bucket(&self.url.bucket).key(full);
            request
                .content_type("application/octet-stream")
                .set_metadata(metadata.cloned())
                .set_if_none_match(self.limits.put_is_create_only.then(|| "*".to_owned()))
                .set_checksum_crc64_nvme(sum.crc64())
                .set_content_md5(sum.md5.clone())
                .body(ByteStream::from(bytes.clone()))
                .send()
        };
        let said = self.ask(length, put).await.map_err(|error| {
            // The object does not exist yet: only the bucket can be missing.
            self.speaker.of_bucket(on_the_way(about(error, full)))
        })?;
        Ok(said_by(said.e_tag(), said.checksum_crc64_nvme()))
    }

    async fn look(&self, full: &str) -> Result<ObjectInfo> {
        let head = self.head(full).await?;
        let Said { etag, checksum } = said_by(head.e_tag(), head.checksum_crc64_nvme());
        let bytes = head.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
        Ok(ObjectInfo {
            bytes,
            etag,
            checksum,
            metadata: head.metadata().map(from_headers).unwrap_or_default(),
        })
    }

    async fn ignored(&self, full: &str, may_look: bool) -> Result<Option<String>> {
        self.retry.run(format!("look at {full}"), |_| self.ignored_extras(full, may_look)).await
    }

    /// S3 deletes by key alone: whoever may not look deletes what there is.
    async fn remove(&self, full: &str, _version: Option<&str>) -> Result<()> {
        let delete = |client: Client| client.delete_object().bucket(&self.url.bucket).key(full).send();
        match self.ask(0, delete).await {
            Err(error) if error.situation() != Situation::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// What an answer says. Some services answer an empty ETag to a completion.
fn said_by(etag: Option<&str>, crc64: Option<&str>) -> Said {
    let filled = |text: &&str| !text.is_empty();
    Said {
        etag: etag.filter(filled).map(str::to_owned),
        checksum: crc64.filter(filled).map(|base64| Sum::Crc64Nvme.named(base64)),
    }
}
