//! What can be asked of a store for each new object, and which kinds of stores are known not to do it.

use super::options::OpenOptions;
use super::url::{S3Url, StoreUrl};
use crate::error::{Error, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use md5::{Digest, Md5};
use std::fmt;
use std::time::{Duration, SystemTime};

/// What can be asked of a store for each new object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectOption {
    /// A storage class.
    Class,
    /// Encryption by the service, with keys of its own.
    SseS3,
    /// Encryption by the service, with a key of its KMS.
    SseKms,
    /// Encryption by the service, with a key that comes with each request.
    SseC,
    /// Tags.
    Tags,
    /// A lock until some moment.
    Lock,
}

impl ObjectOption {
    /// How it is asked for.
    const fn word(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::SseS3 => "sse=AES256",
            Self::SseKms => "sse=aws:kms",
            Self::SseC => "--sse-c-key-file",
            Self::Tags => "tags",
            Self::Lock => "--lock-until",
        }
    }

    /// What to do instead.
    const fn instead(self) -> &'static str {
        match self {
            Self::Class => "leave it out: every object has the bucket's own class",
            Self::SseS3 | Self::SseKms => {
                "leave it out: pgstow encrypts backups before they leave this machine"
            }
            Self::SseC => {
                "leave out the key (PGSTOW_SSE_C_KEY, PGSTOW_SSE_C_KEY_FILE): pgstow encrypts backups anyway"
            }
            Self::Tags => "leave them out: --label notes something in the manifest",
            Self::Lock => {
                "leave it out; if the service can lock a whole bucket (a retention rule), set that instead"
            }
        }
    }
}

/// How firmly an object is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Whoever has a special right can remove the lock; Google calls it unlocked.
    Governance,
    /// Nobody can remove the lock, not even the account's owner; Google calls it locked.
    Compliance,
}

impl LockMode {
    /// The word for it in S3, and in Google's XML API.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }
}

/// A lock for each new object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockWish {
    pub(super) mode: LockMode,
    pub(super) until: SystemTime,
}

impl LockWish {
    /// A lock until this moment, in whole seconds.
    pub fn new(mode: LockMode, until: SystemTime) -> Self {
        let since = until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { mode, until: SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs()) }
    }

    /// The moment as headers have it, in whole seconds.
    pub(super) fn moment(&self) -> String {
        humantime::format_rfc3339_seconds(self.until).to_string()
    }

    /// What is missing of this lock, if an object has this one.
    pub(super) fn missing(&self, mode: Option<&str>, until: Option<SystemTime>) -> Option<String> {
        let second = Duration::from_secs(1);
        let kept = mode == Some(self.mode.word()) && until.is_some_and(|until| until + second >= self.until);
        (!kept).then(|| format!("the lock ({} until {})", self.mode.word(), self.moment()))
    }
}

/// A key with which the service encrypts, and which it does not keep (SSE-C); never printed.
#[derive(Clone)]
pub struct CustomerKey([u8; 32]);

impl CustomerKey {
    /// Parses 32 bytes in base64; does not repeat what is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let bytes = BASE64_STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| {
            Error::settings("the key for SSE-C is not 32 bytes in base64")
                .hint("make one with: openssl rand -base64 32; keep it as safe as the identity: without it nothing can be read")
        })
    }

    /// The key and its MD5, both in base64, as headers have them.
    pub(super) fn headers(&self) -> (String, String) {
        (BASE64_STANDARD.encode(self.0), BASE64_STANDARD.encode(Md5::digest(self.0)))
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomerKey").finish_non_exhaustive()
    }
}

/// Refuses what the kind of store is known not to do; what is not known is read back later.
pub fn refuse_impossible(url: &StoreUrl, options: &OpenOptions) -> Result<()> {
    let with_key = options.customer_key.is_some().then_some(ObjectOption::SseC);
    let locked = options.lock.is_some().then_some(ObjectOption::Lock);
    let refusal = |kind: String, option: ObjectOption| {
        let message = format!("{kind} cannot do what {} asks for", option.word());
        Err(Error::usage(message).hint(option.instead()))
    };
    match url {
        StoreUrl::File(_) | StoreUrl::Gs(_) if options.authorities.is_some() => Err(Error::usage(
            "--ca-file is for s3:// and b2:// only",
        )
        .hint("for everything else set SSL_CERT_FILE to a file with all certificates that are trusted")),
        StoreUrl::File(_) => {
            let first = with_key.or(locked);
            first.map_or(Ok(()), |option| refusal("a folder".to_owned(), option))
        }
        StoreUrl::Gs(_) if with_key.is_some() => {
            Err(Error::usage("keys of one's own (--sse-c-key-file) are not supported for gs://")
                .hint("use a key of Cloud KMS: kms=projects/… in the store's URL"))
        }
        StoreUrl::Gs(_) => Ok(()),
        StoreUrl::S3(url) if with_key.is_some() && url.sse.is_some() => {
            Err(Error::usage("--sse-c-key-file and sse in the store's URL contradict each other")
                .hint("an object is encrypted by one key: leave one of them out"))
        }
        StoreUrl::S3(url) => {
            let (profile, _) = url.dialect(options.endpoint.as_deref());
            let asked = of_url(url).into_iter().flatten().chain(with_key).chain(locked);
            let first = asked.into_iter().find(|option| profile.refuses(*option));
            first.map_or(Ok(()), |option| refusal(format!("the service \"{}\"", profile.name), option))
        }
    }
}

