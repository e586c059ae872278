//! The settings file: its top level, overlaid by the chosen profile.
//!
//! A file that somebody else may write is refused. `./pgstow.toml` came with the folder one happens to be in, so
//! unless it was named it may not say what makes pgstow run programs, trust strangers, write files or consent.

use super::environment::variable;
use super::secrets::secrets;
use super::{environment, permissions};
use crate::cli;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The name of the settings file.
const FILE: &str = "pgstow.toml";
/// The settings file for all users of the machine.
const OF_ALL: &str = "/etc/pgstow/pgstow.toml";

/// What `./pgstow.toml` may say only if it was named, and why.
const ONLY_IF_NAMED: &[(&str, &str)] = &[
    ("pg_bin", "says which programs are run"),
    ("password_command", "is run to get the password"),
    ("after", "is run by psql, which can run programs"),
    ("after_sql", "is run by psql, which can run programs"),
    ("check", "is run by psql, which can run programs"),
    ("neon_api", "says who gets the key to Neon's API"),
    ("prune", "removes old backups"),
    ("prune_force", "removes old backups although there are no new ones"),
    ("stale", "removes old backups although there are no new ones"),
    ("min_keep", "says how many backups are never removed"),
    ("leftovers", "removes what a run may still be writing"),
    ("allow_unencrypted", "restores backups that anybody can have written"),
    ("no_encryption", "stores backups readable by everyone who can read the store"),
    ("proof", "says how restored rows are compared"),
    ("verify_proof", "says how restored rows are compared"),
    ("no_state", "forgets which backups were seen before"),
    ("before", "restores an older backup than the newest"),
    ("verify_key", "says whose signatures are believed"),
    ("ca_file", "says who vouches for servers"),
    ("force", "replaces files without asking"),
    ("yes", "replaces databases and removes backups without asking"),
    ("delete_force", "removes the newest backup of a name"),
    ("keep_old", "drops databases that were replaced before"),
    ("into", "says which tables get rows"),
    // A restore without a target, and a trial, would send what they decrypted to a stranger's server.
    ("to", "says which server gets the rows of backups"),
    ("verify_to", "says which server gets the rows of backups"),
    ("copy_to", "says which store gets the backups"),
    ("store_optional", "says which further store gets the backups"),
    ("grant_all", "says who may read and change restored databases"),
    ("grant_read", "says who may read restored databases"),
    ("swap_with", "says which database takes another one's place"),
    ("truncate", "removes the rows of tables without asking"),
    ("create_tables", "runs statements of a backup in a database that is in use"),
    ("output", "says which file is written"),
    ("list_file", "says which file is written"),
    ("receipt", "says which file is written"),
    ("report_output", "says which file is written"),
    ("keygen_output", "says which file a secret key is written to"),
    ("keygen_paper", "says which file a secret key is written to"),
    ("scratch", "says where restored data is written"),
    ("show_password", "prints a password"),
    ("actions_details", "shows what is in the database to all readers of a job's log"),
    ("ping_url", "says who hears what pgstow prints"),
    ("webhook", "says who hears what pgstow prints"),
    ("push_gateway", "says who hears how large the database is"),
    ("metrics_file", "says which file is replaced"),
    ("listen", "opens a port of this machine"),
];

/// What is as secret as a password.
pub(super) const SECRET: [&str; 2] = ["ping_url", "webhook"];

/// What says who hears how a run went, and what it is about.
const ALARMS: [&str; 10] = [
    "ping_url",
    "webhook",
    "notify",
    "metrics_file",
    "push_gateway",
    "name",
    "all_databases",
    "dry_run",
    "verify_quick",
    "verify_restore",
];

/// The files with secrets, and the variables that can hold the secrets themselves: as everywhere, the variable comes
/// before the settings file.
const SECRETS: [(&str, &str); 4] = [
    ("neon_api_key_file", "NEON_API_KEY"),
    ("passphrase_file", "PGSTOW_PASSPHRASE"),
    ("signing_key_file", "PGSTOW_SIGNING_KEY"),
    ("sse_c_key_file", "PGSTOW_SSE_C_KEY"),
];

/// At most this number of lines is left out of a file that cannot be read as a whole.
const MOST_WRONG: usize = 20;

/// Values by key.
pub(super) type Values = BTreeMap<String, Vec<String>>;

/// The settings file in use.
#[derive(Debug)]
pub(super) struct SettingsFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub values: Values,
    /// The file that would be read if this one were not in the folder that one happens to be in.
    hidden: Option<PathBuf>,
    metadata: Metadata,
}

