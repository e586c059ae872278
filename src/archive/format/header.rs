//! The archive's header: who wrote it, from what, when, and in which version of the format.

use std::fmt;

use super::damage::Damage;
use super::fields::{Fields, Layout, leading_int, leading_text};
use super::version::Version;

const MAGIC: &[u8] = b"PGDMP";

/// How the data inside the archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// One zlib stream per table and per large object.
    Gzip,
    /// One LZ4 frame per table and per large object.
    Lz4,
    /// One zstd frame per table and per large object.
    Zstd,
}

/// When the dump began, on the clock of the machine that ran `pg_dump`; the zone is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocalTime {
    /// Year, as in 2026.
    pub year: i32,
    /// Month, from 1.
    pub month: i32,
    /// Day of the month, from 1.
    pub day: i32,
    /// Hour.
    pub hour: i32,
    /// Minute.
    pub minute: i32,
    /// Second.
    pub second: i32,
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

/// The header of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Version of the format.
    pub version: Version,
    /// Compression inside the archive.
    pub compression: Compression,
    /// When the dump began; not checked to be a time that exists.
    pub made: LocalTime,
    /// Name of the database, in the dump's encoding; empty if the archive has none.
    pub dbname: Vec<u8>,
    /// Version of the server, as it names itself: `17.9`, `15.20 (Debian 15.20-1)`.
    pub server_version: String,
    /// Version of the `pg_dump` that wrote the archive.
    pub dump_version: String,
    raw: Vec<u8>,
}

impl Header {
    /// The header's own bytes.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }
}

/// The beginning of the header, laid out alike in every version: magic, version, sizes, format.
pub fn prologue() -> Fields {
    Fields::new(0, vec![Layout::Bytes(11)])
}

/// Whether these first bytes may be those of an archive.
pub fn plausible(held: &[u8]) -> bool {
    held.iter().zip(MAGIC).all(|(byte, magic)| byte == magic)
}

/// Reads the prologue's version and refuses what the reader does not understand.
pub fn version(prologue: &Fields) -> Result<Version, Damage> {
    let [_, _, _, _, _, major, minor, _revision, int_size, offset_size, format] = *prologue.held() else {
        return Err(Damage::NotAnArchive);
    };
    let version = Version { major, minor };
    if version > Version::NEWEST {
        return Err(Damage::TooNew(version));
    }
    if version < Version::OLDEST {
        return Err(Damage::TooOld(version));
    }
    if (int_size, offset_size) != (4, 8) {
        return Err(Damage::Malformed { at: 8, what: "unsupported size of integers or offsets" });
    }
    match format {
        1 => Ok(version),
        3 => Err(Damage::OtherFormat("tar")),
        5 => Err(Damage::OtherFormat("directory")),
        _ => Err(Damage::Malformed { at: 10, what: "unknown format" }),
    }
}

/// The rest of the header, after the prologue: compression, time, names.
pub fn rest(version: Version, start: u64) -> Fields {
    let compression = if version >= Version::COMPRESSION_BYTE { Layout::Bytes(1) } else { Layout::Int };
    let mut layout = vec![compression];
    layout.extend([Layout::Int; 7]);
    layout.extend([Layout::Text; 3]);
    Fields::new(start, layout)
}

/// Makes the header from its two complete parts.
pub fn header(version: Version, prologue: &[u8], rest: &Fields) -> Result<Header, Damage> {
    let number = |field| leading_int(rest.field(field));
    let time = |field| number(field).ok_or_else(|| rest.malformed("the time of the dump is invalid"));
    let text = |field| leading_text(&mut rest.field(field)).flatten().unwrap_or_default();
    let compression = match (rest.field(0), number(0)) {
        ([0], _) | (_, Some(0)) => Compression::None,
        ([1], _) | (_, Some(-1 | 1..=9)) => Compression::Gzip,
        ([2], _) => Compression::Lz4,
        ([3], _) => Compression::Zstd,
        _ => return Err(Damage::Malformed { at: rest.start(), what: "unknown compression" }),
    };
    let made = LocalTime {
        second: time(1)?,
        minute: time(2)?,
        hour: time(3)?,
        day: time(4)?,
        month: time(5)?.saturating_add(1),
        year: time(6)?.saturating_add(1900),
    };
    Ok(Header {
        version,
        compression,
        made,
        dbname: text(8).to_vec(),
        server_version: String::from_utf8_lossy(text(9)).into_owned(),
        dump_version: String::from_utf8_lossy(text(10)).into_owned(),
        raw: [prologue, rest.held()].concat(),
    })
}
