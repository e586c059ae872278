//! Where backups lie: a trait, its backends, and the stack they are built into.
//!
//! This is a leaf: it knows keys and bytes, nothing of backups, dumps or encryption. It stores no
//! object it cannot vouch for, and it never makes a bucket: whoever pays for one decides that.
//!
//! ```text
//! open(url) ─▶ retry ─▶ s3 (dialect from profiles) | fs
//! ```

pub mod error;
mod fs;
mod profiles;
mod retry;
mod s3;
pub mod url;

pub use error::{Situation, StoreError};
pub use profiles::{Checksums, Profile};
pub use retry::Retry;
pub use url::StoreUrl;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The result of everything a store is asked.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What is written beside an object when its upload begins: short names and values.
pub type Metadata = BTreeMap<String, String>;

/// The bytes of one read, in order; it ends early where the object does.
pub type Chunks = BoxStream<'static, Result<Bytes>>;

/// A place that keeps objects under keys.
///
/// # Contract
///
/// - Keys are `/`-separated, relative to the prefix in the store's URL. A key that could leave that
///   prefix (`..`, an empty segment, a leading `/`) is refused.
/// - An object appears whole or not at all: what is being written is never listed, headed or read.
/// - What a method reports as done is durable.
/// - Errors say situations ([`Situation`]), never status codes. [`Situation::Transient`] and
///   [`Situation::Unreachable`] mean the same call may be made again, for every method.
/// - Dropping a method's future stops the work; it does not undo it.
///
/// The trait is for `upload.rs`, `download.rs` and listing; it is kept smaller than any backend, and
/// conveniences live outside it.
#[async_trait]
pub trait Store: Send + Sync {
    /// What this store accepts and promises.
    fn limits(&self) -> Limits;

    /// The store's URL, without secrets.
    fn display_url(&self) -> String;

    /// Begins an upload whose parts are all `part_size` bytes long, only the last may be shorter.
    ///
    /// Refuses a key that exists, where that can be known ([`Situation::Exists`]).
    async fn begin(&self, key: &str, metadata: &Metadata, part_size: u64) -> Result<Box<dyn Upload>>;

    /// Writes a small object at once, if its key is free.
    ///
    /// Where [`Limits::put_is_create_only`] is false the store cannot promise that: it looks first.
    async fn put_new(&self, key: &str, bytes: Bytes) -> Result<Stored>;

    /// Tells what is known of an object without reading it.
    async fn head(&self, key: &str) -> Result<ObjectInfo>;

    /// Reads a range of an object, pinned to `etag` where given ([`Situation::Changed`] otherwise).
    ///
    /// A range that reaches beyond the end yields what there is, perhaps nothing. The stream sets no
    /// deadline of its own: the reader does.
    async fn read(&self, key: &str, range: Range<u64>, etag: Option<&str>) -> Result<Chunks>;

    /// Lists all objects whose keys begin with `prefix`, in the keys' byte order.
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>>;

    /// Deletes an object; one that does not exist is fine.
    async fn delete(&self, key: &str) -> Result<()>;

    /// Lists uploads that were begun and neither completed nor aborted, below `prefix`.
    async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>>;

    /// Aborts such an upload; one that is gone is fine.
    async fn abort_unfinished(&self, upload: &Unfinished) -> Result<()>;

    /// The bytes that can still be stored, where that can be known.
    async fn free_space(&self) -> Result<Option<u64>>;
}

/// An upload that was begun. It ends in `complete` or `abort`; until then nothing is visible.
#[async_trait]
pub trait Upload: Send + Sync {
    /// Stores one part, numbered from 1, in any order and in parallel; sent again, it replaces itself.
    async fn part(&self, number: u32, bytes: Bytes) -> Result<()>;

    /// Makes the object visible, if its parts are without gap and `bytes` long altogether.
    ///
    /// It may be asked again after [`Situation::Transient`] or [`Situation::Unreachable`]: then it
    /// finds out whether the first asking went through. An object that came out different from what
    /// was sent is deleted and reported as [`Situation::Damaged`].
    async fn complete(&self, bytes: u64) -> Result<Stored>;

    /// Removes everything stored so far, even an object whose completion was asked for without an
    /// answer; an upload that is gone is fine. No `part` may be on its way.
    async fn abort(&self) -> Result<()>;
}

/// What a store accepts and promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many parts one upload may have.
    pub max_parts: u32,
    /// The smallest part, in bytes; the last one of an upload may be smaller.
    pub min_part: u64,
    /// The largest part, in bytes.
    pub max_part: u64,
    /// The largest object, in bytes.
    pub max_object: u64,
    /// How many bytes the names and values of an object's metadata may have together.
    pub max_metadata: usize,
    /// Whether `put_new` can never overwrite.
    pub put_is_create_only: bool,
    /// Whether `complete` can never overwrite.
    pub complete_is_create_only: bool,
}

