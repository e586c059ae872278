//! The words a user may type. Nothing here knows what they mean: that is `settings`.
//!
//! Every flag has an environment variable; secrets have only a variable or a file, never a flag,
//! because everyone on a machine can read a process's arguments.

mod adopt;
mod after;
mod backup;
mod clone;
mod fetch;
mod fitting;
mod keygen;
mod list;
mod neon;
mod restore;
mod shared;
mod shipping;
mod show;
mod swap;
mod values;
mod verify;

pub use adopt::AdoptWords;
pub use after::AfterWords;
pub use backup::BackupWords;
pub use clone::CloneWords;
pub use fetch::FetchWords;
pub use fitting::FittingWords;
pub use keygen::KeygenWords;
pub use list::ListWords;
pub use neon::NeonWords;
pub use restore::RestoreWords;
pub use shared::{OpenWords, SelectWords, ServerWords, StoreWords, TableWords, TrustWords};
pub use shipping::ShippingWords;
pub use show::ShowWords;
pub use swap::SwapWords;
pub use verify::VerifyWords;

use crate::error::Kind;
use clap::{Arg, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Back up PostgreSQL databases into cloud storage, encrypted, and bring them back, proven.
///
/// The dump streams through compression and encryption into the store; no plaintext and no
/// temporary file ever touches a disk. A backup becomes visible only when it is whole.
#[derive(Debug, Parser)]
#[command(name = "pgstow", version, max_term_width = 110)]
pub struct Words {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Words that fit every verb.
    #[command(flatten)]
    pub common: CommonWords,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Ship a database, or the output of a command, into the store
    Backup(Box<BackupWords>),
    /// Ship a dump that was made before: an archive of pg_dump -Fc, or plain SQL of pg_dump or pg_dumpall
    Adopt(Box<AdoptWords>),
    /// List the backups in the store
    #[command(visible_alias = "ls")]
    List(ListWords),
    /// Show all that is known of one backup, without fetching it
    Show(ShowWords),
    /// Read backups back and compare every byte and row with what was stored about them
    Verify(VerifyWords),
    /// Bring a backup, or some tables of it, back as a plain pg_dump archive, SQL or CSV
    #[command(override_usage = "pgstow fetch [OPTIONS] <ID> --output <FILE>\n       \
                                pgstow fetch [OPTIONS] <ID> --list-file <FILE>")]
    Fetch(Box<FetchWords>),
    /// Restore a backup, or some tables of it, into a fresh database
    #[command(override_usage = "pgstow restore [OPTIONS] <ID> --to <URL>\n       \
                                pgstow restore [OPTIONS] <ID> --neon <PROJECT>\n       \
                                pgstow restore [OPTIONS] <ID> -- <COMMAND>...")]
    Restore(Box<RestoreWords>),
    /// Copy a database into one made for it, on the same server or another, storing nothing
    Clone(CloneWords),
    /// Put another database in a database's place, keeping both; or undo that
    Swap(SwapWords),
    /// Make a key pair: an age identity, or a signing key
    Keygen(KeygenWords),
    /// Print the version
    Version,
}

/// Words that fit every verb.
#[derive(Debug, Args)]
pub struct CommonWords {
    /// Print one JSON document on stdout instead of text; where the run fails there may be none, and the exit
    /// code tells why
    #[arg(long, global = true, env = "PGSTOW_JSON", help_heading = "Common")]
    pub json: bool,
    /// On success print only what was asked for: a list, a dump, a key. Warnings and errors are printed all
    /// the same
    #[arg(short, long, global = true, env = "PGSTOW_QUIET", help_heading = "Common")]
    pub quiet: bool,
    /// Say more; twice for what the cloud client says too
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "PGSTOW_VERBOSE", help_heading = "Common")]
    pub verbose: u8,
    /// Leave out this warning, which is known: collation, of a database whose collations have changed their
    /// version; or standby, of a server that is one. Repeatable, in the variable separated by commas
    #[arg(long, global = true, value_name = "WARNING", env = "PGSTOW_ACCEPT", value_delimiter = ',', value_parser = ["collation", "standby"], help_heading = "Common")]
    pub accept: Vec<String>,
    /// The settings file [default: ./pgstow.toml, then ~/.config/pgstow/pgstow.toml]
    #[arg(long, global = true, value_name = "FILE", env = "PGSTOW_CONFIG", help_heading = "Common")]
    pub config: Option<PathBuf>,
    /// The profile of the settings file to use
    #[arg(long, global = true, value_name = "NAME", env = "PGSTOW_PROFILE", help_heading = "Common")]
    pub profile: Option<String>,
}