impl SettingsFile {
    /// Reads the file that was named, else the one here, else the one in the user's home, else the machine's; `None`
    /// if there is none.
    pub fn read(named: Option<PathBuf>, profile: Option<&str>) -> Result<Option<Self>> {
        let is_named = named.is_some();
        let Some(path) = in_use(named) else {
            return match profile {
                Some(profile) => {
                    Err(Error::settings(format!("there is no {FILE} to take the profile {profile:?} from"))
                        .hint(format!(
                            "make ./{FILE} with [profile.{profile}], or name the file with --config"
                        )))
                }
                None => Ok(None),
            };
        };
        let (text, metadata) = text(&path)?;
        let is_unnamed = !is_named && path == Path::new(FILE);
        let hidden = hidden_by(&path).filter(|_| is_unnamed);
        let mut values = parse(&path, &text, profile)
            .map_err(|error| hidden.iter().fold(error, |error, hidden| error.hint(hides(hidden))))?;
        if is_unnamed {
            refuse_unless_named(&values)?;
        }
        values.retain(|key, _| !SECRETS.iter().any(|(file, name)| file == key && variable(name).is_some()));
        Ok(Some(Self { path, values, hidden, metadata }))
    }

    /// What to warn of if it takes the place of another one, in which more may be demanded, such as signatures.
    pub fn hides(&self) -> Option<String> {
        self.hidden.as_deref().map(hides)
    }

    /// What to warn of if others can read the passwords in it.
    pub fn exposed(&self) -> Option<String> {
        let mut values = self.values.iter();
        let has_password = values.any(|(key, all)| {
            SECRET.contains(&key.as_str()) || all.iter().any(|value| !secrets(value).is_empty())
        });
        let what = "the settings file holds a password:";
        has_password.then(|| permissions::readable_by_others(&self.path, what, &self.metadata)).flatten()
    }
}

/// The settings file that is read if this one was named, or none; `None` if there is none.
fn in_use(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| {
        let usual = [Some(PathBuf::from(FILE)), in_home(), Some(PathBuf::from(OF_ALL))];
        // A folder is what a container gets if the file that it should have is missing; that is no reason to go on without.
        usual.into_iter().flatten().find(|path| path.symlink_metadata().is_ok())
    })
}

/// What is in the file; refuses one that others may write.
fn text(path: &Path) -> Result<(String, Metadata)> {
    let unreadable = |e: std::io::Error| unusable(path, "cannot be read").because(e);
    let mut file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    permissions::refuse_written_by_others(path, &metadata)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    Ok((text, metadata))
}

