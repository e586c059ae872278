//! A secret key's file.

use crate::error::{Error, Result};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a new file that only its owner can read; never over an existing one: it may be the only
/// key to every backup so far.
pub fn write_secret(path: &Path, secret: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| {
        if e.kind() == std::io::ErrorKind::AlreadyExists {
            Error::target_exists(format!("{} exists", path.display()))
                .hint("choose another name; old keys open old backups")
        } else {
            Error::local_file(format!("{} cannot be written", path.display())).because(e)
        }
    })?;
    let text = if secret.ends_with('\n') { secret.to_owned() } else { format!("{secret}\n") };
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| Error::local_file(format!("{} cannot be written", path.display())).because(e))
}