/// What parsing the command line came to.
#[derive(Debug)]
pub enum Parsed {
    /// A command to run.
    Words(Box<Words>),
    /// Text to print on stdout, and exit code 0: help or version.
    Help(String),
    /// Text to print on stderr, and exit code 2.
    Refused(String),
}

/// Parses the command line. `defaults` gives the settings file's values for a key (see [`key`]); any
/// flag or variable overrides them. A variable that is `blank` counts as unset: that is what a secret
/// nobody has set looks like in CI.
pub fn parse(
    args: Vec<OsString>,
    defaults: &dyn Fn(&str) -> Vec<String>,
    blank: &dyn Fn(&OsStr) -> bool,
) -> Parsed {
    let with_default = |arg: Arg| {
        let values = key(&arg).map(|key| defaults(&key)).unwrap_or_default();
        let arg = if arg.get_env().is_some_and(blank) { arg.env(None::<&str>) } else { arg };
        if values.is_empty() { arg } else { arg.default_values(values).required(false) }
    };
    let command = command().mut_args(with_default).mut_subcommands(|verb| verb.mut_args(with_default));
    match command.try_get_matches_from(args).and_then(|matches| Words::from_arg_matches(&matches)) {
        Ok(words) => Parsed::Words(Box::new(words)),
        Err(error) if error.use_stderr() => Parsed::Refused(error.render().to_string()),
        Err(error) => Parsed::Help(error.render().to_string()),
    }
}

/// An argument's key in the settings file: its variable in small letters, without `PGSTOW_`.
fn key(arg: &Arg) -> Option<String> {
    let variable = arg.get_env()?.to_str()?;
    let key = variable.strip_prefix("PGSTOW_").unwrap_or(variable).to_ascii_lowercase();
    // These two say where the settings file is.
    (key != "config" && key != "profile").then_some(key)
}

/// Every key a settings file may have.
pub fn keys() -> BTreeSet<String> {
    let command = command();
    let of_verbs = command.get_subcommands().flat_map(Command::get_arguments);
    command.get_arguments().chain(of_verbs).filter_map(key).collect()
}

/// The value of a flag that decides how the rest is parsed (`--config`, `--profile`), found by
/// looking through the words before clap does.
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

/// The whole command line, as clap knows it.
pub fn command() -> Command {
    let codes: Vec<String> = std::iter::once((0, "done"))
        .chain(Kind::ALL.iter().map(|kind| (kind.exit_code(), kind.meaning())))
        .map(|(code, meaning)| format!("{code:>5}  {meaning}"))
        .collect();
    // A variable set to "1" or "" means what people expect; and what a variable holds is nobody's
    // business in a help text that ends up in tickets and logs.
    let sane = |arg: Arg| match arg.get_action() {
        clap::ArgAction::SetTrue => {
            arg.value_parser(clap::builder::FalseyValueParser::new()).hide_env_values(true)
        }
        _ => arg.hide_env_values(true),
    };
    let codes = format!("Exit codes:\n{}", codes.join("\n"));
    let verb = |verb: Command| verb.mut_args(sane).after_help(codes.clone());
    Words::command().mut_args(sane).mut_subcommands(verb).after_help(codes.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(args: &[&str]) -> Vec<OsString> {
        args.iter().map(OsString::from).collect()
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_flag_has_its_variable() {
        let only_on_the_line = ["help", "version"];
        for verb in command().get_subcommands() {
            for flag in verb.get_arguments().filter(|arg| arg.get_long().is_some()) {
                let name = flag.get_long().unwrap_or_default();
                assert!(
                    flag.get_env().is_some() || only_on_the_line.contains(&name),
                    "{} --{name}",
                    verb.get_name()
                );
            }
        }
    }

    #[test]
    fn the_settings_file_gives_defaults_that_flags_override() {
        let defaults = |flag: &str| match flag {
            "store" => vec!["file:///from-file".to_owned()],
            "recipients" => vec!["age1a".to_owned(), "age1b".to_owned()],
            "uploads" => vec!["2".to_owned()],
            _ => vec![],
        };
        let Parsed::Words(words) =
            parse(os(&["pgstow", "backup", "--store", "file:///typed"]), &defaults, &|_| false)
        else {
            panic!("refused");
        };
        let Verb::Backup(backup) = words.verb else { panic!("another verb") };
        assert_eq!(backup.shipping.store.store.as_deref(), Some("file:///typed"));
        assert_eq!(backup.shipping.recipients, ["age1a", "age1b"]);
        assert_eq!(backup.shipping.uploads, 2);
        for line in [&["pgstow", "--profile", "prod", "list"][..], &["pgstow", "list", "--profile=prod"]] {
            assert_eq!(early(&os(line), "profile").as_deref(), Some("prod"));
        }
        assert_eq!(early(&os(&["pgstow", "list", "--", "--profile", "x"]), "profile"), None);
    }
}
