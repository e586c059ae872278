//! A secret key's file.

use crate::error::{Error, Result};
use crate::temporary::Partial;
use std::io::Write;
use std::path::Path;

/// Writes a new file that only its owner can read; never over an existing one: it may be the only
/// key to every backup so far. On a full disk nothing is left that looks like one.
pub fn write_secret(path: &Path, secret: &str) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let text = if secret.ends_with('\n') { secret.to_owned() } else { format!("{secret}\n") };
    let write = || {
        let partial = Partial::begin(folder.unwrap_or(Path::new(".")))?;
        partial.file().write_all(text.as_bytes())?;
        partial.commit(path, false)
    };
    write().map_err(|e| {
        if e.kind() == std::io::ErrorKind::AlreadyExists {
            Error::target_exists(format!("{} exists", path.display()))
                .hint("choose another name; old keys open old backups")
        } else {
            Error::local_file(format!("{} cannot be written", path.display())).because(e)
        }
    })
}
