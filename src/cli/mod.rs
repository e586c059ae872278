//! The words a user may type. Nothing here knows what they mean: that is `settings`.
//!
//! Every flag has an environment variable; secrets have only a variable or a file, never a flag, because everybody on
//! a machine can read a process's arguments. `-h` shows what most users need, `--help` everything.

mod adopt;
mod after;
mod backup;
mod choices;
mod clone;
mod common;
mod completions;
mod config;
mod copy;
mod delete;
mod doctor;
mod early;
mod examples;
mod fetch;
mod fitting;
mod given;
mod keep;
mod keygen;
mod keys;
mod list;
mod man;
mod monitoring;
mod neon;
mod parallel;
mod parse;
mod prune;
mod receipts;
mod refused;
mod rekey;
mod report;
mod restore;
mod schedule;
mod shared;
mod show;
mod status;
mod swap;
mod values;
mod variables;
mod verify;
mod writing;

pub use adopt::AdoptWords;
pub use after::AfterWords;
pub use backup::BackupWords;
pub use choices::{Format, LockMode, MissingRoles, OnError, Proof, TargetProfile};
pub use clone::CloneWords;
pub use common::CommonWords;
pub use completions::{CompletionsWords, Shell, completions};
pub use config::{ConfigAction, ConfigWords};
pub use copy::CopyWords;
pub use delete::DeleteWords;
pub use doctor::DoctorWords;
pub use early::{early, early_all, early_flag, early_monitored, early_names};
pub use fetch::FetchWords;
pub use fitting::FittingWords;
pub use given::Untyped;
pub use keep::KeepWords;
pub use keygen::KeygenWords;
pub use keys::KeysWords;
pub use list::ListWords;
pub use man::{ManWords, pages};
pub use monitoring::{MonitoringWords, NotifyWhen};
pub use neon::NeonWords;
pub use parallel::ParallelWords;
pub use parse::{Parsed, Refusal, invalid, parse};
pub use prune::PruneWords;
pub use receipts::{ReceiptWords, ReceiptsAction, ReceiptsWords};
pub use rekey::RekeyWords;
pub use report::ReportWords;
pub use restore::RestoreWords;
pub use schedule::ScheduleWords;
pub use shared::{
    BeforeWords, IdentityWords, OpenWords, OptionalStoreWords, SelectWords, ServerWords, StoreWords,
    TableWords, TrustWords,
};
pub use show::ShowWords;
pub use status::StatusWords;
pub use swap::SwapWords;
pub use values::When;
pub use variables::{key_of, yes_or_no};
pub use verify::VerifyWords;
pub use writing::WritingWords;

use crate::error::Kind;
use crate::version;
use clap::{Arg, ArgAction, Command, CommandFactory, Parser, Subcommand};
use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::PathBuf;
use variables::{key, sane};

