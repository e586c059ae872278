//! What helps whoever typed a command line that cannot be understood.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// What stands for a value that is not repeated.
const HIDDEN: &str = "…";
/// The flag that asks for a passphrase, and takes none.
const PASSPHRASE: &str = "--passphrase";

/// Hides what was typed as a passphrase, although a flag takes none.
pub fn hide_passphrase(error: &mut clap::Error, args: &[OsString]) {
    let asks = |flag: &OsString| {
        let letters =
            flag.to_str().and_then(|flag| flag.strip_prefix('-')).filter(|flag| !flag.starts_with('-'));
        flag == PASSPHRASE || letters.is_some_and(|letters| letters.ends_with('p'))
    };
    let is_typed = |word: &str| args.windows(2).any(|pair| asks(&pair[0]) && pair[1] == word);
    let hidden = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(word)))
            if !word.starts_with('-') && is_typed(word) =>
        {
            ContextKind::InvalidArg
        }
        (ErrorKind::TooManyValues, Some(ContextValue::String(flag))) if flag == PASSPHRASE => {
            ContextKind::InvalidValue
        }
        _ => return,
    };
    error.insert(hidden, ContextValue::String(HIDDEN.to_owned()));
}

/// What is wrong, in one line that names flags and never a value: alarms go to others, and anything may have been typed,
/// or set, at the wrong place.
pub fn without_values(error: &clap::Error) -> String {
    use ContextKind::{
        ActualNumValues, ExpectedNumValues, InvalidArg, InvalidSubcommand, InvalidValue, MinValues, PriorArg,
        SuggestedArg, SuggestedSubcommand, SuggestedValue, ValidSubcommand, ValidValue,
    };
    let mut shown = clap::Error::new(error.kind());
    for (kind, value) in error.context() {
        let value = match (kind, value) {
            // An empty one says that none was given.
            (InvalidValue, ContextValue::String(value)) if value.is_empty() => value.clone(),
            (InvalidValue | InvalidSubcommand, _) => HIDDEN.to_owned(),
            (InvalidArg, ContextValue::String(word)) if error.kind() == ErrorKind::UnknownArgument => {
                flag(word).unwrap_or(HIDDEN).to_owned()
            }
            // These are pgstow's own words.
            (
                InvalidArg | PriorArg | ValidValue | ValidSubcommand | SuggestedArg | SuggestedSubcommand
                | SuggestedValue | ActualNumValues | ExpectedNumValues | MinValues,
                own,
            ) => {
                shown.insert(kind, own.clone());
                continue;
            }
            _ => continue,
        };
        shown.insert(kind, ContextValue::String(value));
    }
    one_line(shown.render().to_string().trim_start_matches("error: "))
}

/// The flag that a word is, without its value.
fn flag(word: &str) -> Option<&str> {
    let flag = word.split('=').next().filter(|flag| flag.starts_with('-'))?;
    flag.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).then_some(flag)
}

fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.fold(String::new(), |mut all, line| {
        let is_part = all.is_empty() || all.ends_with(':') || line.starts_with('[');
        let between = if is_part { " " } else { "; " };
        all.push_str(between);
        all.push_str(line);
        all.trim_start().to_owned()
    })
}

/// What to say of a word at a place that takes none, if the verb has a flag for it.
pub fn tip(text: &str, command: &Command) -> Option<String> {
    let (_, word) = text.split_once("unexpected argument '")?;
    let (word, _) = word.split_once('\'')?;
    if word.starts_with("postgres://") || word.starts_with("postgresql://") {
        let is_target = text.contains("--to <URL>");
        return is_target.then(|| "tip: the database to restore into is named with --to".to_owned());
    }
    let (_, usage) = text.split_once("Usage: pgstow ")?;
    let verb = command.find_subcommand(usage.split_whitespace().next()?)?;
    let has_name = verb.get_arguments().any(|arg| arg.get_long() == Some("name"));
    let is_name = word.starts_with(char::is_alphanumeric)
        && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '*' | '?'));
    (has_name && is_name).then(|| format!("tip: if it is the name of backups: --name {word}"))
}

