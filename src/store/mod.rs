//! Stores of objects: the trait, its backends, and the stack they are built into.
//!
//! This room knows keys and bytes, and nothing about backups, dumps or encryption. It reports no object as
//! stored before it was confirmed, and it never creates a bucket: whoever pays for one decides that.
//!
//! ```text
//! open(url) ─▶ retry, rate ─▶ s3 (dialect from profiles) | gcs | fs
//! ```

mod contract;
mod fs;
#[cfg(feature = "gcs")]
mod gcs;
mod listing;
mod multipart;
mod open;
mod options;
mod renewable;
mod retry;
mod s3;
mod url;

pub use contract::attempt::Attempt;
pub use contract::error::{Result, Situation, StoreError};
pub use contract::limits::Limits;
pub use contract::object::{Listed, Lock, Metadata, ObjectInfo, Page, Stored, Unfinished};
pub use contract::rules::{BucketRules, Lifecycle, ObjectLock, Versioning};
pub use listing::ahead::pages;
pub use open::open;
pub use options::authorities::Authorities;
pub use options::object_options::{CustomerKey, LockMode, LockWish};
pub use options::{Credentials, OpenOptions};
pub use retry::rate::Rates;
pub use retry::{Attempts, Retry};
pub use url::key::check_key;
pub use url::possible::{guard, refuse_impossible};
pub use url::profiles::{Checksums, Guard, Profile};
pub use url::{GsUrl, S3Url, StoreUrl};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use listing::Listing;
use std::ops::Range;
use std::time::{Duration, SystemTime};

/// The bytes of one read, in order; they end early if the object does.
pub type Chunks = BoxStream<'static, Result<Bytes>>;

/// A place that keeps objects under keys.
///
/// # Contract
///
/// - Keys are `/`-separated, relative to the prefix in the store's URL. A key that could leave that
///   prefix (`..`, an empty segment, a leading `/`) is refused.
/// - An object appears complete or not at all: what is being written is never listed, looked up or read.
/// - What a method reports as done is durable.
/// - Errors have situations ([`Situation`]), never status codes. [`Situation::Transient`] and
///   [`Situation::Unreachable`] mean the same call may be made again, for every method.
/// - Dropping a method's future stops the work; it does not undo it.
///
/// The trait serves uploads, downloads and listing; it is smaller than any backend, and conveniences are outside it.
#[async_trait]
pub trait Store: Send + Sync {
    /// What this store accepts and promises.
    fn limits(&self) -> Limits;

    /// The store's URL, without secrets.
    fn display_url(&self) -> String;

    /// Which store it is: the same for every URL and every setting that leads to the same objects, and no others.
    fn identity(&self) -> String {
        self.display_url()
    }

    /// How long a reader whose stream breaks may begin it again; every other method retries by itself.
    fn retry(&self) -> Retry {
        Retry::default()
    }

    /// How long a reader waits for more bytes of a stream; within this time the store sends some, or the reader breaks
    /// it off and begins it again.
    fn idle(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// Begins an upload whose parts are all `part_size` bytes long, only the last may be shorter.
    ///
    /// Refuses a key that exists, if the credentials may know that ([`Situation::Exists`]).
    async fn begin(&self, key: &str, metadata: &Metadata, part_size: u64) -> Result<Box<dyn Upload>>;

    /// Writes a small object in one request, if its key is free.
    ///
    /// If [`Limits::put_is_create_only`] is false, the store cannot promise that, and is asked first.
    async fn put_new(&self, key: &str, bytes: Bytes) -> Result<Stored>;

    /// Returns what is known about an object without reading it.
    async fn head(&self, key: &str) -> Result<ObjectInfo>;

    /// Reads a range of an object; with `etag` only of that version (else [`Situation::Changed`]).
    ///
    /// A range beyond the end yields what there is, perhaps nothing. The stream has no deadline of its own: the
    /// reader sets one ([`Store::idle`]).
    async fn read(&self, key: &str, range: Range<u64>, etag: Option<&str>) -> Result<Chunks>;

    /// Lists some of the objects whose keys begin with `prefix`: the first ones, or those after the page that ended
    /// with this token.
    async fn page(&self, prefix: &str, token: Option<&str>) -> Result<Page>;

    /// Lists all objects whose keys begin with `prefix`, in the keys' byte order.
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let (mut found, mut listing) = (Vec::new(), Listing::new(&self.display_url()));
        while let Some(next) = listing.next() {
            found.extend(listing.take(self.page(prefix, next.token()).await?)?);
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    /// Deletes an object; one that does not exist is fine.
    async fn delete(&self, key: &str) -> Result<()>;

    /// Lists uploads below `prefix` that were begun, and neither completed nor aborted.
    async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>>;

    /// Aborts such an upload; one that is gone is fine.
    async fn abort_unfinished(&self, upload: &Unfinished) -> Result<()>;

    /// When something was last written to such an upload, according to the store's clock; `None` if it is not known.
    async fn last_written(&self, upload: &Unfinished) -> Result<Option<SystemTime>> {
        Ok(upload.started)
    }

    /// Why the store would not delete an object now; `None` if nothing is known that keeps it.
    ///
    /// A store with versions hides a locked object if it is asked to delete it, and says that it did: ask first.
    async fn lock(&self, _key: &str) -> Result<Option<Lock>> {
        Ok(None)
    }

    /// The bytes that can still be stored; `None` if that is not known.
    async fn free_space(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// What the store's clock shows now, as far as its answers have said; a write-only key hears it too.
    fn now(&self) -> Option<SystemTime> {
        None
    }

    /// Tries what pgstow never does, to find out whether these credentials may: only on an object made for that.
    ///
    /// [`Situation::Unsupported`] if the store has nothing of that kind.
    async fn attempt(&self, _attempt: Attempt, _key: &str) -> Result<()> {
        Err(StoreError::new(Situation::Unsupported, "there is no such thing in this kind of store"))
    }

    /// Asks for the rules of the bucket; `None` for a store that has none.
    async fn rules(&self) -> Option<BucketRules> {
        None
    }
}

/// An upload that was begun. It ends in `complete` or `abort`; until then nothing is visible.
#[async_trait]
pub trait Upload: Send + Sync {
    /// Stores one part, numbered from 1, in any order and in parallel; sent again, it replaces itself.
    async fn part(&self, number: u32, bytes: Bytes) -> Result<()>;

    /// Makes the object visible, if its parts have no gap and are `bytes` long in total.
    ///
    /// It may be called again after [`Situation::Transient`] or [`Situation::Unreachable`]: then it finds out whether
    /// the first call was carried out. An object that differs from what was sent is deleted and reported as
    /// [`Situation::Damaged`].
    async fn complete(&self, bytes: u64) -> Result<Stored>;

    /// Removes everything stored so far, even an object whose completion was requested and not answered; an upload
    /// that is gone is fine. No `part` may be in flight.
    async fn abort(&self) -> Result<()>;
}