/// Back up PostgreSQL databases into cloud storage, encrypted, and restore them
///
/// The dump streams through compression and encryption into the store: no plaintext and no temporary file is ever
/// written to a disk. A backup becomes visible only when it is complete.
#[derive(Debug, Parser)]
#[command(name = "pgstow", version, long_version = version::long(), max_term_width = 110)]
pub struct Words {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Words that fit every verb.
    #[command(flatten)]
    pub common: CommonWords,
    /// The keys (see [`key`]) that the command line or a variable gives, and not the settings file. A variable that says
    /// no to a flag, as `false`, does not give it.
    #[arg(skip)]
    pub given: BTreeSet<String>,
    /// Those of them that the command line gives.
    #[arg(skip)]
    pub typed: BTreeSet<String>,
    /// The keys of flags that a variable says no to.
    #[arg(skip)]
    pub denied: BTreeSet<String>,
    /// What is in effect, and was not typed.
    #[arg(skip)]
    pub untyped: Vec<Untyped>,
    /// Every value in effect, as it was written.
    #[arg(skip)]
    pub values: Vec<String>,
    /// The variables of the verb's flags that are blank, and whose flags are not typed.
    #[arg(skip)]
    pub blank: BTreeSet<String>,
    /// A flag that is typed with a blank value.
    #[arg(skip)]
    pub empty: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Back up a database, or the output of a command
    Backup(Box<BackupWords>),
    /// Make a backup of an existing dump file
    Adopt(Box<AdoptWords>),
    /// List the backups in the store
    #[command(visible_alias = "ls")]
    List(ListWords),
    /// Show what is known about a backup: sizes, tables, changes
    Show(ShowWords),
    /// Check that the newest backup of each name is there, and not too old
    Status(StatusWords),
    /// Write a page about the backups in the store, for people to read
    Report(Box<ReportWords>),
    /// List who can read which backups, and what an identity opens
    Keys(KeysWords),
    /// Check backups by reading them, or by restoring them for a trial
    Verify(Box<VerifyWords>),
    /// Write a backup, or some of its tables, to a file
    #[command(override_usage = "pgstow fetch [OPTIONS] <ID> --output <FILE>\n       \
                                pgstow fetch [OPTIONS] <ID> --list-file <FILE>")]
    Fetch(Box<FetchWords>),
    /// Restore a backup, or some of its tables, into a new database
    #[command(override_usage = "pgstow restore [OPTIONS] <ID> --to <URL>\n       \
                                pgstow restore [OPTIONS] <ID> --to <URL> --swap\n       \
                                pgstow restore [OPTIONS] <ID> --table <PATTERN> --into <URL>\n       \
                                pgstow restore [OPTIONS] <ID> --neon <PROJECT>\n       \
                                pgstow restore [OPTIONS] <ID> -- <COMMAND>...")]
    Restore(Box<RestoreWords>),
    /// Copy a database into a new one, on the same server or another
    Clone(CloneWords),
    /// Replace a database by another one, and keep both; or undo that
    #[command(override_usage = "pgstow swap [OPTIONS] --to <URL> --with <DATABASE>\n       \
                                pgstow swap [OPTIONS] --to <URL> --back")]
    Swap(SwapWords),
    /// Copy backups into another store, as they are
    Copy(CopyWords),
    /// Remove old backups by rule, and what killed runs left
    Prune(Box<PruneWords>),
    /// Remove backups by their ids
    Delete(DeleteWords),
    /// Run another command whenever it is due, as cron does
    Schedule(ScheduleWords),
    /// Encrypt existing backups to new recipients, and remove the old ones
    #[command(override_usage = "pgstow rekey [OPTIONS] <ID> --recipient <RECIPIENT>\n       \
                                pgstow rekey [OPTIONS] --all --recipient <RECIPIENT>")]
    Rekey(Box<RekeyWords>),
    /// Check everything that a backup and a restore need: server, rights, store, keys
    Doctor(Box<DoctorWords>),
    /// Create a key pair, for decryption or for signatures
    Keygen(KeygenWords),
    /// Check a receipt of a trial restore
    Receipts(ReceiptsWords),
    /// Print the settings in effect, and their origin
    Config(ConfigWords),
    /// Print a script by which a shell completes words
    Completions(CompletionsWords),
    /// Print the man page, or write all of them into a folder
    Man(ManWords),
    /// Print the version
    Version,
}

