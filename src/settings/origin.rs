//! What is wrong with a value is said of its origin: a variable or the settings file, if no flag was typed.

use super::environment::variable;
use super::file::Values;
use crate::cli;
use std::ffi::OsString;

/// Says of the flags in the first line of a refusal by which variable, or key of the settings file, they were given
/// if they were not typed; `value` is the one that is refused, if it is known.
pub(super) fn named(text: &str, value: Option<&str>, args: &[OsString], of_file: &Values) -> String {
    let (line, more) = text.split_at(text.find('\n').unwrap_or(text.len()));
    let (mut named, mut rest) = (String::new(), line);
    while let Some((before, quoted)) = rest.split_once("'--") {
        let Some((shown, after)) = quoted.split_once('\'') else { break };
        let flag = shown.split([' ', '=', '[']).next().unwrap_or_default();
        named.push_str(before);
        named.push_str(&match origin(flag, value, args, of_file) {
            Some(origin) => format!("{origin} (--{shown})"),
            None => format!("'--{shown}'"),
        });
        rest = after;
    }
    named + rest + more
}

/// The value that a refusal says is not valid.
pub(super) fn value(text: &str) -> Option<&str> {
    let (_, rest) = text.lines().next()?.split_once("invalid value '")?;
    Some(rest.split_once("' for '")?.0)
}

/// The variable, or the key, that gives a flag this value, or any value if it is not known which.
fn origin(flag: &str, value: Option<&str>, args: &[OsString], of_file: &Values) -> Option<String> {
    let is_it = |given: &str| value.is_none_or(|value| given.contains(value));
    let ways = cli::other_ways(flag);
    let is_typed = |arg: &OsString| {
        let Some(arg) = arg.to_str() else { return false };
        let long = arg.strip_prefix("--").and_then(|arg| arg.strip_prefix(flag));
        let short = |letter: char| arg.strip_prefix('-').is_some_and(|arg| arg.starts_with(letter));
        long.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            || ways.iter().filter_map(|(letter, _)| *letter).any(short)
    };
    if args.iter().any(is_typed) {
        return None;
    }
    let by_variable = ways.iter().map(|(_, name)| name);
    if let Some(name) = by_variable.clone().find(|name| variable(name).is_some_and(|given| is_it(&given))) {
        return Some(name.clone());
    }
    let mut keys = by_variable.map(|name| cli::key_of(name));
    let key =
        keys.find(|key| of_file.get(key).is_some_and(|values| values.iter().any(|given| is_it(given))))?;
    Some(format!("{key} of the settings file"))
}
