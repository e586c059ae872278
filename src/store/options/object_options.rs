//! What can be asked of a store for each new object.

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
    pub(in crate::store) const fn word(self) -> &'static str {
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
    pub(in crate::store) const fn instead(self) -> &'static str {
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
    pub(in crate::store) const fn word(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }
}

/// A lock for each new object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockWish {
    pub(in crate::store) mode: LockMode,
    pub(in crate::store) until: SystemTime,
}

impl LockWish {
    /// A lock until this moment, in whole seconds.
    pub fn new(mode: LockMode, until: SystemTime) -> Self {
        let since = until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { mode, until: SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs()) }
    }

    /// The same lock, for this long at most.
    pub fn at_most(self, time: Duration) -> Self {
        Self::new(self.mode, self.until.min(SystemTime::now() + time))
    }

    /// The moment as headers have it, in whole seconds.
    pub(in crate::store) fn moment(&self) -> String {
        humantime::format_rfc3339_seconds(self.until).to_string()
    }

    /// What is missing of this lock, if an object has this one.
    pub(in crate::store) fn missing(&self, mode: Option<&str>, until: Option<SystemTime>) -> Option<String> {
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
    pub(in crate::store) fn headers(&self) -> (String, String) {
        (BASE64_STANDARD.encode(self.0), BASE64_STANDARD.encode(Md5::digest(self.0)))
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomerKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const KEY: &str = "aHVzaEhVU0hodXNoSFVTSGh1c2hIVVNIaHVzaEhVU0g=";

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
