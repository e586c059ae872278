//! What is asked for with each new object (class, encryption, tags, lock), as headers.

use crate::store::options::OpenOptions;
use crate::store::options::object_options::{CustomerKey, LockWish};
use crate::store::url::S3Url;
use ::url::form_urlencoded;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::ServerSideEncryption;

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
    pub(super) tags: Vec<(String, String)>,
    pub(super) lock: Option<LockWish>,
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
    pub(super) fn missing(&self, head: &HeadObjectOutput) -> Option<String> {
        let class = head.storage_class().map_or("STANDARD", |class| class.as_str());
        if let Some(wanted) = self.class.as_deref().filter(|wanted| *wanted != class) {
            return Some(format!("the storage class {wanted}"));
        }
        let sse = head.server_side_encryption().map(ServerSideEncryption::as_str);
        if let Some(wanted) = self.sse.as_deref().filter(|wanted| Some(*wanted) != sse) {
            return Some(format!("the encryption {wanted}"));
        }
        if let Some(wanted) = self.kms.as_deref().filter(|wanted| !is_key(wanted, head.ssekms_key_id())) {
            return Some(format!("the encryption with {wanted}"));
        }
        let keyed = head.sse_customer_algorithm().is_some();
        (self.key.is_some() && !keyed).then(|| "the encryption with the given key (SSE-C)".to_owned())
    }
}

/// Whether the key that the service names is the wanted one: it may name it in full. An alias cannot be compared.
fn is_key(wanted: &str, named: Option<&str>) -> bool {
    let is_end =
        |long: &str, end: &str| long.strip_suffix(end).is_some_and(|rest| rest.ends_with([':', '/']));
    wanted.contains("alias/")
        || named.is_some_and(|named| named == wanted || is_end(named, wanted) || is_end(wanted, named))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::options::object_options::LockMode;
    use crate::store::url::StoreUrl;
    use std::time::{Duration, SystemTime};

    fn extras(url: &str, options: &OpenOptions) -> Extras {
        match url.parse().unwrap() {
            StoreUrl::S3(url) => Extras::new(&url, options),
            _ => panic!("{url}"),
        }
    }

    #[test]
    fn the_key_that_the_service_names_must_be_the_wanted_one() {
        let missing = |wanted: &str, named: Option<&str>| {
            let extras = extras(&format!("s3://b?kms={wanted}"), &OpenOptions::default());
            let head = HeadObjectOutput::builder().server_side_encryption(ServerSideEncryption::AwsKms);
            extras.missing(&head.set_ssekms_key_id(named.map(str::to_owned)).build())
        };
        let arn = "arn:aws:kms:eu-west-1:1:key/12ab";
        for wanted in [arn, "12ab", "alias/mine", "arn:aws:kms:eu-west-1:1:alias/mine"] {
            assert_eq!(missing(wanted, Some(arn)), None, "{wanted}");
        }
        assert_eq!((missing("k", Some("arn:aws:kms:k")), missing(arn, Some("12ab"))), (None, None));
        for (wanted, named) in [
            (arn, Some("arn:aws:kms:eu-west-1:1:key/34cd")),
            (arn, Some("arn:aws:kms:eu-west-1:2:key/12ab")),
            ("12ab", Some("arn:aws:kms:eu-west-1:1:key/0012ab")),
            ("12ab", None),
        ] {
            assert_eq!(missing(wanted, named), Some(format!("the encryption with {wanted}")));
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
