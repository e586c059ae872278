//! The settings about Neon.

use super::environment::{explain_empty, variable};
use super::keys::secret_file;
use crate::branch::{NeonBranch, NeonProject, NeonSource};
use crate::cli::{BackupWords, NeonWords, RestoreWords};
use crate::error::{Error, Result};
use crate::neon::{API, ApiKey};
use crate::pipeline::keys::ExposeSecret;
use std::path::Path;
use std::time::Duration;

/// Neon takes no later end than this.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Checks the words; `None` if no project was named.
fn project(words: &NeonWords) -> Result<Option<NeonProject>> {
    let Some(id) = words.neon.clone() else { return Ok(None) };
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(Error::usage(format!("{id:?} is not the id of a Neon project"))
            .hint("the project's settings show it, as in shiny-wind-028834"));
    }
    Ok(Some(NeonProject {
        id,
        api: words.neon_api.clone().unwrap_or_else(|| API.to_owned()),
        key: key(words.neon_api_key_file.as_deref())?,
        patience: words.neon_timeout,
        database: words.database.clone(),
        role: words.role.clone(),
    }))
}

fn key(file: Option<&Path>) -> Result<ApiKey> {
    let text = match file {
        Some(file) => {
            return Ok(ApiKey::new(secret_file(file, "the file with Neon's key")?.expose_secret().trim()));
        }
        None => variable("NEON_API_KEY").ok_or_else(|| {
            let missing = Error::settings("there is no key to Neon's API")
                .hint("give it in NEON_API_KEY, or in a file with --neon-api-key-file");
            explain_empty(missing, &["NEON_API_KEY"])
        })?,
    };
    Ok(ApiKey::new(text.trim()))
}

pub(super) fn neon_source(words: &BackupWords) -> Result<Option<NeonSource>> {
    let project = project(&words.neon)?;
    Ok(project.map(|project| NeonSource { project, via_branch: words.via_branch }))
}

pub(super) fn neon_branch(words: &RestoreWords) -> Result<Option<NeonBranch>> {
    let Some(project) = project(&words.neon)? else { return Ok(None) };
    if words.neon_expires.is_some_and(|life| life > LONGEST_LIFE) {
        return Err(Error::usage("a Neon branch expires within 30 days, or not at all"));
    }
    Ok(Some(NeonBranch {
        project,
        parent: words.neon_parent.clone(),
        name: words.neon_branch.clone(),
        expires: words.neon_expires,
        show_password: words.show_password,
    }))
}
