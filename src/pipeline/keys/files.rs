//! Files with keys: read completely, then line by line.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The largest file with keys, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// Reads a file with keys.
///
/// # Errors
/// If it cannot be read, or if the name is no name but a key itself; a secret key is not repeated.
pub fn read_file(what: &str, path: &Path) -> Result<Vec<u8>> {
    let name = path.to_string_lossy();
    if looks_secret(&name) {
        return Err(Error::settings(format!("a secret key was given as the name of the {what}"))
            .hint("give the name of a file with the key, which only you may read; an identity can also come in PGSTOW_IDENTITY")
            .hint("if it was typed, this machine's list of processes and the shell's history may have it"));
    }
    let unreadable = |why: String| {
        let error = Error::settings(format!("cannot read the {what} {}: {why}", path.display()));
        match name.starts_with("age1") {
            true => error.hint(
                "this is a recipient, not a file: `pgstow keygen -o key.txt` wrote the identity to key.txt",
            ),
            false => error,
        }
    };
    let mut bytes = Vec::new();
    // The length of a pipe or device is known only after reading it.
    File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|e| unreadable(e.to_string()).because(e))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(unreadable("it is too large to be a file with keys".into()));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(unreadable("it is text in UTF-16".into())
            .hint("save it as UTF-8: in PowerShell `Get-Content FILE | Set-Content -Encoding ascii NEW`"));
    }
    // Some editors begin a text with a mark.
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
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
    let begins = |start| upper.starts_with(start);
    begins("AGE-SECRET-KEY-") || begins("AGE-PLUGIN-") || begins("-----BEGIN") || is_signing_key(text)
}

/// Whether the text is, or begins, a secret key of minisign's, as it is or protected by a password.
pub fn is_signing_key(text: &str) -> bool {
    ["RWQAAEIy", "RWRTY0Iy"].iter().any(|start| text.trim_start().starts_with(start))
}
