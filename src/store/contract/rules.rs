//! What a bucket does by itself with what is in it: versions, locks, deletions.

use crate::store::contract::error::Result;

/// A bucket's rules; each is an answer of its own, because a key may be allowed to ask for some of them only.
#[derive(Debug)]
pub struct BucketRules {
    /// Whether what is overwritten or deleted stays as an old version.
    pub versioning: Result<Versioning>,
    /// Whether what is written is locked.
    pub lock: Result<ObjectLock>,
    /// What is deleted after some days.
    pub lifecycle: Result<Lifecycle>,
}

/// Whether a bucket keeps old versions of what is overwritten or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// It does not, and never did.
    Off,
    /// It does.
    On,
    /// It did: the versions from that time are there.
    Suspended,
}

/// Whether a bucket keeps objects from being deleted before their time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectLock {
    /// It does not.
    Off,
    /// It can, but locks only what a request asks it to lock.
    WithoutDefault,
    /// It locks everything that is written, for this long: `GOVERNANCE, 30 days`.
    Default(String),
}

/// What a bucket's lifecycle rules do below the store's prefix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// Whether uploads that were begun and have not ended are aborted.
    pub aborts_unfinished: bool,
    /// After how many days objects are deleted; `Some(0)` for a date.
    pub deletes_after: Option<u32>,
}
