//! What a thief would try: see [`Attempt`].

use super::bucket::Bucket;
use super::headers::BodySum;
use crate::store::contract::attempt::Attempt;
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::multipart::protocol::about;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode};
use bytes::Bytes;
use std::time::{Duration, SystemTime};

/// How long a lock goes on that was shortened.
const SOON: Duration = Duration::from_secs(60);

impl Bucket {
    /// Tries it on this object.
    pub(super) async fn attempt(&self, attempt: Attempt, full: &str) -> Result<()> {
        let done = match attempt {
            Attempt::Overwrite(bytes) => self.overwrite(full, bytes).await,
            Attempt::ReadVersion => self.read_version(full).await,
            Attempt::DeleteVersion => self.delete_version(full).await,
            Attempt::ShortenLock => self.shorten_lock(full).await,
        };
        done.map_err(|error| about(error, full))
    }

    async fn overwrite(&self, full: &str, bytes: Bytes) -> Result<()> {
        let (length, sum) = (bytes.len() as u64, BodySum::of(self.checksums, &bytes).await?);
        let put = |client: Client| {
            let request = client.put_object().bucket(&self.url.bucket).key(full);
            let request = request.set_checksum_crc64_nvme(sum.crc64()).set_content_md5(sum.md5.clone());
            request.body(ByteStream::from(bytes.clone())).send()
        };
        self.ask(length, put).await.map(drop)
    }

    async fn read_version(&self, full: &str) -> Result<()> {
        let version = self.some_version(full).await?;
        let get = |client: Client| {
            client.get_object().bucket(&self.url.bucket).key(full).version_id(&version).send()
        };
        self.ask(0, get).await.map(drop)
    }

    async fn delete_version(&self, full: &str) -> Result<()> {
        let version = self.some_version(full).await?;
        let delete = async |bypass: Option<bool>| {
            let delete = |client: Client| {
                let request = client.delete_object().bucket(&self.url.bucket).key(full).version_id(&version);
                request.set_bypass_governance_retention(bypass).send()
            };
            self.ask(0, delete).await.map(drop)
        };
        match delete(None).await {
            // It may be locked in the mode that some may bypass.
            Err(error) if matches!(error.situation(), Situation::Denied | Situation::Locked) => {
                delete(Some(true)).await
            }
            done => done,
        }
    }

    /// A version of the object, the newest that there is: from a list, or from looking at it.
    async fn some_version(&self, full: &str) -> Result<String> {
        let list =
            |client: Client| client.list_object_versions().bucket(&self.url.bucket).prefix(full).send();
        let version = match self.ask(0, list).await {
            Ok(listed) => {
                let ours = listed.versions().iter().find(|version| version.key() == Some(full));
                let marker = listed.delete_markers().iter().find(|marker| marker.key() == Some(full));
                let ours = ours.and_then(|version| version.version_id());
                ours.or(marker.and_then(|marker| marker.version_id())).map(str::to_owned)
            }
            Err(error) if error.situation() == Situation::Denied => {
                self.head(full).await?.version_id().map(str::to_owned)
            }
            Err(error) => return Err(error),
        };
        version
            .filter(|version| version != "null")
            .ok_or_else(|| StoreError::new(Situation::Unsupported, "the bucket keeps no versions"))
    }

    async fn shorten_lock(&self, full: &str) -> Result<()> {
        let (Some(mode), Some(until)) = self.retention(full).await? else {
            return Err(StoreError::new(Situation::Unsupported, "the bucket does not lock what is written"));
        };
        let soon = SystemTime::now() + SOON;
        if SystemTime::try_from(until).is_ok_and(|until| until <= soon) {
            return Err(StoreError::new(Situation::Unsupported, "the bucket locks for a moment only"));
        }
        let retention = ObjectLockRetention::builder()
            .mode(ObjectLockRetentionMode::from(mode.as_str()))
            .retain_until_date(DateTime::from(soon))
            .build();
        let put = |client: Client| {
            let request = client.put_object_retention().bucket(&self.url.bucket).key(full);
            request.retention(retention.clone()).bypass_governance_retention(true).send()
        };
        self.ask(0, put).await.map(drop)
    }

    /// How an object is locked, and until when.
    async fn retention(&self, full: &str) -> Result<(Option<ObjectLockMode>, Option<DateTime>)> {
        let head = self.head(full).await?;
        Ok((head.object_lock_mode().cloned(), head.object_lock_retain_until_date().copied()))
    }
}