fn of_url(url: &S3Url) -> [Option<ObjectOption>; 3] {
    let sse = url.sse.as_deref().map(|sse| match sse {
        "AES256" => ObjectOption::SseS3,
        _ => ObjectOption::SseKms,
    });
    let class = url.class.is_some().then_some(ObjectOption::Class);
    let tags = (!url.tags.is_empty()).then_some(ObjectOption::Tags);
    [class, sse, tags]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    const KEY: &str = "aHVzaEhVU0hodXNoSFVTSGh1c2hIVVNIaHVzaEhVU0g=";

    fn refused(url: &str, options: &OpenOptions) -> Option<Error> {
        refuse_impossible(&url.parse().unwrap(), options).err()
    }

    #[test]
    fn what_a_kind_of_store_cannot_do_is_refused_with_a_hint() {
        let until = SystemTime::now() + Duration::from_secs(86_400);
        let lock = Some(LockWish::new(LockMode::Governance, until));
        let locked = OpenOptions { lock, ..OpenOptions::default() };
        let customer_key = Some(CustomerKey::parse(KEY).unwrap());
        let keyed = OpenOptions { customer_key, ..OpenOptions::default() };
        let plain = OpenOptions::default();
        for (url, options, word) in [
            ("file:///x", &locked, "--lock-until"),
            ("file:///x", &keyed, "--sse-c-key-file"),
            ("gs://b", &keyed, "--sse-c-key-file"),
            ("s3://b?profile=garage", &locked, "--lock-until"),
            ("s3://b?profile=garage&class=STANDARD_IA", &plain, "class"),
            ("s3://b?endpoint=https://x.r2.cloudflarestorage.com", &locked, "--lock-until"),
            ("s3://b?profile=r2&sse=AES256", &plain, "sse=AES256"),
            ("b2://b?region=x&tags=a=b", &plain, "tags"),
            ("b2://b?region=x&kms=k", &plain, "sse=aws:kms"),
            ("s3://b?profile=gcs", &keyed, "--sse-c-key-file"),
            ("s3://b?sse=AES256", &keyed, "contradict"),
        ] {
            let error = refused(url, options).unwrap_or_else(|| panic!("{url} was not refused"));
            assert_eq!(error.kind(), Kind::Usage, "{url}");
            assert!(error.message().contains(word) && !error.hints().is_empty(), "{url}: {error:?}");
        }
        for (url, options) in [
            ("file:///x", &plain),
            ("gs://b?class=NEARLINE", &locked),
            ("s3://b?class=STANDARD_IA&sse=aws:kms&tags=a=b", &locked),
            ("s3://b?endpoint=https://s3.example.com&class=COLD", &locked),
            ("s3://b?profile=garage", &keyed),
            ("b2://b?region=x&sse=AES256", &locked),
        ] {
            assert!(refused(url, options).is_none(), "{url}");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = CustomerKey::parse(&format!("{KEY}\n")).unwrap();
        assert_eq!(format!("{key:?}"), "CustomerKey { .. }");
        assert_eq!(key.headers(), (KEY.to_owned(), "8C+KFnbMBLmOrAsIXX6Ycw==".to_owned()));
        for wrong in ["", "hush", "aHVzaA==", &KEY[1..]] {
            let error = CustomerKey::parse(wrong).unwrap_err();
            assert!(error.kind() == Kind::Settings && !format!("{error:?}").contains("aHVz"), "{error:?}");
        }
    }

    #[test]
    fn a_lock_that_is_shorter_or_weaker_is_missed() {
        let until = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_500);
        let wish = LockWish::new(LockMode::Compliance, until);
        assert_eq!(wish.moment(), "1970-01-12T13:46:40Z");
        let second = |n| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(n));
        assert_eq!(wish.missing(Some("COMPLIANCE"), second(1_000_000)), None);
        for (mode, at) in
            [(None, None), (Some("GOVERNANCE"), second(1_000_000)), (Some("COMPLIANCE"), second(999_000))]
        {
            assert!(wish.missing(mode, at).is_some(), "{mode:?} {at:?}");
        }
    }
}
