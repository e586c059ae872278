//! Looking at an object: what is known about it, and what keeps it from being deleted.

use super::bucket::Bucket;
use crate::store::contract::error::{Result, Situation};
use crate::store::contract::object::Lock;
use crate::store::multipart::protocol::about;
use crate::store::url::profiles::Checksums;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{ChecksumMode, ObjectLockLegalHoldStatus};
use std::time::SystemTime;

impl Bucket {
    pub(super) async fn head(&self, full: &str) -> Result<HeadObjectOutput> {
        let mode = (self.checksums == Checksums::Full).then_some(ChecksumMode::Enabled);
        let head = |client: Client| {
            let request = client.head_object().bucket(&self.url.bucket).key(full);
            request.set_checksum_mode(mode.clone()).send()
        };
        self.ask(0, head).await.map_err(|error| about(error, full))
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
}