/// What the store confirmed about an object it now keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its length in bytes.
    pub bytes: u64,
    /// The version of the bytes at this key, opaque, to pin reads to.
    pub etag: Option<String>,
    /// The store's own checksum over the whole object, as `CRC64NVME:base64`.
    pub checksum: Option<String>,
    /// Whether length and checksum were asked for again afterwards; a write-only key cannot.
    pub read_back: bool,
}

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its length in bytes.
    pub bytes: u64,
    /// The version of the bytes at this key, opaque, to pin reads to.
    pub etag: Option<String>,
    /// The store's own checksum over the whole object, as `CRC64NVME:base64`.
    pub checksum: Option<String>,
    /// What was written beside it. A folder on a filesystem without extended attributes keeps none.
    pub metadata: Metadata,
}

/// One object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was written, by the store's clock.
    pub modified: Option<SystemTime>,
}

/// One upload that was begun and has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The key it would have.
    pub key: String,
    /// The store's name for it.
    pub id: String,
    /// When it began, by the store's clock.
    pub started: Option<SystemTime>,
}

/// How to talk to a store.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// How long one request may take, besides the time its bytes need at 128 KiB/s.
    pub request_timeout: Duration,
    /// How long a connection may take to stand.
    pub connect_timeout: Duration,
    /// How often and how patiently to try again.
    pub retry: Retry,
    /// Credentials to use instead of those the SDK's own chain finds.
    pub credentials: Option<Credentials>,
    /// The endpoint where the URL names none, as `AWS_ENDPOINT_URL_S3` says it.
    pub endpoint: Option<String>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            retry: Retry::default(),
            credentials: None,
            endpoint: None,
        }
    }
}

/// An access key with its secret; shows only the first.
#[derive(Clone)]
pub struct Credentials {
    /// The access key's id, or B2's application key id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The session's token, for temporary credentials.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Opens the store at `url`; no request is made yet.
pub async fn open(url: &StoreUrl, options: OpenOptions) -> Result<Arc<dyn Store>> {
    let retry = options.retry;
    let backend: Arc<dyn Store> = match url {
        StoreUrl::File(folder) => Arc::new(fs::Folder::new(folder.clone())),
        StoreUrl::S3(url) => Arc::new(s3::S3::open(url, options).await?),
    };
    Ok(Arc::new(retry::Retrying::new(backend, retry)))
}

/// Refuses keys that could leave the store's prefix, or that some store could not keep.
fn check_key(key: &str) -> Result<()> {
    let fits = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains(['\0', '\\']);
    if key.len() <= 900 && key.split('/').all(fits) {
        Ok(())
    } else {
        Err(StoreError::new(Situation::Other, format!("{key:?} cannot be the key of an object")))
    }
}

/// The parts of one upload as they were confirmed, by number.
type Confirmed<P> = BTreeMap<u32, (u64, P)>;

/// Checks that parts 1 to n are all there, equal but for the last, and `bytes` long together.
fn check_parts<P>(parts: &Confirmed<P>, part_size: u64, bytes: u64) -> Result<()> {
    let wrong =
        |what: String| Err(StoreError::new(Situation::Other, format!("the upload is incomplete: {what}")));
    let last = parts.len() as u64;
    let mut sum = 0;
    for (expected, (number, (length, _))) in (1_u64..).zip(parts) {
        if u64::from(*number) != expected {
            return wrong(format!("part {expected} is missing"));
        }
        if *length > part_size || (*length < part_size && expected != last) {
            return wrong(format!("part {expected} has {length} bytes instead of {part_size}"));
        }
        sum += length;
    }
    if sum == bytes { Ok(()) } else { wrong(format!("its parts have {sum} bytes instead of {bytes}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_below_the_prefix() {
        for key in ["a", "a/b.c/d-e", "…/ü"] {
            check_key(key).unwrap();
        }
        for key in ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\\b", "a\0", &"x".repeat(901)] {
            assert!(check_key(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn parts_must_be_whole() {
        let parts = |lengths: &[(u32, u64)]| -> Confirmed<()> {
            lengths.iter().map(|(number, length)| (*number, (*length, ()))).collect()
        };
        for (lengths, bytes) in
            [(&[(1, 5), (2, 5), (3, 1)][..], 11), (&[(1, 5)], 5), (&[(1, 0)], 0), (&[], 0)]
        {
            check_parts(&parts(lengths), 5, bytes).unwrap();
        }
        for (lengths, bytes) in [
            (&[(1, 5), (3, 5)][..], 10),
            (&[(2, 5)], 5),
            (&[(1, 4), (2, 5)], 9),
            (&[(1, 6)], 6),
            (&[(1, 5)], 6),
        ] {
            assert!(check_parts(&parts(lengths), 5, bytes).is_err(), "{lengths:?}");
        }
    }

    #[test]
    fn credentials_do_not_show_their_secret() {
        let credentials = Credentials {
            access_key_id: "AK".into(),
            secret_access_key: "hush".into(),
            session_token: Some("hush".into()),
        };
        assert!(!format!("{credentials:?}").contains("hush"));
    }
}
