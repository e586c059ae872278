//! Words that must be known before the rest is parsed.

use std::ffi::OsString;

/// The verbs that report how they went, because they run on a schedule.
const MONITORED: [&str; 8] = ["backup", "adopt", "verify", "restore", "clone", "status", "copy", "prune"];

/// The verb that was typed, if it is one that reports how it went; the rest is not understood.
pub fn early_monitored(args: &[OsString]) -> Option<&'static str> {
    let command = super::command();
    let mut words = args.iter().skip(1).take_while(|arg| *arg != "--");
    let verb = words.find_map(|arg| command.find_subcommand(arg))?;
    MONITORED.into_iter().find(|name| *name == verb.get_name())
}

/// The value of a flag as it was typed, found without clap: one that decides how the rest is parsed (`--config`,
/// `--profile`), or that comes before a variable.
pub fn early(args: &[OsString], flag: &str) -> Option<String> {
    let mut words = args.iter().skip(1).map_while(|arg| arg.to_str().filter(|arg| *arg != "--"));
    while let Some(word) = words.next() {
        match word.strip_prefix("--").and_then(|word| word.strip_prefix(flag)) {
            Some("") => return words.next().map(str::to_owned),
            Some(rest) if rest.starts_with('=') => return rest.get(1..).map(str::to_owned),
            _ => {}
        }
    }
    None
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
    }
}