/// What the file in use says of alarms, although something else in it may be wrong: somebody must hear of that. Nothing
/// if others may write it; and only what it may say if it lies in the folder that one happens to be in and was not named.
pub(super) fn alarms(named: Option<PathBuf>, profile: Option<&str>) -> Values {
    let is_named = named.is_some();
    let Some(path) = in_use(named) else { return Values::new() };
    let is_trusted = is_named || path != Path::new(FILE);
    let may_say = |key: &str| is_trusted || ONLY_IF_NAMED.iter().all(|(only, _)| *only != key);
    let Ok((text, _)) = text(&path) else { return Values::new() };
    let mut table = readable(&text);
    let profiles = table.remove("profile");
    let profiles = profiles.as_ref().and_then(toml::Value::as_table);
    if let Some(profile) = profile {
        match profiles.and_then(|profiles| profiles.get(profile)).and_then(toml::Value::as_table) {
            Some(chosen) => table.extend(chosen.clone()),
            // It is mistyped, and nobody knows which backup was meant.
            None => drop(table.remove("name")),
        }
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let value = |(key, value): (String, toml::Value)| {
        let values = match value {
            toml::Value::Array(values) => values.into_iter().filter_map(scalar).collect(),
            single => vec![scalar(single)?],
        };
        let is_path = key == "metrics_file";
        let values: Vec<String> = values;
        Some((
            key,
            if is_path { values.iter().map(|value| resolved(value, folder)).collect() } else { values },
        ))
    };
    let is_heard = |(key, _): &(String, toml::Value)| ALARMS.contains(&key.as_str()) && may_say(key);
    table.into_iter().filter(is_heard).filter_map(value).collect()
}

/// The table in a text, without the lines that are wrong; what comes after a wrong name of a table is left out.
fn readable(text: &str) -> toml::Table {
    let mut lines: Vec<&str> = text.lines().collect();
    for _ in 0..MOST_WRONG {
        let text = lines.join("\n");
        let wrong = match text.parse::<toml::Table>() {
            Ok(table) => return table,
            Err(error) => error
                .span()
                .and_then(|span| text.get(..span.start))
                .map(|before| before.matches('\n').count()),
        };
        match wrong.and_then(|at| Some((at, lines.get(at)?))) {
            Some((at, line)) if line.trim_start().starts_with('[') => lines.truncate(at),
            Some((at, _)) => drop(lines.remove(at)),
            None => break,
        }
    }
    toml::Table::new()
}

fn hides(hidden: &Path) -> String {
    format!("this folder's {FILE} was read, and hides {0}: --config {0} names that one", hidden.display())
}

/// The settings file that would be read if this one were not there.
fn hidden_by(path: &Path) -> Option<PathBuf> {
    let others = [in_home(), Some(PathBuf::from(OF_ALL))].into_iter().flatten();
    others.into_iter().find(|other| other != path && other.is_file())
}

/// The settings file in the user's home.
fn in_home() -> Option<PathBuf> {
    let config = environment::path("XDG_CONFIG_HOME");
    let config = config.or_else(|| environment::path("HOME").map(|home| home.join(".config")));
    config.map(|folder| folder.join("pgstow").join(FILE))
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::settings(format!("{}: {why}", path.display()))
}

/// Refuses what the file of the working directory may not say.
fn refuse_unless_named(values: &Values) -> Result<()> {
    let Some((key, why)) = ONLY_IF_NAMED.iter().find(|(key, _)| values.contains_key(*key)) else {
        return Ok(());
    };
    Err(unusable(
        Path::new(FILE),
        format!("{key:?} {why}, so this folder's file may say it only if it is named"),
    )
    .hint(format!("if you trust the file: --config {FILE}, or PGSTOW_CONFIG={FILE}"))
    .hint("a file in ~/.config/pgstow/ may say it too"))
}

/// Reads the text: its top level, overlaid by `[profile.NAME]`.
fn parse(path: &Path, text: &str, profile: Option<&str>) -> Result<Values> {
    let unusable = |why: String| unusable(path, why);
    let mut table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
        let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        unusable(format!("line {}: {}", before.matches('\n').count() + 1, e.message()))
    })?;
    let profiles = match table.remove("profile") {
        Some(toml::Value::Table(profiles)) => profiles,
        Some(_) => return Err(unusable("profiles are written as [profile.NAME]".into())),
        None => toml::Table::new(),
    };
    let mut switched_off = false;
    if let Some(profile) = profile {
        let Some(toml::Value::Table(chosen)) = profiles.get(profile) else {
            let known = profiles.keys().cloned().collect::<Vec<_>>().join(", ");
            let error = unusable(format!("there is no [profile.{profile}]"));
            return Err(error.hint(match known.is_empty() {
                true => "it has no profile".to_owned(),
                false => format!("it has: {known}"),
            }));
        };
        // The key of the file is for others; without one, an empty list is a key that was forgotten.
        let is_none = |key: &toml::Value| key.as_array().is_some_and(Vec::is_empty);
        switched_off = table.contains_key("verify_key") && chosen.get("verify_key").is_some_and(is_none);
        table.extend(chosen.clone());
    }
    let (keys, paths) = (cli::keys(), cli::path_keys());
    let folder = path.parent().unwrap_or(Path::new(""));
    let value = |(key, value): (String, toml::Value)| {
        if !keys.contains(&key) {
            let hint = match key.as_str() {
                "profiles" => "a profile is a section of its own: [profile.NAME]".to_owned(),
                _ => near(&key, &keys),
            };
            return Err(unusable(format!("{key:?} is not a setting")).hint(hint));
        }
        let values = match value {
            toml::Value::Array(values) => values.into_iter().map(scalar).collect(),
            single => scalar(single).map(|text| vec![text]),
        };
        let mut values: Vec<String> = values.ok_or_else(|| {
            unusable(format!("{key:?} must be a text, a number, true or false, or a list of such"))
        })?;
        if key == "verify_key" && values.is_empty() && !switched_off {
            return Err(unusable(format!("{key:?} names no key"))
                .hint("leave it out if signatures are not to be checked"));
        }
        if paths.contains(&key) {
            values.iter_mut().for_each(|value| *value = resolved(value, folder));
        } else if key == "verify_key" {
            // It is a key, or the name of a file with one.
            values.iter_mut().for_each(|value| {
                let file = resolved(value, folder);
                if Path::new(&file).is_file() {
                    *value = file;
                }
            });
        }
        Ok((key, values))
    };
    table.into_iter().map(value).collect()
}

