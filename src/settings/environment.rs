//! The variables of the environment; the only file that reads them by name.

use crate::cli;
use crate::error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A variable of the environment as it counts: without line breaks at its end, as what comes from a file has one, and empty
/// if there are only blanks in it.
pub(super) fn value(name: &OsStr) -> Option<OsString> {
    std::env::var_os(name).map(|value| OsStr::from_bytes(counted(value.as_bytes())).to_owned())
}

fn counted(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    let value = value.get(..end).unwrap_or_default();
    if value.trim_ascii().is_empty() { b"" } else { value }
}

/// A variable of the environment, unless it is unset, empty or not text.
pub(super) fn variable(name: &str) -> Option<String> {
    value(OsStr::new(name))?.into_string().ok().filter(|value| !value.is_empty())
}

/// A variable of the environment that names a file or a folder, whose name need not be text.
pub(super) fn path(name: &str) -> Option<PathBuf> {
    value(OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from)
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

/// Whether a variable ends with a line break, which is no part of it.
pub(super) fn has_line_end(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| matches!(value.as_bytes().last(), Some(b'\n' | b'\r')))
}

/// Whether a variable is set, but to nothing, as a secret that does not exist is in CI.
pub(super) fn is_blank(name: impl AsRef<OsStr>) -> bool {
    value(name.as_ref()).is_some_and(|value| value.is_empty())
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

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn a_line_break_at_the_end_of_a_variable_is_not_part_of_it() {
        for (value, counts) in [
            ("app", "app"),
            ("app\n", "app"),
            ("a\r\nb\r\n\n", "a\r\nb"),
            (" a ", " a "),
            ("", ""),
            (" \n\t\n", ""),
        ] {
            assert_eq!(counted(value.as_bytes()), counts.as_bytes(), "{value:?}");
        }
    }
}
