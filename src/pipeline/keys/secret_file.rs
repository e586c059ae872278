//! A secret key's file.

use crate::error::{Error, Result};
use crate::temporary::{Partial, folder_of};
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Writes a new file that only its owner can read; never over an existing one: it may be the only
/// key to every backup so far. On a full disk nothing is left that looks like one.
pub fn write_secret(path: &Path, secret: &str) -> Result<()> {
    let text = if secret.ends_with('\n') { secret.to_owned() } else { format!("{secret}\n") };
    let write = || {
        let partial = Partial::begin(folder_of(path))?;
        partial.file().write_all(text.as_bytes())?;
        partial.commit(path, false)
    };
    write().map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => Error::target_exists(format!("{} exists", path.display()))
            .hint("choose another name; old keys open old backups"),
        ErrorKind::NotFound => {
            let folder = folder_of(path).display();
            Error::local_file(format!("there is no folder {folder}")).hint("make the folder first")
        }
        _ => Error::local_file(format!("{} cannot be written", path.display())).because(e),
    })
}