impl Verb {
    /// The word itself.
    pub fn name(&self) -> &'static str {
        match self {
            Verb::Backup(_) => "backup",
            Verb::Adopt(_) => "adopt",
            Verb::List(_) => "list",
            Verb::Show(_) => "show",
            Verb::Status(_) => "status",
            Verb::Report(_) => "report",
            Verb::Keys(_) => "keys",
            Verb::Verify(_) => "verify",
            Verb::Fetch(_) => "fetch",
            Verb::Restore(_) => "restore",
            Verb::Clone(_) => "clone",
            Verb::Swap(_) => "swap",
            Verb::Copy(_) => "copy",
            Verb::Prune(_) => "prune",
            Verb::Delete(_) => "delete",
            Verb::Schedule(_) => "schedule",
            Verb::Rekey(_) => "rekey",
            Verb::Doctor(_) => "doctor",
            Verb::Keygen(_) => "keygen",
            Verb::Receipts(_) => "receipts",
            Verb::Config(_) => "config",
            Verb::Completions(_) => "completions",
            Verb::Man(_) => "man",
            Verb::Version => "version",
        }
    }

    /// The one backup that it is about, if it is about one: its id as it was typed, and the name.
    pub fn one_backup(&mut self) -> Option<(&str, &mut Option<String>)> {
        let (id, name) = match self {
            Verb::Show(ShowWords { select, .. }) => (Some(&select.id), &mut select.name),
            Verb::Fetch(words) => (Some(&words.select.id), &mut words.select.name),
            Verb::Restore(words) => (Some(&words.select.id), &mut words.select.name),
            Verb::Verify(words) => (words.id.as_ref(), &mut words.name),
            Verb::Copy(words) => (words.id.as_ref(), &mut words.name),
            Verb::Rekey(words) => (words.id.as_ref(), &mut words.name),
            _ => return None,
        };
        Some((id?, name))
    }

    /// Who hears how it went, if it is something that runs on a schedule.
    pub fn monitoring(&self) -> Option<&MonitoringWords> {
        match self {
            Verb::Backup(words) => Some(&words.monitoring),
            Verb::Adopt(words) => Some(&words.monitoring),
            Verb::Verify(words) => Some(&words.monitoring),
            Verb::Restore(words) => Some(&words.monitoring),
            Verb::Clone(words) => Some(&words.monitoring),
            Verb::Status(words) => Some(&words.monitoring),
            Verb::Copy(words) => Some(&words.monitoring),
            Verb::Prune(words) => Some(&words.monitoring),
            _ => None,
        }
    }
}

/// A setting: its key, its variable, and what it is if nobody says anything.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its key in the settings file.
    pub key: String,
    /// Its variable.
    pub variable: String,
    /// Its default.
    pub default: Vec<String>,
}

/// Every setting, by key.
pub fn known() -> Vec<Known> {
    let command = command();
    let of_verbs = command.get_subcommands().flat_map(Command::get_arguments);
    let one = |arg: &Arg| {
        let (key, variable) = (key(arg)?, arg.get_env()?.to_str()?.to_owned());
        let text = |value: &OsStr| value.to_string_lossy().into_owned();
        let default = arg.get_default_values().iter().map(|value| text(value)).collect();
        Some((key.clone(), Known { key, variable, default }))
    };
    let all: BTreeMap<String, Known> = command.get_arguments().chain(of_verbs).filter_map(one).collect();
    all.into_values().collect()
}

/// By which letters and variables the flag of this name can be given too.
pub fn other_ways(flag: &str) -> Vec<(Option<char>, String)> {
    refused::other_ways(&command(), flag)
}

/// Whether a verb takes only one value of this key.
pub fn takes_one(verb: &str, key_of_file: &str) -> bool {
    let command = command();
    let of_verb = command.find_subcommand(verb).into_iter().flat_map(Command::get_arguments);
    let mut args = command.get_arguments().chain(of_verb);
    let arg = args.find(|arg| key(arg).as_deref() == Some(key_of_file));
    arg.is_some_and(|arg| !matches!(arg.get_action(), ArgAction::Append))
}

/// Whether there is a verb that takes several values of this key.
pub fn may_be_several(key_of_file: &str) -> bool {
    let command = command();
    let mut args = command.get_arguments().chain(command.get_subcommands().flat_map(Command::get_arguments));
    args.any(|arg| key(arg).as_deref() == Some(key_of_file) && matches!(arg.get_action(), ArgAction::Append))
}

