//! The command line, with the settings file's values as defaults.

use super::choose::{ABOUT_NEON, choose};
use super::environment::{self, path, refuse_no_text, variable};
use super::file::{self, SettingsFile, Values};
use super::keys;
use super::origin::{self, Origins};
use super::secrets::{hidden, secrets, without_given};
use crate::cli::{self, KeysWords, ListWords, OnError, Parsed, Refusal, RestoreWords, Verb, Words};
use crate::error::{Error, Result};
use crate::stored::format::names::Id;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What is to be said about the settings file, once somebody listens.
#[derive(Debug, Default)]
pub struct Remarks {
    in_use: Option<PathBuf>,
    warnings: Vec<String>,
    blank: BTreeSet<String>,
    origins: Origins,
    with_secrets: Vec<String>,
}

impl Remarks {
    /// The settings file in use.
    pub fn in_use(&self) -> Option<&Path> {
        self.in_use.as_deref()
    }

    /// Adds to a failure that is about words where those come from that were not typed, and hides their secrets: a
    /// connection string may have been given for a name or a file.
    pub fn explain(&self, error: Error) -> Error {
        self.origins.explain(error).reworded(|text| hidden(text, &self.with_secrets))
    }

    /// Says which settings file is in use, and warns of what is wrong with it.
    pub fn say(&self) {
        if let Some(file) = &self.in_use {
            tracing::debug!("settings are taken from {}", file.display());
        }
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
        // Files to copy set many for everybody. If something is missing, whoever needs it names the variable.
        for name in &self.blank {
            tracing::debug!("{name} is set, but empty, which is the same as unset");
        }
    }
}

/// Flags about a new database, by their keys in a settings file.
const OF_NEW_DATABASES: [(&str, &str); 10] = [
    ("proof", "--proof"),
    ("no_owner", "--no-owner"),
    ("no_acl", "--no-acl"),
    ("owner", "--owner"),
    ("roles", "--roles"),
    ("map_role", "--map-role"),
    ("skip_refresh", "--skip-refresh"),
    ("target_profile", "--target-profile"),
    ("grant_all", "--grant-all"),
    ("grant_read", "--grant-read"),
];

/// Flags that say how databases are read, by their keys in a settings file, which may have them for all backups.
const OF_DATABASES: [(&str, &str); 2] = [("readers", "--readers"), ("role_passwords", "--role-passwords")];

/// Flags about trial restores, by their keys in a settings file, which may have them for all of these.
const OF_TRIALS: [(&str, &str); 8] = [
    ("verify_proof", "--proof"),
    ("jobs", "--jobs"),
    ("scratch", "--scratch"),
    ("exclude_extensions", "--exclude-extension"),
    ("search_path", "--search-path"),
    ("pg_bin", "--pg-bin"),
    ("password_command", "--password-command"),
    ("allow_pooled", "--allow-pooled"),
];

