//! The versions of the archive format that `pg_dump` has written; nothing older or newer is read.

use std::fmt;

/// The version of the archive format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Major version; 1 in every archive so far.
    pub major: u8,
    /// Minor version: 12 (PostgreSQL 9.0) to 16 (17 and later).
    pub minor: u8,
}

impl Version {
    /// The oldest version the reader understands: PostgreSQL 9.0 to 10.2.
    pub const OLDEST: Version = Version { major: 1, minor: 12 };
    /// The newest version the reader understands: PostgreSQL 17 and 18.
    pub const NEWEST: Version = Version { major: 1, minor: 16 };
    /// The table of contents names table access methods.
    pub(super) const TABLE_AM: Version = Version { major: 1, minor: 14 };
    /// The header names the compression in one byte; before, it gave zlib's level.
    pub(super) const COMPRESSION_BYTE: Version = Version { major: 1, minor: 15 };
    /// The table of contents names relation kinds.
    pub(super) const REL_KIND: Version = Version { major: 1, minor: 16 };
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
