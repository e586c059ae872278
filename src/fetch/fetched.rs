//! What was fetched, and where it was written.

use super::output::Output;
use crate::stored::find::catalogue::Signature;
use crate::stored::format::names::Place;

/// What was fetched.
pub struct Fetched {
    /// Which backup.
    pub place: Place,
    /// What is known of who wrote it.
    pub signature: Signature,
    /// Where the list of its entries was written, if one was wanted.
    pub list: Option<String>,
    /// What was written to a file or to stdout, if more than the list was wanted.
    pub written: Option<Written>,
}

/// What was written of a backup.
pub struct Written {
    /// Where it was written.
    pub output: Output,
    /// Bytes written, if that is known.
    pub output_bytes: Option<u64>,
    /// Bytes of the archive, or of the stream, that came.
    pub plain_bytes: u64,
    /// Bytes of the whole dump, or of the roles, in the store.
    pub stored_bytes: u64,
    /// Bytes of it that were fetched.
    pub fetched_bytes: u64,
    /// Tables and rows, if it is an archive.
    pub held: Option<(usize, Option<u64>)>,
}
