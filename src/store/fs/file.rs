//! One object's file: opened without following links, its version, and the metadata kept with it.

use super::paths::{self, explain, missing};
use crate::store::error::{Result, Situation, StoreError};
use crate::store::object::Metadata;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The extended attribute that keeps an object's metadata, as JSON.
pub const ATTRIBUTE: &str = "user.pgstow";

/// Opens the object at this key, and tells what is known of its file.
pub fn open(root: &Path, key: &str) -> Result<(File, std::fs::Metadata)> {
    let path = paths::of_key(root, key)?;
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&path)
        .map_err(|e| missing(&e, root, key, &path))?;
    let found = file.metadata().map_err(|e| explain(&e, "look at", &path))?;
    if found.is_file() {
        Ok((file, found))
    } else {
        Err(StoreError::new(Situation::NotFound, format!("there is no object {key}")))
    }
}

/// What tells two versions of a file apart: a replaced file has another inode, a rewritten one another time.
pub fn etag(found: &std::fs::Metadata) -> String {
    format!("{:x}-{:x}.{:x}-{:x}", found.ino(), found.mtime(), found.mtime_nsec(), found.len())
}

/// The metadata kept with a file; none where the file system keeps none.
pub fn attribute(file: &File) -> Metadata {
    let mut json = vec![0; 4096];
    let length = rustix::fs::fgetxattr(file, ATTRIBUTE, &mut json[..]).unwrap_or_default();
    json.get(..length).and_then(|json| serde_json::from_slice(json).ok()).unwrap_or_default()
}
