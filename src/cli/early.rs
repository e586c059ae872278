//! Words that must be known before the rest is parsed.

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The verbs that report how they went, because they run on a schedule.
const MONITORED: [&str; 8] = ["backup", "adopt", "verify", "restore", "clone", "status", "copy", "prune"];

/// The verb that was typed, if it is one that reports how it went; the rest is not understood. If it is mistyped, the one
/// that was meant.
pub fn early_monitored(args: &[OsString]) -> Option<&'static str> {
    let command = super::command();
    let monitored = |name: &str| MONITORED.into_iter().find(|verb| *verb == name);
    let mut mistyped = None;
    let takes_value = |word: &OsString| {
        let flag = word.to_str().and_then(|word| word.strip_prefix("--"));
        let known = |arg: &&Arg| flag.is_some() && arg.get_long() == flag;
        command.get_arguments().find(known).is_some_and(|arg| arg.get_action().takes_values())
    };
    let mut words = args.iter().skip(1).take_while(|arg| *arg != "--");
    while let Some(word) = words.next() {
        if word == "help" {
            return None;
        }
        if takes_value(word) {
            // A profile may be called like a verb.
            words.next();
        } else if let Some(verb) = command.find_subcommand(word) {
            return monitored(verb.get_name());
        } else if !word.as_bytes().starts_with(b"-") {
            mistyped = mistyped.or(Some(word));
        }
    }
    monitored(&meant(command, mistyped?)?)
}

/// The verb that is most like a mistyped one.
fn meant(command: Command, mistyped: &OsString) -> Option<String> {
    let error = command.try_get_matches_from([OsStr::new("pgstow"), mistyped]).err()?;
    match error.get(ContextKind::SuggestedSubcommand)? {
        ContextValue::String(verb) => Some(verb.clone()),
        ContextValue::Strings(verbs) => verbs.last().cloned(),
        _ => None,
    }
}

/// The value of a flag as it was typed, found without clap: one that decides how the rest is parsed (`--config`,
/// `--profile`), or that comes before a variable. The last one counts, as for clap.
pub fn early(args: &[OsString], flag: &str) -> Option<OsString> {
    values(args, &format!("--{flag}")).pop()
}

/// All values of a flag that may be repeated.
pub fn early_all(args: &[OsString], flag: &str) -> Vec<String> {
    texts(values(args, &format!("--{flag}")))
}

/// The names of backups that were typed.
pub fn early_names(args: &[OsString]) -> Vec<String> {
    texts([values(args, "--name"), values(args, "-n")].concat())
}

/// Whether a flag without a value was typed.
pub fn early_flag(args: &[OsString], flag: &str) -> bool {
    words(args).any(|word| word.as_bytes().strip_prefix(b"--") == Some(flag.as_bytes()))
}

/// Up to `--`; a word that is no text, as the name of a file, ends nothing.
fn words(args: &[OsString]) -> impl Iterator<Item = &OsStr> {
    args.iter().skip(1).map(OsString::as_os_str).take_while(|arg| *arg != "--")
}

fn values(args: &[OsString], flag: &str) -> Vec<OsString> {
    let (mut words, mut all) = (words(args), Vec::new());
    while let Some(word) = words.next() {
        match word.as_bytes().strip_prefix(flag.as_bytes()) {
            // No value of these begins like a flag.
            Some(b"") => all.extend(words.next().filter(|word| !word.as_bytes().starts_with(b"-"))),
            Some([b'=', rest @ ..]) => all.push(OsStr::from_bytes(rest)),
            Some(rest) if !flag.starts_with("--") => all.push(OsStr::from_bytes(rest)),
            _ => {}
        }
    }
    all.into_iter().map(OsStr::to_owned).collect()
}

fn texts(values: Vec<OsString>) -> Vec<String> {
    values.into_iter().filter_map(|value| value.into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_with_an_address_for_pings_is_known() {
        let command = crate::cli::command();
        let pings = |verb: &&Command| verb.get_arguments().any(|arg| arg.get_long() == Some("ping-url"));
        // A doctor reads the words of a backup, and a schedule runs others.
        let verbs = command.get_subcommands().filter(pings).map(Command::get_name);
        let mut verbs: Vec<&str> = verbs.filter(|name| *name != "doctor").collect();
        let mut known = MONITORED;
        verbs.sort_unstable();
        known.sort_unstable();
        assert_eq!(verbs, known);
        let typed = |line: &str| early_monitored(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(typed("pgstow --config x backup --no-such-flag"), Some("backup"));
        assert_eq!(typed("pgstow list --name backup"), None);
        assert_eq!(typed("pgstow -- backup"), None);
        assert_eq!(typed("pgstow --profile backup status --max-age zzz"), Some("status"));
        assert_eq!(typed("pgstow --json backup --nope"), Some("backup"));
        assert_eq!(typed("pgstow help backup --nope"), None);
        assert_eq!(typed("pgstow bakcup --name app"), Some("backup"));
        assert_eq!(typed("pgstow --json verfy latest"), Some("verify"));
        assert_eq!((typed("pgstow lst"), typed("pgstow qqq")), (None, None));
    }

    #[test]
    fn words_are_found_without_clap() {
        let args = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let hooks = args("pgstow backup --webhook A --webhook=B --nam x -- --webhook C");
        assert_eq!(early_all(&hooks, "webhook"), ["A", "B"]);
        for line in ["pgstow backup -n app", "pgstow backup -napp", "pgstow backup --name=app"] {
            assert_eq!(early_names(&args(line)), ["app"], "{line}");
        }
        assert!(early_flag(&args("pgstow prune --dry-run"), "dry-run"));
        assert!(!early_flag(&args("pgstow backup -- --dry-run"), "dry-run"));
        let bytes = |words: &[&[u8]]| {
            let mut args = args("pgstow adopt");
            args.extend(words.iter().map(|word| OsStr::from_bytes(word).to_owned()));
            early(&args, "config").map(OsString::into_encoded_bytes)
        };
        let named = |name: &[u8]| Some(name.to_vec());
        assert_eq!(bytes(&[b"a\xff.dump", b"--config", b"my.toml"]), named(b"my.toml"));
        assert_eq!(bytes(&[b"--config", b"m\xff.toml"]), named(b"m\xff.toml"));
        assert_eq!(bytes(&[b"--config=m\xff.toml"]), named(b"m\xff.toml"));
    }
}
