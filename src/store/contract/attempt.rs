//! What pgstow itself never does to a store, and whoever has stolen its credentials may: only `doctor --thief` tries
//! it, on an object of its own.

use bytes::Bytes;

/// One thing to try.
#[derive(Debug, Clone)]
pub enum Attempt {
    /// Replaces an object by these bytes, without asking whether it is there.
    Overwrite(Bytes),
    /// Reads one version of an object, an old one if there is one.
    ReadVersion,
    /// Removes one version of an object for good, also one that only says that it was deleted.
    DeleteVersion,
    /// Ends the lock of an object, or lets it end in a minute.
    ShortenLock,
}
