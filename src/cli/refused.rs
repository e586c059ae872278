//! What helps whoever typed a command line that cannot be understood.

use clap::Command;

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
