//! Files with keys: read completely, then line by line.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The largest file with keys, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// Reads a file with keys.
pub fn read_file(what: &str, path: &Path) -> Result<Vec<u8>> {
    let unreadable = |why: String| Error::settings(format!("read {what} {}: {why}", path.display()));
    let mut bytes = Vec::new();
    // The length of a pipe or device is known only after reading it.
    File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|e| unreadable(e.to_string()).because(e))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(unreadable("it is too large to be a file with keys".into()));
    }
    Ok(bytes)
}

/// The lines that are neither empty nor comments, with their numbers from 1.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Whether the text is, or begins, a secret key.
pub fn looks_secret(text: &str) -> bool {
    let upper = text.trim_start().to_ascii_uppercase();
    upper.starts_with("AGE-SECRET-KEY-")
        || upper.starts_with("AGE-PLUGIN-")
        || upper.starts_with("-----BEGIN")
}
