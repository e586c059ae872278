//! The variables of the environment; the only file that reads them by name.

use crate::cli;
use crate::error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// A variable of the environment, unless it is unset, empty or not text.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable of the environment that names a file or a folder, whose name need not be text.
pub(super) fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Refuses a variable of pgstow's that is not text: read as one that is not set, it would switch off what it sets, such
/// as signatures.
pub(super) fn refuse_no_text() -> Result<()> {
    let paths = cli::path_keys();
    let is_text = |name: &str| {
        let key = cli::key_of(name);
        let is_own = (name.starts_with("PGSTOW_") && key != "config") || name == "NEON_API_KEY";
        is_own && !paths.contains(&key)
    };
    let wrong = std::env::vars_os().find_map(|(name, value)| {
        let name = name.into_string().ok()?;
        (is_text(&name) && value.to_str().is_none()).then_some(name)
    });
    match wrong {
        Some(name) => Err(Error::settings(format!("{name} is set, but to bytes that are no text"))),
        None => Ok(()),
    }
}

/// Whether a variable is set, but to nothing, as a secret that does not exist is in CI.
pub(super) fn is_blank(name: impl AsRef<OsStr>) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}

/// The environment of a command of the user's own: the keys to stores and backups are pgstow's, everything else
/// is the user's.
pub(super) fn of_the_user() -> Vec<(OsString, OsString)> {
    let own = |name: &OsStr| name.to_string_lossy().starts_with("PGSTOW_");
    std::env::vars_os().filter(|(name, _)| !own(name)).collect()
}

/// Those of these variables that are set, but to nothing; `None` if there are none.
pub(super) fn blank_among(names: &[&str]) -> Option<String> {
    let blank: Vec<&str> = names.iter().copied().filter(|name| is_blank(name)).collect();
    let verb = if blank.len() == 1 { "is" } else { "are" };
    (!blank.is_empty()).then(|| format!("{} {verb} set, but empty", blank.join(" and ")))
}

/// Adds a hint if one of these variables, which could give what is missing, is set, but empty.
pub(super) fn explain_empty(error: Error, names: &[&str]) -> Error {
    match blank_among(names) {
        Some(blank) => error.hint(format!("{blank}; in CI, a secret that does not exist looks like that")),
        None => error,
    }
}
