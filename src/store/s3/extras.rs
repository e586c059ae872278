//! What is asked for with each new object (class, encryption, tags, lock), as headers, and whether it was heeded.

use super::bucket::Bucket;
use crate::store::error::{Result, Situation};
use crate::store::object_options::{CustomerKey, LockWish};
use crate::store::options::OpenOptions;
use crate::store::protocol::about;
use crate::store::url::S3Url;
use ::url::form_urlencoded;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{ObjectLockMode, ObjectLockRetentionMode, ServerSideEncryption};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// Requests that write an object, and so carry everything.
const WRITES: [&str; 2] = ["CreateMultipartUpload", "PutObject"];

/// Requests that need the key of an object that is encrypted with one of the user's own.
const NEED_KEY: [&str; 6] = [
    "CreateMultipartUpload",
    "PutObject",
    "UploadPart",
    "CompleteMultipartUpload",
    "GetObject",
    "HeadObject",
];

/// What is asked for with each new object.
#[derive(Debug, Clone, Default)]
pub(super) struct Extras {
    class: Option<String>,
    sse: Option<String>,
    kms: Option<String>,
    tags: Vec<(String, String)>,
    lock: Option<LockWish>,
    key: Option<CustomerKey>,
}

impl Extras {
    pub(super) fn new(url: &S3Url, options: &OpenOptions) -> Self {
        let S3Url { class, sse, kms, tags, .. } = url.clone();
        Self { class, sse, kms, tags, lock: options.lock, key: options.customer_key.clone() }
    }

    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        let Self { class, sse, kms: _, tags, lock, key } = self;
        class.is_none() && sse.is_none() && tags.is_empty() && lock.is_none() && key.is_none()
    }

    /// The headers that a request of this operation carries.
    pub(super) fn headers(&self, operation: &str) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if WRITES.contains(&operation) {
            let mut set = |name, value: &Option<String>| {
                headers.extend(value.iter().map(|value| (name, value.clone())));
            };
            set("x-amz-storage-class", &self.class);
            set("x-amz-server-side-encryption", &self.sse);
            set("x-amz-server-side-encryption-aws-kms-key-id", &self.kms);
            set("x-amz-tagging", &self.tagging());
            set("x-amz-object-lock-mode", &self.lock.map(|lock| lock.mode.word().to_owned()));
            set("x-amz-object-lock-retain-until-date", &self.lock.map(|lock| lock.moment()));
        }
        if let Some((key, md5)) =
            self.key.as_ref().filter(|_| NEED_KEY.contains(&operation)).map(CustomerKey::headers)
        {
            headers.push(("x-amz-server-side-encryption-customer-algorithm", "AES256".to_owned()));
            headers.push(("x-amz-server-side-encryption-customer-key", key));
            headers.push(("x-amz-server-side-encryption-customer-key-MD5", md5));
        }
        headers
    }

    fn tagging(&self) -> Option<String> {
        let tags = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.tags).finish();
        (!tags.is_empty()).then_some(tags)
    }

    /// What of class and encryption an object does not have.
    fn missing(&self, head: &HeadObjectOutput) -> Option<String> {
        let class = head.storage_class().map_or("STANDARD", |class| class.as_str());
        if let Some(wanted) = self.class.as_deref().filter(|wanted| *wanted != class) {
            return Some(format!("the storage class {wanted}"));
        }
        let sse = head.server_side_encryption().map(ServerSideEncryption::as_str);
        if let Some(wanted) = self.sse.as_deref().filter(|wanted| Some(*wanted) != sse) {
            return Some(format!("the encryption {wanted}"));
        }
        let keyed = head.sse_customer_algorithm().is_some();
        (self.key.is_some() && !keyed).then(|| "the encryption with the given key (SSE-C)".to_owned())
    }
}

impl Bucket {
    /// What the service did not do for a new object; see
    /// [`Protocol::ignored`](crate::store::protocol::Protocol::ignored).
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::object_options::LockMode;
    use crate::store::url::StoreUrl;
    use std::time::Duration;

    fn extras(url: &str, options: &OpenOptions) -> Extras {
        match url.parse().unwrap() {
            StoreUrl::S3(url) => Extras::new(&url, options),
            _ => panic!("{url}"),
        }
    }

    #[test]
    fn each_request_carries_what_it_needs_and_no_more() {
        assert!(extras("s3://b", &OpenOptions::default()).is_empty());
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let options = OpenOptions {
            lock: Some(LockWish::new(LockMode::Governance, until)),
            customer_key: Some(CustomerKey::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap()),
            ..OpenOptions::default()
        };
        let all = extras("s3://b?class=GLACIER_IR&kms=k&tags=team=ops,who=a b", &options);
        let names = |operation| all.headers(operation).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        for write in WRITES {
            assert_eq!(names(write).len(), 9, "{write}");
        }
        assert!(all.headers("PutObject").contains(&("x-amz-tagging", "team=ops&who=a+b".to_owned())));
        for needs in ["UploadPart", "CompleteMultipartUpload", "GetObject", "HeadObject"] {
            assert!(names(needs).iter().all(|name| name.contains("customer")) && names(needs).len() == 3);
        }
        for other in ["ListObjectsV2", "DeleteObject", "AbortMultipartUpload", "GetObjectTagging"] {
            assert!(names(other).is_empty(), "{other}");
        }
    }
}
