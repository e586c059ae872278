//! Flags and their variables.

use clap::Arg;
use std::ffi::OsStr;

/// What all flags have in common: a variable set to "1" or "" means what people expect; the long help names the
/// variable, and never shows its value, because help ends up in tickets and logs.
pub(super) fn sane(arg: Arg) -> Arg {
    let arg = match arg.get_action() {
        clap::ArgAction::SetTrue => arg.value_parser(yes_or_no),
        clap::ArgAction::Count => arg.value_parser(times),
        _ => arg,
    };
    let text = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    match arg.get_env().and_then(OsStr::to_str) {
        Some(variable) => {
            let text = format!("{text}\n\nVariable: {variable}");
            arg.hide_env(true).long_help(text)
        }
        None => arg,
    }
}

/// An argument's key in the settings file: its variable in lower case, without `PGSTOW_`.
pub(super) fn key(arg: &Arg) -> Option<String> {
    let key = key_of(arg.get_env()?.to_str()?);
    // These two choose the settings file itself.
    (key != "config" && key != "profile").then_some(key)
}

/// The key in the settings file for what this variable gives.
pub fn key_of(variable: &str) -> String {
    variable.strip_prefix("PGSTOW_").unwrap_or(variable).to_ascii_lowercase()
}

/// Reads a variable that switches something on or off. What comes from a file may end with a line break; what is neither is
/// refused, as it may switch a safeguard off.
pub fn yes_or_no(text: &str) -> Result<bool, &'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "y" | "yes" | "t" | "true" | "on" => Ok(true),
        "" | "0" | "n" | "no" | "f" | "false" | "off" => Ok(false),
        _ => Err("neither yes nor no: write true or false"),
    }
}

/// Reads how often a flag is given that may be repeated.
fn times(text: &str) -> Result<u8, &'static str> {
    text.trim().parse().or_else(|_| yes_or_no(text).map(u8::from)).map_err(|_| "write 0, 1 or 2")
}

#[cfg(test)]
mod tests {
    use super::{times, yes_or_no};

    #[test]
    fn a_line_break_makes_no_yes_of_a_no() {
        for no in ["", " ", "0", "No", "false\n", "off\r\n"] {
            assert_eq!(yes_or_no(no), Ok(false), "{no:?}");
        }
        for yes in ["1", "true", "YES\n", " on "] {
            assert_eq!(yes_or_no(yes), Ok(true), "{yes:?}");
        }
        assert!(yes_or_no("flase").is_err());
        assert_eq!((times("2\n"), times("true"), times("no")), (Ok(2), Ok(1), Ok(0)));
        assert!(times("-1").is_err());
    }
}
