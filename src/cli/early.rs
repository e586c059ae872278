//! Words that must be known before the rest is parsed.

use clap::Arg;
use std::ffi::OsString;

/// The verbs that report how they went, because they run on a schedule.
const MONITORED: [&str; 8] = ["backup", "adopt", "verify", "restore", "clone", "status", "copy", "prune"];

/// The verb that was typed, if it is one that reports how it went; the rest is not understood.
pub fn early_monitored(args: &[OsString]) -> Option<&'static str> {
    let command = super::command();
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
            return MONITORED.into_iter().find(|name| *name == verb.get_name());
        }
    }
    None
}

/// The value of a flag as it was typed, found without clap: one that decides how the rest is parsed (`--config`,
/// `--profile`), or that comes before a variable.
pub fn early(args: &[OsString], flag: &str) -> Option<String> {
    early_all(args, flag).into_iter().next()
}

/// All values of a flag that may be repeated.
pub fn early_all(args: &[OsString], flag: &str) -> Vec<String> {
    values(args, &format!("--{flag}"))
}

/// The names of backups that were typed.
pub fn early_names(args: &[OsString]) -> Vec<String> {
    [values(args, "--name"), values(args, "-n")].concat()
}

/// Whether a flag without a value was typed.
pub fn early_flag(args: &[OsString], flag: &str) -> bool {
    words(args).any(|word| word.strip_prefix("--") == Some(flag))
}

fn words(args: &[OsString]) -> impl Iterator<Item = &str> {
    args.iter().skip(1).map_while(|arg| arg.to_str().filter(|arg| *arg != "--"))
}

fn values(args: &[OsString], flag: &str) -> Vec<String> {
    let (mut words, mut all) = (words(args), Vec::new());
    while let Some(word) = words.next() {
        match word.strip_prefix(flag) {
            // No value of these begins like a flag.
            Some("") => all.extend(words.next().filter(|word| !word.starts_with('-')).map(str::to_owned)),
            Some(rest) if rest.starts_with('=') => all.extend(rest.get(1..).map(str::to_owned)),
            Some(rest) if !flag.starts_with("--") => all.push(rest.to_owned()),
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_with_an_address_for_pings_is_known() {
        let command = crate::cli::command();
        let pings =
            |verb: &&clap::Command| verb.get_arguments().any(|arg| arg.get_long() == Some("ping-url"));
        // A doctor reads the words of a backup, and a schedule runs others.
        let verbs = command.get_subcommands().filter(pings).map(clap::Command::get_name);
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
    }
}
