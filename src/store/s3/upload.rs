//! A multipart upload: parts with their checksums, and a completion that can be repeated.

use super::bucket::{Answer, Bucket, Sent, exists, length_of, on_the_way};
use super::explain::about;
use super::headers::{BodySum, crc64, from_headers, to_headers};
use crate::store::Upload;
use crate::store::error::{Result, Situation, StoreError};
use crate::store::object::{Metadata, Stored};
use crate::store::parts::{Confirmed, check_parts};
use crate::store::profiles::Checksums;
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The metadata name of an upload's nonce, by which our object is recognised.
pub(super) const NONCE: &str = "upload";

/// A completion may take this many times longer than other requests: some stores copy the parts.
const COMPLETION: u32 = 10;

/// Begins an upload.
pub(super) async fn begin(
    s3: Arc<Bucket>,
    full: String,
    metadata: &Metadata,
    part_size: u64,
) -> Result<Box<dyn Upload>> {
    if !s3.limits.complete_is_create_only {
        s3.refuse_existing(&full).await?;
    }
    let nonce = nonce()?;
    let mut metadata = metadata.clone();
    metadata.insert(NONCE.to_owned(), nonce.clone());
    let metadata = to_headers(&metadata, s3.limits.max_metadata)?;
    let full_checksum = s3.checksums == Checksums::Full;
    let create = |client: Client| {
        let request = client.create_multipart_upload().bucket(&s3.url.bucket).key(&full);
        request
            .content_type("application/octet-stream")
            .set_metadata(Some(metadata.clone()))
            .set_checksum_algorithm(full_checksum.then_some(ChecksumAlgorithm::Crc64Nvme))
            .set_checksum_type(full_checksum.then_some(ChecksumType::FullObject))
            .send()
    };
    let begun = s3.ask(0, create).await.map_err(|error| s3.speaker.of_bucket(error))?;
    let Some(id) = begun.upload_id().filter(|id| !id.is_empty()).map(str::to_owned) else {
        return Err(StoreError::new(Situation::Other, "the store began an upload without an upload id"));
    };
    let (parts, asked) = (Mutex::default(), AtomicBool::new(false));
    Ok(Box::new(Multipart { s3, full, id, nonce, metadata, part_size, parts, asked }))
}

fn nonce() -> Result<String> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random)
        .map_err(|e| StoreError::new(Situation::Other, format!("the system has no random bytes: {e}")))?;
    Ok(hex::encode(random))
}

/// A part as the store confirmed it.
struct Part {
    etag: String,
    crc: Option<u64>,
}

struct Multipart {
    s3: Arc<Bucket>,
    full: String,
    id: String,
    nonce: String,
    metadata: HashMap<String, String>,
    part_size: u64,
    parts: Mutex<Confirmed<Part>>,
    /// Whether a completion was requested before, so that the object may exist already.
    asked: AtomicBool,
}

impl Multipart {
    /// The completion's list of parts, and what the object must be.
    fn whole(&self, bytes: u64) -> Result<(CompletedMultipartUpload, Sent)> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        check_parts(&parts, self.part_size, bytes)?;
        let mut list = CompletedMultipartUpload::builder();
        let mut crc = Some(0);
        for (number, (length, part)) in parts.iter() {
            let number = i32::try_from(*number).unwrap_or(i32::MAX);
            list = list.parts(CompletedPart::builder().part_number(number).e_tag(&part.etag).build());
            crc = crc.zip(part.crc).map(|(whole, next)| {
                crc_fast::checksum_combine(CrcAlgorithm::Crc64Nvme, whole, next, *length)
            });
        }
        Ok((list.build(), Sent { bytes, checksum: crc.map(crc64) }))
    }

    async fn ask(&self, list: CompletedMultipartUpload, sent: &Sent) -> Result<Stored> {
        let s3 = &self.s3;
        let size = s3.says_object_size.then(|| i64::try_from(sent.bytes).ok()).flatten();
        let complete = |client: Client| {
            let request = client.complete_multipart_upload().bucket(&s3.url.bucket).key(&self.full);
            request
                .upload_id(&self.id)
                .multipart_upload(list.clone())
                .set_checksum_type(sent.checksum.is_some().then_some(ChecksumType::FullObject))
                .set_checksum_crc64_nvme(sent.checksum.clone())
                .set_mpu_object_size(size)
                .set_if_none_match(s3.limits.complete_is_create_only.then(|| "*".to_owned()))
                .send()
        };
        let said = s3.ask_within(s3.request_timeout * COMPLETION, complete).await;
        let said = said.map_err(|error| about(error, &self.full))?;
        s3.confirm(&self.full, sent, Answer::new(said.e_tag(), said.checksum_crc64_nvme())).await
    }

    /// An empty object: a completion needs a part, and not every store accepts an empty one.
    async fn put_empty(&self) -> Result<Stored> {
        self.s3.abort(&self.full, &self.id).await?;
        self.s3.put(&self.full, Bytes::new(), Some(self.metadata.clone())).await
    }

    fn is_ours(&self, head: &HeadObjectOutput) -> bool {
        from_headers(head.metadata()).get(NONCE) == Some(&self.nonce)
    }

    /// The failure of an upload that the store no longer has.
    fn lost(&self, error: StoreError) -> StoreError {
        let lost = StoreError::new(Situation::Other, format!("the store lost the upload of {}", self.full));
        error.hints().iter().fold(lost, StoreError::hint).because(error)
    }

    /// Finds out whether the object exists although a completion failed: an earlier one, whose answer was lost, may
    /// have been carried out.
    async fn after_all(&self, sent: &Sent, refused: StoreError, asked_before: bool) -> Result<Stored> {
        match self.s3.head_written(&self.full).await {
            Ok(head) if self.is_ours(&head) => {
                tracing::debug!(
                    "{}: an earlier completion was carried out, {} bytes",
                    self.full,
                    length_of(&head)
                );
                self.s3.confirm(&self.full, sent, Answer::of_head(&head)).await
            }
            Ok(_) => Err(exists(&self.full)),
            Err(error) if error.situation() == Situation::NotFound => Err(self.lost(refused)),
            Err(error) if error.situation() != Situation::Denied => Err(error),
            Err(_) if !asked_before => Err(self.lost(refused)),
            Err(_) if refused.situation() == Situation::Exists => {
                tracing::warn!(
                    "{}: the answer to completing it was lost, and it exists now; these credentials may not read it to be sure",
                    self.full
                );
                Ok(Stored { bytes: sent.bytes, etag: None, checksum: None, read_back: false })
            }
            Err(error) => Err(StoreError::new(
                Situation::Other,
                format!(
                    "it is not known whether {} was completed: the answer was lost, and the credentials may not look",
                    self.full
                ),
            )
            .because(error)
            .hint("run it again; with permission to read (s3:GetObject) pgstow can find out")),
        }
    }
}

