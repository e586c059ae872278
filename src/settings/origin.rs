//! What is wrong with a value is said of its origin: a variable or the settings file, if no flag was typed.

use super::environment::variable;
use super::file::SettingsFile;
use crate::cli::{self, Untyped};
use crate::error::{Error, Kind};
use std::ffi::OsString;
use std::path::Path;

/// Says of the flags in the first paragraph of a refusal by which variable, or key of the settings file, they were given
/// if they were not typed; `value` is the one that is refused, if it is known. It may have several lines.
pub(super) fn named(
    text: &str,
    value: Option<&str>,
    args: &[OsString],
    file: Option<&SettingsFile>,
) -> String {
    let (line, more) = text.split_at(text.find("\n\n").unwrap_or(text.len()));
    let (mut named, mut rest) = (String::new(), line);
    while let Some((before, quoted)) = rest.split_once("'--") {
        let Some((shown, after)) = quoted.split_once('\'') else { break };
        let flag = shown.split([' ', '=', '[', '.']).next().unwrap_or_default();
        named.push_str(before);
        named.push_str(&match origin(flag, value, args, file) {
            Some(origin) => format!("{origin} (--{shown})"),
            None => format!("'--{shown}'"),
        });
        rest = after;
    }
    named + rest + more
}

/// The value that a refusal says is not valid.
pub(super) fn value(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("invalid value '")?;
    Some(rest.split_once("' for '")?.0)
}

/// The variable, or the key, that gives a flag this value, or any value if it is not known which.
fn origin(flag: &str, value: Option<&str>, args: &[OsString], file: Option<&SettingsFile>) -> Option<String> {
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
    let file = file?;
    let key =
        keys.find(|key| file.values.get(key).is_some_and(|all| all.iter().any(|given| is_it(given))))?;
    Some(of_file(&key, &file.path))
}

fn of_file(key: &str, path: &Path) -> String {
    format!("{key} of {}", path.display())
}

/// Where the words that were not typed come from: who reads of a flag that nobody typed looks for it at the wrong place.
#[derive(Debug, Default)]
pub(super) struct Origins(Vec<(Untyped, String)>);

impl Origins {
    /// Those of a verb's words.
    pub fn of(untyped: &[Untyped], file: Option<&Path>) -> Self {
        let has_its_name = |word: &Untyped| {
            word.flag.as_ref().is_some_and(|flag| flag.trim_start_matches('-').replace('-', "_") == word.key)
        };
        let origin = |word: &Untyped| match (&word.variable, file) {
            (Some(variable), _) => Some(variable.clone()),
            (None, Some(path)) if has_its_name(word) => Some(path.display().to_string()),
            (None, path) => Some(of_file(&word.key, path?)),
        };
        Self(untyped.iter().filter_map(|word| Some((word.clone(), origin(word)?))).collect())
    }

    /// Adds to a failure that is about words where those come from that it names, unless it says so.
    pub fn explain(&self, error: Error) -> Error {
        if !matches!(error.kind(), Kind::Usage | Kind::Settings | Kind::NotFound) {
            return error;
        }
        let text = error.message().to_owned();
        let is_meant = |(word, origin): &&(Untyped, String)| is_about(&text, word) && !text.contains(origin);
        self.0.iter().filter(is_meant).fold(error, |error, (word, origin)| {
            error.hint(format!("{} comes from {origin}", word.flag.as_deref().unwrap_or("the database")))
        })
    }
}

/// Whether a sentence names a word's flag, or quotes its value. Names of backups are not quoted.
fn is_about(text: &str, word: &Untyped) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/');
    let has =
        |part: &str| text.match_indices(part).any(|(at, _)| !text[at + part.len()..].starts_with(goes_on));
    let quotes = |value: &str| {
        has(&format!("{value:?}")) || (word.key == "name" && has(&format!("no backup of {value}")))
    };
    word.flag.as_deref().is_some_and(has)
        || word.values.iter().flat_map(|value| value.split('\n')).any(quotes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_of_a_flag_that_nobody_typed_learns_where_it_comes_from() {
        let word = |key: &str, flag: &str, variable: Option<&str>, value: &str| Untyped {
            key: key.to_owned(),
            flag: Some(flag.to_owned()),
            variable: variable.map(str::to_owned),
            values: vec![value.to_owned()],
        };
        let untyped = [
            word("to", "--to", Some("PGSTOW_TO"), "dbname=x"),
            word("name", "--name", None, "app"),
            word("timeout", "--timeout", Some("PGSTOW_TIMEOUT"), "1s"),
            word("neon_role", "--role", None, "r"),
        ];
        let origins = Origins::of(&untyped, Some(Path::new("/etc/my.toml")));
        let hints = |error: Error| origins.explain(error).hints().to_vec();
        assert_eq!(hints(Error::usage("--to and --into contradict")), ["--to comes from PGSTOW_TO"]);
        assert_eq!(hints(Error::usage("--to-x is none, --timeouts neither")), [""; 0]);
        assert_eq!(hints(Error::usage("--to (PGSTOW_TO) is wrong")), [""; 0]);
        assert_eq!(hints(Error::usage("--role is wrong")), ["--role comes from neon_role of /etc/my.toml"]);
        let none = Error::not_found("the store holds no backup of app: it is empty");
        assert_eq!(hints(none), ["--name comes from /etc/my.toml"]);
        assert_eq!(hints(Error::usage("\"app\" cannot be a name")), ["--name comes from /etc/my.toml"]);
        assert_eq!(hints(Error::not_found("there is no backup of app-2")), [""; 0]);
        assert_eq!(hints(Error::verify("--to is damaged")), [""; 0]);
    }
}
