//! One object's file: opened without following links, its version, and the metadata kept with it.

use super::paths::{self, explain, missing};
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::contract::object::Metadata;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The extended attribute that keeps an object's metadata, as JSON.
pub const ATTRIBUTE: &str = "user.pgstow";

/// Opens the object at this key; also returns what is known about its file.
pub fn open(root: &Path, key: &str) -> Result<(File, std::fs::Metadata)> {
    let path = paths::of_key(root, key)?;
    let found = path.symlink_metadata().map_err(|e| missing(&e, root, key, &path))?;
    regular(&found, key, &path)?;
    let file = safely().read(true).open(&path).map_err(|e| missing(&e, root, key, &path))?;
    // It may have been replaced in between.
    let found = file.metadata().map_err(|e| explain(&e, "look at", &path))?;
    regular(&found, key, &path)?;
    Ok((file, found))
}

/// Options to open what somebody else may have put there: they follow no link and wait for no pipe.
pub fn safely() -> OpenOptions {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    options.custom_flags(flags);
    options
}

/// Refuses what is not a file: reading a pipe waits for a writer, and a device has no end.
fn regular(found: &std::fs::Metadata, key: &str, path: &Path) -> Result<()> {
    if found.is_file() {
        return Ok(());
    }
    if found.is_dir() {
        return Err(StoreError::new(Situation::NotFound, format!("there is no object {key}")));
    }
    let message = format!("{} is a pipe, socket or device, and not a file", path.display());
    Err(StoreError::new(Situation::Other, message).hint("pgstow did not put it there: remove it"))
}

/// The version of a file: a replaced file has another inode, a rewritten one another time.
pub fn etag(found: &std::fs::Metadata) -> String {
    format!("{:x}-{:x}.{:x}-{:x}", found.ino(), found.mtime(), found.mtime_nsec(), found.len())
}

/// The metadata kept with a file; empty if the file system has no extended attributes.
pub fn attribute(file: &File) -> Metadata {
    let mut json = vec![0; 4096];
    let length = rustix::fs::fgetxattr(file, ATTRIBUTE, &mut json[..]).unwrap_or_default();
    json.get(..length).and_then(|json| serde_json::from_slice(json).ok()).unwrap_or_default()
}
