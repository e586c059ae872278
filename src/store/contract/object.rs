//! What is known about an object, and about an upload that is not one yet.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

/// What is stored with an object when its upload begins: short names and values.
pub type Metadata = BTreeMap<String, String>;

/// What the store confirmed about an object it now has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its length in bytes.
    pub bytes: u64,
    /// The version of the bytes at this key, opaque, to pin reads to.
    pub etag: Option<String>,
    /// The store's own checksum over the whole object, as `CRC64NVME:base64`.
    pub checksum: Option<String>,
    /// Whether length and checksum were requested again afterwards; a write-only key cannot do that.
    pub read_back: bool,
}

/// What is known about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its length in bytes.
    pub bytes: u64,
    /// The version of the bytes at this key, opaque, to pin reads to.
    pub etag: Option<String>,
    /// The store's own checksum over the whole object, as `CRC64NVME:base64`.
    pub checksum: Option<String>,
    /// What was stored with it. A folder on a file system without extended attributes has none.
    pub metadata: Metadata,
}

/// One object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was written, according to the store's clock.
    pub modified: Option<SystemTime>,
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The objects in it.
    pub objects: Vec<Listed>,
    /// How many more keys came with them, which nobody asked for: a store may ignore the prefix.
    pub ignored: usize,
    /// The store's token for the page after it; `None` if this is the last one.
    pub next: Option<String>,
}

/// One upload that was begun and has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The key it would have.
    pub key: String,
    /// The store's name for it.
    pub id: String,
    /// When it began, according to the store's clock.
    pub started: Option<SystemTime>,
}

/// What keeps an object from being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// It is retained until then.
    Until(SystemTime),
    /// Somebody holds it until they say otherwise.
    LegalHold,
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Until(moment) => write!(f, "locked until {}", humantime::format_rfc3339_seconds(*moment)),
            Self::LegalHold => f.write_str("locked by a legal hold"),
        }
    }
}
