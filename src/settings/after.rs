//! What is done in a restored database before anybody sees it.

use crate::cli::AfterWords;
use crate::error::{Error, Result};
use crate::postgres::grants::Grant;
use crate::restore::request::{After, Script};

/// Checks the words.
pub(super) fn after(words: AfterWords) -> Result<After> {
    for file in &words.after {
        // Better now than after the data has moved.
        std::fs::File::open(file)
            .and_then(|file| file.metadata())
            .and_then(
                |facts| {
                    if facts.is_dir() { Err(std::io::ErrorKind::IsADirectory.into()) } else { Ok(()) }
                },
            )
            .map_err(|e| Error::settings(format!("--after {}: {e}", file.display())).because(e))?;
    }
    let files = words.after.into_iter().map(Script::File);
    let grants = |roles: Vec<String>, grant: Grant| roles.into_iter().map(move |role| (role, grant));
    Ok(After {
        scripts: files.chain(words.after_sql.into_iter().map(Script::Sql)).collect(),
        grants: grants(words.grant_all, Grant::All).chain(grants(words.grant_read, Grant::Read)).collect(),
    })
}
