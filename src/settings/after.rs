//! What is done in a restored database before anybody sees it.

use crate::cli::AfterWords;
use crate::error::{Error, Result};
use crate::postgres::grants::Grant;
use std::path::PathBuf;

/// What is done when all data is there and proven.
#[derive(Debug, Clone, Default)]
pub struct After {
    /// Scripts, in their order.
    pub scripts: Vec<Script>,
    /// Roles, and what they are granted.
    pub grants: Vec<(String, Grant)>,
}

/// SQL of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// In a file.
    File(PathBuf),
    /// Here.
    Sql(String),
}

impl After {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.scripts.is_empty() && self.grants.is_empty()
    }

    /// Checks the words.
    pub(super) fn read(words: AfterWords) -> Result<Self> {
        for file in &words.after {
            // Better now than when the data has moved.
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
        Ok(Self {
            scripts: files.chain(words.after_sql.into_iter().map(Script::Sql)).collect(),
            grants: grants(words.grant_all, Grant::All)
                .chain(grants(words.grant_read, Grant::Read))
                .collect(),
        })
    }
}