/// Every key a settings file may have.
pub fn keys() -> BTreeSet<String> {
    let command = command();
    let of_verbs = command.get_subcommands().flat_map(Command::get_arguments);
    command.get_arguments().chain(of_verbs).filter_map(key).collect()
}

/// The keys whose values are paths.
pub fn path_keys() -> BTreeSet<String> {
    let command = command();
    let is_path = |arg: &&Arg| arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
    command.get_subcommands().flat_map(Command::get_arguments).filter(is_path).filter_map(key).collect()
}

/// The whole command line, as clap knows it.
pub fn command() -> Command {
    let codes: Vec<String> = std::iter::once((0, "done"))
        .chain(Kind::ALL.iter().map(|kind| (kind.exit_code(), kind.meaning())))
        .map(|(code, meaning)| format!("{code:>5}  {meaning}"))
        .collect();
    let codes = format!("Exit codes:\n{}", codes.join("\n"));
    let page = |command: Command, verb: Option<&str>| {
        let examples = examples::text(verb);
        let all = verb.map_or_else(String::new, |verb| format!(" {verb}"));
        command
            .mut_args(sane)
            .after_help(format!("{examples}\nAll options and exit codes: pgstow{all} --help"))
            .after_long_help(format!("{examples}\n{codes}"))
    };
    let verb = |command: Command| {
        let name = command.get_name().to_owned();
        // What prune is about is only a supplement to a backup.
        let is_extra = |arg: &Arg| name == "backup" && arg.get_help_heading() == Some(keep::HEADING);
        let command = command.mut_args(|arg| if is_extra(&arg) { arg.hide_short_help(true) } else { arg });
        let command = if name == "copy" { command.mut_arg("store", copy::source) } else { command };
        page(command, Some(&name))
    };
    page(Words::command(), None).mut_subcommands(verb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn os(args: &[&str]) -> Vec<OsString> {
        args.iter().map(OsString::from).collect()
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    /// To clap a variable is as good as a flag: which of two counts, and what needs which, is decided in `settings`.
    #[test]
    fn no_flag_excludes_another_one_here() {
        let mut command = command();
        command.build();
        for verb in command.get_subcommands() {
            for flag in verb.get_arguments() {
                let conflicts = verb.get_arg_conflicts_with(flag);
                assert!(conflicts.is_empty(), "{} {} {conflicts:?}", verb.get_name(), flag.get_id());
            }
        }
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
            parse(os(&["pgstow", "backup", "--store", "file:///typed"]), &defaults, &|_| None)
        else {
            panic!("refused");
        };
        let Verb::Backup(backup) = words.verb else { panic!("another verb") };
        assert_eq!(backup.writing.store.store, ["file:///typed"]);
        assert_eq!(backup.writing.recipients, ["age1a", "age1b"]);
        assert_eq!(backup.writing.uploads, 2);
        for line in [&["pgstow", "--profile", "prod", "list"][..], &["pgstow", "list", "--profile=prod"]] {
            assert_eq!(early(&os(line), "profile").as_deref(), Some(OsStr::new("prod")));
        }
        assert_eq!(early(&os(&["pgstow", "list", "--", "--profile", "x"]), "profile"), None);
    }

    #[test]
    fn a_blank_variable_counts_as_unset_and_is_reported_unless_its_flag_is_typed() {
        let is_blank =
            |name: &OsStr| ["PGSTOW_WEBHOOK", "PGSTOW_NAME", "PGSTOW_QUIET"].iter().any(|one| name == *one);
        let blank = |name: &OsStr| is_blank(name).then(OsString::new);
        let line = ["pgstow", "backup", "--store", "file:///s", "--name", "app"];
        let Parsed::Words(words) = parse(os(&line), &|_| vec![], &blank) else { panic!("refused") };
        assert!(words.given.contains("name"));
        assert_eq!(words.blank.into_iter().collect::<Vec<_>>(), ["PGSTOW_QUIET", "PGSTOW_WEBHOOK"]);
    }
}