/// Refuses flags that need another one, if neither the command line nor the settings file has that.
///
/// To clap, what is in a settings file is a default, and satisfies no `requires`.
fn check_companions(words: &Words) -> Result<()> {
    let typed = |about: &[(&str, &'static str)]| {
        about.iter().find(|(key, _)| words.typed.contains(*key)).map(|(_, flag)| *flag)
    };
    let neon = match &words.verb {
        Verb::Backup(backup) => {
            let is_stream = backup.stdin || !backup.command.is_empty();
            if let Some(flag) = typed(&OF_DATABASES).filter(|_| is_stream) {
                return Err(Error::usage(format!(
                    "{flag} and a stream contradict each other: it has no database"
                )));
            }
            &backup.neon.neon
        }
        Verb::Verify(verify) if !verify.restore => {
            return typed(&OF_TRIALS).map_or(Ok(()), |flag| {
                Err(Error::usage(format!("{flag} is for a trial restore"))
                    .hint("add --restore, or leave it out"))
            });
        }
        Verb::Restore(restore) => {
            if restore.into.is_some() && restore.tables.table.is_empty() {
                return Err(Error::usage("--into needs --table: it appends the rows of chosen tables"));
            }
            refuse_unheeded(restore, &words.given)?;
            if words.given.contains("truncate") && restore.into.is_none() {
                return Err(Error::usage("--truncate needs --into"));
            }
            if words.given.contains("create_tables") && restore.into.is_none() {
                return Err(Error::usage("--create-tables needs --into"));
            }
            if words.typed.contains("lock_wait_timeout") && restore.into.is_none() {
                return Err(Error::usage("--lock-wait-timeout needs --into"));
            }
            if words.given.contains("keep_old") && !restore.swap {
                return Err(Error::usage("--keep-old needs --swap"));
            }
            &restore.neon.neon
        }
        Verb::List(ListWords { only, name, .. }) | Verb::Keys(KeysWords { only, name, .. }) => {
            return match (only, name) {
                (Some(only), Some(name)) if only != name && words.typed.contains("name") => {
                    Err(Error::usage(format!("two names were given: {only} and {name}")))
                }
                _ => Ok(()),
            };
        }
        _ => return Ok(()),
    };
    match ABOUT_NEON.into_iter().find(|(key, _)| words.given.contains(*key)) {
        Some((_, flag)) if neon.is_none() => {
            Err(Error::usage(format!("{flag} needs a Neon project, and none was given"))
                .hint("give it with --neon (PGSTOW_NEON)"))
        }
        _ => Ok(()),
    }
}

/// Refuses what a restore into a command, or into tables that exist, would pass over.
///
/// A settings file may say how databases are made in general; but what it leaves out or masks must not arrive.
fn refuse_unheeded(restore: &RestoreWords, given: &BTreeSet<String>) -> Result<()> {
    let into_command = !restore.command.is_empty();
    let (other, gets) = match restore.into {
        _ if into_command => ("a command", "it gets the whole backup as it is"),
        Some(_) => ("--into", "it appends all rows of the tables as they are"),
        None => return Ok(()),
    };
    let in_effect = [
        ("--to", into_command && restore.to.is_some()),
        ("--into", into_command && restore.into.is_some()),
        ("--neon", restore.neon.neon.is_some()),
        ("--swap", restore.swap && given.contains("swap")),
        ("--table", into_command && !restore.tables.table.is_empty()),
        ("--search-path", into_command && restore.fitting.search_path.is_some()),
        ("--exclude-table", !restore.exclude_tables.is_empty()),
        ("--exclude-extension", !restore.exclude_extensions.is_empty()),
        ("--exclude-table-data", !restore.exclude_table_data.is_empty()),
        ("--schema-only", restore.schema_only),
        ("--after", !restore.after.after.is_empty()),
        ("--after-sql", !restore.after.after_sql.is_empty()),
        ("--on-error keep", given.contains("on_error") && restore.on_error == OnError::Keep),
    ];
    let in_effect = in_effect.into_iter().filter_map(|(flag, is_there)| is_there.then_some(flag));
    let given = OF_NEW_DATABASES.into_iter().filter_map(|(key, flag)| given.contains(key).then_some(flag));
    match in_effect.chain(given).next() {
        Some(flag) => Err(Error::usage(format!("{flag} and {other} contradict each other: {gets}"))
            .hint("leave one of them out, also in variables and in pgstow.toml")),
        None => Ok(()),
    }
}

/// The settings file that was named, and the profile in it.
fn file_and_profile(args: &[OsString]) -> (Option<PathBuf>, Option<String>) {
    let profile = cli::early(args, "profile").map(|name| name.to_string_lossy().into_owned());
    (
        cli::early(args, "config").map(PathBuf::from).or_else(|| path("PGSTOW_CONFIG")),
        profile.or_else(|| variable("PGSTOW_PROFILE")),
    )
}

/// What the settings file says of alarms, as far as it can be read.
pub(super) fn readable_alarms(args: &[OsString]) -> Values {
    let (named, profile) = file_and_profile(args);
    file::alarms(named, profile.as_deref())
}

/// Refuses a list in the settings file for what the verb takes one of: clap would take the first, and the rest would be
/// passed over in silence.
fn refuse_several(words: &mut Words, file: &SettingsFile) -> Result<()> {
    let verb = words.verb.name();
    // A name may be typed without the flag, and nobody needs one for a whole id.
    let is_named = match &words.verb {
        Verb::List(ListWords { only, .. }) | Verb::Keys(KeysWords { only, .. }) => only.is_some(),
        _ => false,
    };
    let has_several = file.values.get("name").is_some_and(|names| names.len() > 1);
    let has_id = match words.verb.one_backup() {
        Some((id, name)) if has_several && !words.given.contains("name") && id.parse::<Id>().is_ok() => {
            *name = None;
            true
        }
        _ => false,
    };
    let is_given = |key: &str| words.given.contains(key) || (key == "name" && (is_named || has_id));
    let is_wrong = |(key, values): &(&String, &Vec<String>)| {
        values.len() > 1 && !is_given(key) && cli::takes_one(verb, key)
    };
    match file.values.iter().find(is_wrong) {
        Some((key, values)) => Err(Error::settings(format!(
            "{}: {key:?} has {} values, and {verb} takes one",
            file.path.display(),
            values.len()
        ))
        .hint("give the one that is meant on the command line, or in a profile")),
        None => Ok(()),
    }
}

/// A refusal as it may be shown: with the origin of what was not typed, and without the secrets in what was given.
fn shown(refusal: &Refusal, args: &[OsString], file: Option<&SettingsFile>) -> Refusal {
    let typed = args.iter().filter_map(|arg| arg.to_str().map(str::to_owned));
    let by_variables = cli::known().into_iter().filter_map(|known| variable(&known.variable));
    let of_file = file.into_iter().flat_map(|file| file.values.values()).flatten().cloned();
    let given: Vec<String> = typed.chain(by_variables).chain(of_file).collect();
    let value = origin::value(&refusal.text);
    let shown = |text: &str| without_given(&origin::named(text, value, args, file), &given);
    Refusal { text: shown(&refusal.text), in_alarm: shown(&refusal.in_alarm) }
}

/// Parses the command line.
pub fn words(args: Vec<OsString>) -> Result<(Parsed, Remarks)> {
    refuse_no_text()?;
    let (named, profile) = file_and_profile(&args);
    let parse = |values: &Values, file: Option<&SettingsFile>| {
        let defaults = |key: &str| values.get(key).cloned().unwrap_or_default();
        match cli::parse(args.clone(), &defaults, &environment::value) {
            Parsed::Refused(refusal) => Parsed::Refused(shown(&refusal, &args, file)),
            understood => understood,
        }
    };
    let (mut parsed, mut remarks) = (parse(&Values::new(), None), Remarks::default());
    if matches!(parsed, Parsed::Help(_)) {
        return Ok((parsed, remarks));
    }
    if let Some(file) = SettingsFile::read(named, profile.as_deref())? {
        parsed = parse(&file.values, Some(&file));
        remarks.warnings.extend(file.hides().into_iter().chain(file.exposed()));
        if let Parsed::Words(words) = &parsed
            && let Some((values, warning)) = keys::only_typed_recipients(words, &file)
        {
            remarks.warnings.push(warning);
            parsed = parse(&values, Some(&file));
        }
        if let Parsed::Words(words) = &mut parsed {
            refuse_several(words, &file)?;
        }
        remarks.in_use = Some(file.path);
    }
    if let Parsed::Words(words) = &mut parsed {
        if let Some(flag) = &words.empty {
            return Err(Error::usage(format!("{flag} is empty")).hint("an unset variable looks like that"));
        }
        remarks.origins = Origins::of(&words.untyped, remarks.in_use());
        remarks.with_secrets.extend(words.values.iter().filter(|word| !secrets(word).is_empty()).cloned());
        choose(words).and_then(|()| check_companions(words)).map_err(|error| remarks.explain(error))?;
        remarks.blank = std::mem::take(&mut words.blank);
    }
    Ok((parsed, remarks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_profiles_the_last_one_counts() {
        let args = ["pgstow", "--profile", "a", "--config", "c", "list", "--profile=b", "--config", "d"];
        let (file, profile) = file_and_profile(&args.map(OsString::from));
        assert_eq!((file, profile.as_deref()), (Some(PathBuf::from("d")), Some("b")));
    }
}
