//! What can be wrong with an archive, as sentences a user understands.

use std::fmt;

use super::version::Version;
use crate::error::Error;

/// Why a stream is not a whole archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// The stream does not begin like an archive.
    NotAnArchive,
    /// An archive in another of `pg_dump`'s formats.
    OtherFormat(&'static str),
    /// A version this reader does not know yet.
    TooNew(Version),
    /// A version from before PostgreSQL 9.0.
    TooOld(Version),
    /// Bytes that no `pg_dump` writes.
    Malformed {
        /// Where, in bytes from the archive's beginning.
        at: u64,
        /// What was met there.
        what: &'static str,
    },
    /// Something grew past the reader's limit.
    TooLarge {
        /// Where, in bytes from the archive's beginning.
        at: u64,
        /// What is too large.
        what: &'static str,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Another block than the one whose turn it is.
    WrongBlock {
        /// Where, in bytes from the archive's beginning.
        at: u64,
        /// Whose data should come, as [`TocEntry::label`](super::toc::TocEntry::label) names it.
        due: String,
        /// The dump id that came instead.
        dump_id: i32,
    },
    /// A block of COPY data without the line that ends it.
    NoCopyEnd(String),
    /// A block that gzip compressed, and that cannot be decompressed.
    NotInflated(String),
    /// The stream ended in the middle of something.
    Truncated(Place),
    /// The stream ended between two blocks, and some had not come.
    NeverCame {
        /// The first entry without its data.
        next: String,
        /// How many entries are without their data, at least 1.
        missing: usize,
    },
    /// Bytes after the last block.
    Trailing(u64),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (oldest, newest) = (Version::OLDEST, Version::NEWEST);
        match self {
            Damage::NotAnArchive => f.write_str("not a pg_dump custom archive"),
            Damage::OtherFormat(format) => {
                write!(f, "a pg_dump archive in {format} format, not in custom format")
            }
            Damage::TooNew(version) => {
                write!(
                    f,
                    "archive version {version} is newer than {newest}, the newest this pgstow understands"
                )
            }
            Damage::TooOld(version) => {
                write!(f, "archive version {version} is older than {oldest}, the oldest pgstow understands")
            }
            Damage::Malformed { at, what } => write!(f, "the archive is damaged at byte {at}: {what}"),
            Damage::TooLarge { at, what, limit } => {
                write!(f, "at byte {at} of the archive, {what} is larger than {limit} bytes")
            }
            Damage::WrongBlock { at, due, dump_id } => write!(
                f,
                "at byte {at} of the archive the data of {due} should begin, but that of entry {dump_id} does"
            ),
            Damage::NoCopyEnd(label) => write!(f, "the data of {label} does not end as COPY data ends"),
            Damage::NotInflated(label) => {
                write!(f, "the data of {label} cannot be decompressed: it is not what gzip wrote")
            }
            Damage::Truncated(place) => write!(f, "the archive ends inside {place}"),
            Damage::NeverCame { next, missing: 0 | 1 } => {
                write!(f, "the archive ends too early: expected data of {next} never came")
            }
            Damage::NeverCame { next, missing } => write!(
                f,
                "the archive ends too early: expected data of {next} and {} more never came",
                missing - 1
            ),
            Damage::Trailing(at) => write!(f, "the archive ends at byte {at}, but more bytes follow"),
        }
    }
}

impl std::error::Error for Damage {}

/// Where a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Before or in the header.
    Header,
    /// In the table of contents.
    Toc,
    /// In the block of this entry.
    DataOf(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Header => f.write_str("its header"),
            Place::Toc => f.write_str("its table of contents"),
            Place::DataOf(label) => write!(f, "the data of {label}"),
        }
    }
}

impl Damage {
    fn advice(&self) -> Option<&'static str> {
        match self {
            Damage::NotAnArchive | Damage::OtherFormat(_) => {
                Some("pgstow reads what pg_dump --format=custom writes")
            }
            Damage::TooNew(_) => Some("a newer pgstow may understand it"),
            Damage::TooOld(_) => Some("dump the database again with a current pg_dump"),
            Damage::Trailing(_) => Some(
                "pg_dump 16 and later writes its table of contents a second time when its output is \
                 redirected into a file; give it a pipe, or --file",
            ),
            _ => None,
        }
    }
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        let error = Error::verify(damage.to_string());
        match damage.advice() {
            Some(advice) => error.hint(advice),
            None => error,
        }
    }
}
