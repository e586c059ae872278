//! Whether the service did what was asked for with a new object.

use super::bucket::Bucket;
use crate::store::contract::error::{Result, Situation};
use crate::store::multipart::protocol::about;
use crate::store::options::object_options::LockWish;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{ObjectLockMode, ObjectLockRetentionMode};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

impl Bucket {
    /// What the service did not do for a new object; see
    /// [`Protocol::ignored`](crate::store::multipart::protocol::Protocol::ignored).
    pub(super) async fn ignored_extras(&self, full: &str, may_look: bool) -> Result<Option<String>> {
        let extras = &self.recipe.extras;
        if extras.is_empty() {
            return Ok(None);
        }
        if !may_look {
            self.say_unknown_lock();
            return Ok(None);
        }
        let head = self.head(full).await?;
        if let Some(missing) = extras.missing(&head) {
            return Ok(Some(missing));
        }
        if let Some(lock) = extras.lock {
            let until =
                head.object_lock_retain_until_date().and_then(|date| SystemTime::try_from(*date).ok());
            let missing = lock.missing(head.object_lock_mode().map(ObjectLockMode::as_str), until);
            // Without a right of its own the lock is left out of the answer.
            if missing.is_some() && self.unlocked(full, &lock).await? {
                return Ok(missing);
            }
        }
        match extras.tags.is_empty() || self.has_tags(full).await? {
            true => Ok(None),
            false => Ok(Some("its tags".to_owned())),
        }
    }

    /// Whether an object does not have this lock, as far as these credentials may know.
    async fn unlocked(&self, full: &str, lock: &LockWish) -> Result<bool> {
        let get = |client: Client| client.get_object_retention().bucket(&self.url.bucket).key(full).send();
        match self.ask(0, get).await {
            Ok(said) => {
                let retention = said.retention();
                let mode =
                    retention.and_then(|retention| retention.mode()).map(ObjectLockRetentionMode::as_str);
                let until = retention.and_then(|retention| retention.retain_until_date());
                Ok(lock.missing(mode, until.and_then(|date| SystemTime::try_from(*date).ok())).is_some())
            }
            Err(error) if error.situation() == Situation::Denied => {
                self.say_unknown_lock();
                Ok(false)
            }
            Err(error) if error.situation().may_pass() => Err(error),
            // It has none, or the service does not know the question.
            Err(_) => Ok(true),
        }
    }

    /// Whether an object has the tags that were asked for, as far as these credentials may know.
    async fn has_tags(&self, full: &str) -> Result<bool> {
        let get = |client: Client| client.get_object_tagging().bucket(&self.url.bucket).key(full).send();
        match self.ask(0, get).await {
            Ok(said) => {
                let has = |(name, value): &(String, String)| {
                    said.tag_set().iter().any(|tag| tag.key() == name && tag.value() == value)
                };
                Ok(self.recipe.extras.tags.iter().all(has))
            }
            Err(error) if error.situation() == Situation::Denied => Ok(true),
            Err(error) if error.situation().may_pass() => Err(about(error, full)),
            Err(_) => Ok(false),
        }
    }

    /// Says, once, that nobody knows whether the store heeds the lock.
    fn say_unknown_lock(&self) {
        if self.recipe.extras.lock.is_some() && !self.said_unknown.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "these credentials may not read locks back (s3:GetObject and s3:GetObjectRetention): it is not known \
                 whether the store locked the backup"
            );
        }
    }
}