/// A path of the settings file: relative to the file, or to the user's home. `-` is stdout.
fn resolved(value: &str, folder: &Path) -> String {
    let in_home = value.strip_prefix("~/").and_then(|rest| Some(environment::path("HOME")?.join(rest)));
    let path = match in_home {
        Some(path) => path,
        None if value == "-" => return value.to_owned(),
        None => folder.join(value),
    };
    path.to_string_lossy().into_owned()
}

/// What may have been meant by a key that is none.
fn near(key: &str, keys: &BTreeSet<String>) -> String {
    let likeness = |known: &&String| (strsim::jaro_winkler(key, known) * 1000.0).round() as u32;
    match keys.iter().max_by_key(likeness).filter(|known| likeness(known) > 800) {
        Some(known) => format!("did you mean {known:?}?"),
        None => format!("settings are: {}", keys.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
    }
}

fn scalar(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_that_names_them() {
        let values = |text: &str| parse(Path::new("/etc/pgstow/pgstow.toml"), text, None).unwrap();
        let one = |key: &str, value: &str| values(&format!("{key} = {value:?}"))[key].concat();
        assert_eq!(one("identity_file", "key.txt"), "/etc/pgstow/key.txt");
        assert_eq!(one("identity_file", "/run/key.txt"), "/run/key.txt");
        assert_eq!(one("output", "-"), "-");
        assert_eq!(one("name", "key.txt"), "key.txt");
        assert_eq!(one("verify_key", "RWabc"), "RWabc", "no such file is a key itself");
        let home = std::env::var("HOME").unwrap();
        assert_eq!(one("signing_key_file", "~/sign.key"), format!("{home}/sign.key"));
        let off = "[profile.test]\nverify_key = []\n";
        for (text, profile) in [("verify_key = []", None), (off, Some("test"))] {
            let none = parse(Path::new("f"), text, profile).unwrap_err();
            assert_eq!(none.message(), "f: \"verify_key\" names no key");
        }
        let off = parse(Path::new("f"), &format!("verify_key = \"RWabc\"\n{off}"), Some("test")).unwrap();
        assert_eq!(off["verify_key"], [""; 0]);
        let here = parse(Path::new("pgstow.toml"), "scratch = \"x\"", None).unwrap();
        assert_eq!(here["scratch"], ["x"]);
    }

    #[test]
    fn what_a_folders_file_may_not_say_is_documented() {
        let page = include_str!("../../docs/settings.md");
        let missing = |key: &&str| !page.contains(&format!("`{key}`"));
        let keys = ONLY_IF_NAMED.iter().map(|(key, _)| *key);
        assert_eq!(keys.filter(missing).collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn what_is_no_toml_is_reported_with_its_line() {
        let error = parse(Path::new("f"), "name = \"app\"\n\n[profile.prod]\nno_acl = \n", None).unwrap_err();
        assert!(error.message().starts_with("f: line 4: "), "{error}");
    }

    #[test]
    fn alarms_are_read_from_a_file_that_has_mistakes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("my.toml");
        let read = |text: &str, profile: Option<&str>| {
            std::fs::write(&file, text).unwrap();
            let values = alarms(Some(file.clone()), profile);
            let one = |key| values.get(key).map(|values| values.join(" "));
            (one("ping_url"), one("webhook"))
        };
        let said = |ping: &str, hooks: &str| (Some(ping.to_owned()), Some(hooks.to_owned()));
        let all = "uplods = 2\nno_acl = \nping_url = \"p\"\n= x\nwebhook = [\"a\", \"b\"]\n[profile.prod]\n";
        assert_eq!(read(all, None), said("p", "a b"));
        assert_eq!(read(&format!("{all}ping_url = \"q\"\nname =\n"), Some("prod")), said("q", "a b"));
        assert_eq!(read(all, Some("prdo")), said("p", "a b"), "the profile is mistyped");
        // What comes after a table without a name is nobody's.
        assert_eq!(read("ping_url = \"p\"\n[profile.\nping_url = \"q\"\n", None), (Some("p".into()), None));
        assert_eq!(read("\"", None), (None, None));
    }

    #[test]
    fn the_nearest_key_is_named() {
        let hint = |text: &str| parse(Path::new("f"), text, None).unwrap_err().hints()[0].clone();
        assert_eq!(hint("recipent = 1"), "did you mean \"recipients\"?");
        assert_eq!(hint("identity-file = 1"), "did you mean \"identity_file\"?");
        assert!(hint("zzz = 1").starts_with("settings are: "), "{}", hint("zzz = 1"));
    }
}
