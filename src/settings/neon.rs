//! The settings about Neon.

use super::variable;
use crate::cli::{BackupWords, NeonWords, RestoreWords};
use crate::error::{Error, Result};
use crate::neon::{API, ApiKey};
use std::path::Path;
use std::time::Duration;

/// Neon takes no later end than this.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// A project, and how to reach it.
#[derive(Debug, Clone)]
pub struct NeonProject {
    /// The project's id.
    pub id: String,
    /// The API's address.
    pub api: String,
    /// The key to it.
    pub key: ApiKey,
    /// How long operations are waited for.
    pub patience: Duration,
    /// The database, where one was named.
    pub database: Option<String>,
    /// The role, where one was named.
    pub role: Option<String>,
}

impl NeonProject {
    /// Checks the words; `None` where no project was named.
    pub(super) fn read(words: &NeonWords) -> Result<Option<Self>> {
        let Some(id) = words.neon.clone() else { return Ok(None) };
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(Error::usage(format!("{id:?} is not the id of a Neon project"))
                .hint("the project's settings show it, as in shiny-wind-028834"));
        }
        Ok(Some(Self {
            id,
            api: words.neon_api.clone().unwrap_or_else(|| API.to_owned()),
            key: key(words.neon_api_key_file.as_deref())?,
            patience: words.neon_timeout,
            database: words.database.clone(),
            role: words.role.clone(),
        }))
    }
}

fn key(file: Option<&Path>) -> Result<ApiKey> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|e| Error::settings(format!("read {}: {e}", file.display())).because(e))?,
        None => variable("NEON_API_KEY").ok_or_else(|| {
            Error::settings("there is no key to Neon's API")
                .hint("give it in NEON_API_KEY, or in a file with --neon-api-key-file")
        })?,
    };
    Ok(ApiKey::new(text.trim()))
}

/// The database to back up.
#[derive(Debug, Clone)]
pub struct NeonSource {
    /// Where it is.
    pub project: NeonProject,
    /// Whether the dump comes from a branch made for it.
    pub via_branch: bool,
}

impl NeonSource {
    pub(super) fn read(words: &BackupWords) -> Result<Option<Self>> {
        let project = NeonProject::read(&words.neon)?;
        Ok(project.map(|project| Self { project, via_branch: words.via_branch }))
    }
}

/// The branch to restore into.
#[derive(Debug)]
pub struct NeonBranch {
    /// Where it is made.
    pub project: NeonProject,
    /// Id or name of the branch it is made from; the default branch otherwise.
    pub parent: Option<String>,
    /// Its name, where the user gave one.
    pub name: Option<String>,
    /// How long it lives, where it ends by itself.
    pub expires: Option<Duration>,
    /// Whether its connection is printed with the password.
    pub show_password: bool,
}

impl NeonBranch {
    pub(super) fn read(words: &RestoreWords) -> Result<Option<Self>> {
        let Some(project) = NeonProject::read(&words.neon)? else { return Ok(None) };
        if words.neon_expires.is_some_and(|life| life > LONGEST_LIFE) {
            return Err(Error::usage("a Neon branch expires within 30 days, or not at all"));
        }
        Ok(Some(Self {
            project,
            parent: words.neon_parent.clone(),
            name: words.neon_branch.clone(),
            expires: words.neon_expires,
            show_password: words.show_password,
        }))
    }
}
