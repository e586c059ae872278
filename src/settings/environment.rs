//! The variables of the environment; the only file that reads them by name.

use crate::error::Error;
use std::ffi::OsStr;

/// A variable of the environment, unless it is unset, empty or not text.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a variable is set, but to nothing, as a secret that does not exist is in CI.
pub(super) fn is_blank(name: impl AsRef<OsStr>) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
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