#[async_trait]
impl Upload for Multipart {
    async fn part(&self, number: u32, bytes: Bytes) -> Result<()> {
        let s3 = &self.s3;
        let length = bytes.len() as u64;
        let sum = BodySum::of(s3.checksums, &bytes).await?;
        let send = |client: Client| {
            let request = client.upload_part().bucket(&s3.url.bucket).key(&self.full);
            request
                .upload_id(&self.id)
                .part_number(i32::try_from(number).unwrap_or(i32::MAX))
                .set_checksum_crc64_nvme(sum.crc.map(crc64))
                .set_content_md5(sum.md5.clone())
                .body(ByteStream::from(bytes.clone()))
                .send()
        };
        let said = s3.ask(length, send).await.map_err(|error| match error.situation() {
            Situation::NotFound => self.lost(error),
            _ => on_the_way(error),
        })?;
        let (theirs, ours) = (said.checksum_crc64_nvme(), sum.crc.map(crc64));
        if theirs.is_some() && ours.is_some() && theirs != ours.as_deref() {
            return Err(StoreError::new(Situation::Transient, "the part arrived damaged"));
        }
        let Some(etag) = said.e_tag().filter(|etag| !etag.is_empty()).map(str::to_owned) else {
            return Err(StoreError::new(Situation::Other, "the store confirmed a part without an ETag"));
        };
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.insert(number, (length, Part { etag, crc: sum.crc }));
        Ok(())
    }

    async fn complete(&self, bytes: u64) -> Result<Stored> {
        let (list, sent) = self.whole(bytes)?;
        let asked_before = self.asked.swap(true, Ordering::Relaxed);
        let answer = match bytes {
            0 => self.put_empty().await,
            _ => self.ask(list, &sent).await,
        };
        match answer {
            Err(error)
                if error.situation() == Situation::NotFound
                    || asked_before && error.situation() == Situation::Exists =>
            {
                self.after_all(&sent, error, asked_before).await
            }
            Err(error) if error.situation() == Situation::Exists => {
                // A clear answer to the first request: the object is somebody else's.
                self.asked.store(false, Ordering::Relaxed);
                Err(error)
            }
            answer => answer,
        }
    }

    async fn abort(&self) -> Result<()> {
        self.s3.abort(&self.full, &self.id).await?;
        if !self.asked.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.s3.head(&self.full).await {
            Ok(head) if self.is_ours(&head) => self.s3.delete(&self.full).await,
            // It does not exist, or is somebody else's.
            Ok(_) => Ok(()),
            Err(error) if error.situation() == Situation::NotFound => Ok(()),
            // These credentials may not know. If the object exists it is ours, and they may be allowed to delete it.
            Err(error) if error.situation() == Situation::Denied => {
                let gone = self.s3.delete(&self.full).await;
                gone.or_else(|error| if error.situation() == Situation::Denied { Ok(()) } else { Err(error) })
            }
            Err(error) => Err(error),
        }
    }
}