/// By which letters and variables a flag can be given too, whatever the verb is.
pub fn other_ways(command: &Command, flag: &str) -> Vec<(Option<char>, String)> {
    let all = command.get_arguments().chain(command.get_subcommands().flat_map(Command::get_arguments));
    let of_flag = all.filter(|arg| arg.get_long() == Some(flag));
    let mut ways: Vec<_> =
        of_flag.filter_map(|arg| Some((arg.get_short(), arg.get_env()?.to_str()?.to_owned()))).collect();
    ways.sort();
    ways.dedup();
    ways
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    #[test]
    fn an_alarm_names_flags_and_no_value() {
        let command = crate::cli::command();
        let said = |line: &str| {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            super::without_values(&command.clone().try_get_matches_from(args).unwrap_err())
        };
        for (line, expected) in [
            ("pgstow backup db secret", "unexpected argument '…' found"),
            (
                "pgstow backup --passphrase=secret",
                "unexpected value '…' for '--passphrase' found; no more were expected",
            ),
            ("pgstow backup --no-such-flag=secret", "unexpected argument '--no-such-flag' found"),
            ("pgstow backup ---secret+key", "unexpected argument '…' found"),
            ("pgstow backup --uploads secret", "invalid value '…' for '--uploads "),
            ("pgstow backup --uploads", "a value is required for '--uploads "),
            (
                "pgstow backup --notify secret",
                "invalid value '…' for '--notify <WHEN>' [possible values: failure, success, always]",
            ),
            ("pgstow secret", "unrecognized subcommand '…'"),
        ] {
            let said = said(line);
            assert!(said.starts_with(expected) && !said.contains("secret"), "{line}: {said}");
        }
        let missing = said("pgstow restore");
        assert!(missing.starts_with("the following required arguments were not provided: "), "{missing}");
        assert!(!missing.contains("Usage") && missing.contains('<'), "{missing}");
        let near = said("pgstow backup --nam secret");
        assert!(
            near.starts_with("unexpected argument '--nam' found; tip: ") && !near.contains("secret"),
            "{near}"
        );
    }

    #[test]
    fn what_was_typed_as_a_passphrase_is_not_repeated() {
        let command = crate::cli::command();
        let said = |line: &[&str]| {
            let args: Vec<OsString> = line.iter().map(OsString::from).collect();
            let mut error = command.clone().try_get_matches_from(&args).unwrap_err();
            super::hide_passphrase(&mut error, &args);
            error.render().to_string()
        };
        for words in [&["--passphrase", "hunter22"][..], &["--passphrase=hunter22"], &["-p", "hunter22"]] {
            let text = said(&[&["pgstow", "backup", "postgres://h/db"], words].concat());
            assert!(text.contains("'…'") && !text.contains("hunter22"), "{text}");
            assert_eq!(super::tip(&text, &command), None);
        }
        let unknown = said(&["pgstow", "backup", "--passphrase", "--nope"]);
        assert!(unknown.contains("'--nope'"), "{unknown}");
    }

    #[test]
    fn a_name_without_its_flag_is_understood() {
        let command = crate::cli::command();
        let tip = |verb: &str, word: &str| {
            let error = command.clone().try_get_matches_from(["pgstow", verb, word]).unwrap_err();
            super::tip(&error.render().to_string(), &command)
        };
        assert_eq!(tip("status", "app").as_deref(), Some("tip: if it is the name of backups: --name app"));
        assert_eq!(
            tip("prune", "portal/*").as_deref(),
            Some("tip: if it is the name of backups: --name portal/*")
        );
        assert_eq!(tip("status", "host=h password=x"), None);
        assert_eq!(tip("version", "app"), None);
    }
}
