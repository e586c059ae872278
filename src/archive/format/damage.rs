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
        /// What was found there.
        what: &'static str,
    },
    /// The table of contents is larger than the reader's limit.
    TooLarge {
        /// Where, in bytes from the archive's beginning.
        at: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The data of another entry than expected.
    WrongBlock {
        /// Where, in bytes from the archive's beginning.
        at: u64,
        /// Whose data was expected, as [`TocEntry::label`](super::entry::TocEntry::label) names it.
        due: String,
        /// The dump id that was found.
        dump_id: i32,
    },
    /// A block of COPY data without the line that ends it.
    NoCopyEnd(String),
    /// The gzip-compressed data of this entry cannot be decompressed.
    NotInflated(String),
    /// The stream ended in the middle of something.
    Truncated(ArchivePart),
    /// The stream ended between two blocks, and data is missing.
    MissingData {
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
            Damage::NotAnArchive => f.write_str("not a pg_dump archive in custom format"),
            Damage::OtherFormat(format) => {
                write!(f, "a pg_dump archive in {format} format, not in custom format")
            }
            Damage::TooNew(version) => {
                write!(f, "archive version {version} is newer than {newest}, the newest this pgstow can read")
            }
            Damage::TooOld(version) => {
                write!(f, "archive version {version} is older than {oldest}, the oldest pgstow can read")
            }
            Damage::Malformed { at, what } => write!(f, "the archive is damaged at byte {at}: {what}"),
            Damage::TooLarge { at, limit } => {
                write!(f, "the archive's table of contents is larger than {limit} bytes (at byte {at})")
            }
            Damage::WrongBlock { at, due, dump_id } => write!(
                f,
                "the archive is damaged at byte {at}: expected the data of {due}, found that of entry {dump_id}"
            ),
            Damage::NoCopyEnd(label) => write!(f, "the data of {label} lacks COPY's end marker"),
            Damage::NotInflated(label) => {
                write!(f, "the data of {label} cannot be decompressed: it is not valid gzip data")
            }
            Damage::Truncated(part) => write!(f, "the archive is cut off in {part}"),
            Damage::MissingData { next, missing: 0 | 1 } => {
                write!(f, "the archive is cut off before the data of {next}")
            }
            Damage::MissingData { next, missing } => {
                write!(f, "the archive is cut off before the data of {next} and {} more", missing - 1)
            }
            Damage::Trailing(at) => write!(f, "the archive ends at byte {at}, but more bytes follow"),
        }
    }
}

impl std::error::Error for Damage {}

/// A part of an archive, in which a stream may end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchivePart {
    /// The header, or nothing at all.
    Header,
    /// The table of contents.
    Toc,
    /// The block of this entry.
    DataOf(String),
}

impl fmt::Display for ArchivePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArchivePart::Header => f.write_str("its header"),
            ArchivePart::Toc => f.write_str("its table of contents"),
            ArchivePart::DataOf(label) => write!(f, "the data of {label}"),
        }
    }
}

impl Damage {
    fn advice(&self) -> Option<&'static str> {
        match self {
            Damage::NotAnArchive | Damage::OtherFormat(_) => {
                Some("pgstow reads what pg_dump --format=custom writes")
            }
            Damage::TooNew(_) => Some("a newer pgstow may be able to read it"),
            Damage::TooOld(_) => Some("dump the database again with a current pg_dump"),
            Damage::Trailing(_) => Some(
                "pg_dump 16 and later writes its table of contents a second time if its output is \
                 redirected into a file; use a pipe, or --file",
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
