//! What the words mean: words, environment and `pgstow.toml` become typed, checked settings.
//!
//! Nothing after this file reads a flag or the environment. A flag beats a variable, a variable
//! beats the settings file, the file beats the default.

use crate::cli::{
    self, BackupWords, FetchWords, KeygenWords, ListWords, OpenWords, Parsed, RestoreWords, SelectWords,
    ServerWords, ShowWords, StoreWords, TrustWords, VerifyWords,
};
use crate::error::{Error, Result};
use crate::names::Name;
use crate::pipeline::keys::{Ask, ExposeSecret, Identities, Recipients, SecretString};
use crate::postgres::{ConnInfo, DumpOptions, RestoreOptions, clients::Search};
use crate::signing::{SigningKey, VerifyKey};
use crate::store::{Credentials, OpenOptions, StoreUrl};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The name of the settings file.
const FILE: &str = "pgstow.toml";

/// More processors than this do not help one dump, which a single COPY feeds; they only cost memory.
const MOST_WORKERS: usize = 4;

/// A variable of the environment, unless it is unset, empty or not text.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Parses the command line, with the settings file's values as defaults.
pub fn words(args: Vec<OsString>) -> Result<Parsed> {
    let file = cli::early(&args, "config").or_else(|| variable("PGSTOW_CONFIG")).map(PathBuf::from);
    let profile = cli::early(&args, "profile").or_else(|| variable("PGSTOW_PROFILE"));
    let values = file_values(file, profile.as_deref())?;
    let blank = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    Ok(cli::parse(args, &|key| values.get(key).cloned().unwrap_or_default(), &blank))
}

/// Reads the settings file: its top level, overlaid by `[profile.NAME]`.
fn file_values(file: Option<PathBuf>, profile: Option<&str>) -> Result<BTreeMap<String, Vec<String>>> {
    let usual = || {
        let config = variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let config = config.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config")));
        let there = config.map(|folder| folder.join("pgstow").join(FILE));
        [Some(PathBuf::from(FILE)), there].into_iter().flatten().find(|path| path.is_file())
    };
    let Some(path) = file.or_else(usual) else {
        return match profile {
            Some(profile) => {
                Err(Error::settings(format!("there is no {FILE} to take the profile {profile:?} from"))
                    .hint(format!("make ./{FILE} with [profile.{profile}], or name the file with --config")))
            }
            None => Ok(BTreeMap::new()),
        };
    };
    let unusable = |why: String| Error::settings(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|e| unusable("cannot be read".into()).because(e))?;
    let mut table: toml::Table =
        text.parse().map_err(|e: toml::de::Error| unusable(e.message().to_owned()))?;
    let profiles = match table.remove("profile") {
        Some(toml::Value::Table(profiles)) => profiles,
        Some(_) => return Err(unusable("profiles are written as [profile.NAME]".into())),
        None => toml::Table::new(),
    };
    if let Some(profile) = profile {
        let Some(toml::Value::Table(chosen)) = profiles.get(profile) else {
            let known = profiles.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(unusable(format!("there is no [profile.{profile}]")).hint(format!("it has: {known}")));
        };
        table.extend(chosen.clone());
    }
    let keys = cli::keys();
    let value = |(key, value): (String, toml::Value)| {
        if !keys.contains(&key) {
            let known = keys.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(unusable(format!("{key:?} is not a setting")).hint(format!("settings are: {known}")));
        }
        let values = match value {
            toml::Value::Array(values) => values.into_iter().map(scalar).collect(),
            single => scalar(single).map(|text| vec![text]),
        };
        values.map(|values| (key.clone(), values)).ok_or_else(|| {
            unusable(format!("{key:?} must be a text, a number, true or false, or a list of such"))
        })
    };
    table.into_iter().map(value).collect()
}

fn scalar(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// An opened way to a store: its URL and how to talk to it.
#[derive(Debug)]
pub struct StoreSettings {
    /// Where backups lie.
    pub url: StoreUrl,
    /// How to talk to it.
    pub options: OpenOptions,
}

impl StoreSettings {
    fn read(words: &StoreWords) -> Result<Self> {
        let Some(text) = &words.store else {
            return Err(Error::usage("no store was given").hint(
                "say where backups lie with --store or PGSTOW_STORE: file:///folder, s3://bucket/prefix, b2://bucket/prefix?region=…",
            ));
        };
        let url: StoreUrl = text.parse()?;
        let options = OpenOptions {
            request_timeout: words.timeout,
            credentials: b2_credentials(text),
            endpoint: variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL")),
            ..OpenOptions::default()
        };
        Ok(Self { url, options })
    }
}

/// Backblaze's own variables, for `b2://` where Amazon's are not set.
fn b2_credentials(url: &str) -> Option<Credentials> {
    if !url.starts_with("b2://") || variable("AWS_ACCESS_KEY_ID").is_some() {
        return None;
    }
    Some(Credentials {
        access_key_id: variable("B2_APPLICATION_KEY_ID")?,
        secret_access_key: variable("B2_APPLICATION_KEY")?,
        session_token: None,
    })
}

/// Which backup.
#[derive(Debug)]
pub struct Select {
    /// The id, the beginning of one, or "latest".
    pub id: String,
    /// The name, where one was given.
    pub name: Option<Name>,
}

impl Select {
    fn read(words: SelectWords) -> Result<Self> {
        Ok(Self { id: words.id, name: name(words.name.as_deref())? })
    }
}

fn name(text: Option<&str>) -> Result<Option<Name>> {
    text.map(str::parse).transpose()
}

/// How a backup is encrypted.
#[derive(Debug)]
pub enum Encryption {
    /// To these recipients.
    To(Arc<Recipients>),
    /// Not at all, because the user asked for it by name.
    None,
}

/// `pgstow backup`.
#[derive(Debug)]
pub struct Backup {
    /// The database.
    pub connection: ConnInfo,
    /// Under what to keep it; the database's name otherwise.
    pub name: Option<Name>,
    /// Notes for the manifest.
    pub labels: BTreeMap<String, String>,
    /// Where to.
    pub store: StoreSettings,
    /// For whom.
    pub encryption: Encryption,
    /// Who vouches for it.
    pub signing: Option<SigningKey>,
    /// What to dump, and how.
    pub dump: DumpOptions,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
    /// zstd's level.
    pub compression_level: i32,
    /// The size of a part in bytes, where the user chose it.
    pub part_size: Option<u64>,
    /// Frames compressed at the same time.
    pub workers: usize,
    /// Parts on their way at the same time.
    pub uploads: usize,
    /// How many of a hundred rows may be gone since the last backup before it is said.
    pub warn_shrink: u8,
    /// How many of a hundred may be gone before the backup fails.
    pub fail_shrink: Option<u8>,
    /// Whether free space is looked at first.
    pub check_space: bool,
    /// Whether a connection pooler is fine.
    pub allow_pooled: bool,
}

impl Backup {
    /// Checks the words of `pgstow backup`.
    pub fn read(words: BackupWords) -> Result<Self> {
        let (connection, clients) = server(words.url.as_deref().unwrap_or_default(), &words.server)?;
        let label = |text: &String| match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
            _ => Err(Error::usage(format!("--label {text:?} is not KEY=VALUE"))),
        };
        Ok(Self {
            connection,
            name: name(words.name.as_deref())?,
            labels: words.labels.iter().map(label).collect::<Result<_>>()?,
            store: StoreSettings::read(&words.store)?,
            encryption: encryption(&words)?,
            signing: signing_key(words.signing_key_file.as_deref())?,
            dump: DumpOptions {
                tables: words.tables,
                exclude_tables: words.exclude_tables,
                exclude_table_data: words.exclude_table_data,
                schemas: words.schemas,
                exclude_schemas: words.exclude_schemas,
                extra: words.pg_dump_args,
                lock_wait_timeout: words.lock_wait_timeout,
            },
            clients,
            compression_level: words.compression_level,
            part_size: words.part_size,
            workers: std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS),
            uploads: words.uploads.into(),
            warn_shrink: words.warn_shrink,
            fail_shrink: words.fail_shrink,
            check_space: !words.no_space_check,
            allow_pooled: words.server.allow_pooled,
        })
    }
}

/// The connection and the search for programs; refuses poolers unless asked not to.
fn server(url: &str, words: &ServerWords) -> Result<(ConnInfo, Search)> {
    let connection = ConnInfo::parse(url, variable)?;
    if !words.allow_pooled {
        connection.refuse_pooler()?;
    }
    let search = Search { only: words.pg_bin.clone(), extra: Vec::new(), path: std::env::var_os("PATH") };
    Ok((connection, search))
}

fn encryption(words: &BackupWords) -> Result<Encryption> {
    let typed = words.recipients.iter().flat_map(|list| list.split([',', '\n'])).map(str::trim);
    let recipients: Vec<&str> = typed.filter(|recipient| !recipient.is_empty()).collect();
    let passphrase = match (&words.passphrase_file, words.passphrase) {
        (Some(file), _) => Some(secret_file(file, "the passphrase file")?),
        (None, true) => Some(ask_new_passphrase()?),
        (None, false) => variable("PGSTOW_PASSPHRASE").map(SecretString::from),
    };
    let asked_for = !recipients.is_empty() || !words.recipients_file.is_empty() || passphrase.is_some();
    match (words.no_encryption, asked_for) {
        (true, true) => return Err(Error::usage("--no-encryption and recipients contradict each other")),
        (true, false) => return Ok(Encryption::None),
        (false, false) => {
            return Err(Error::usage("no recipient was given, so nobody could read the backup").hint(
                "make a key with `pgstow keygen -o key.txt`, keep key.txt safe and away from here, and give the age1… it \
                 prints with --recipient; --no-encryption stores the backup readable for everyone who can read the store",
            ));
        }
        (false, true) => {}
    }
    let mut keys = Recipients::parse(recipients)?;
    for file in &words.recipients_file {
        keys.add_file(file)?;
    }
    if let Some(passphrase) = passphrase {
        keys.add_passphrase(passphrase)?;
    }
    keys.check()?;
    Ok(Encryption::To(Arc::new(keys)))
}

fn signing_key(file: Option<&Path>) -> Result<Option<SigningKey>> {
    let text = match file {
        Some(file) => Some(secret_file(file, "the signing key")?),
        None => variable("PGSTOW_SIGNING_KEY").map(SecretString::from),
    };
    text.map(|text| SigningKey::parse(text.expose_secret(), variable("PGSTOW_SIGNING_PASSWORD"))).transpose()
}

fn verify_key(words: &TrustWords) -> Result<Option<VerifyKey>> {
    let Some(text) = &words.verify_key else { return Ok(None) };
    let path = Path::new(text);
    let text = if path.is_file() { secret_file(path, "the verification key")? } else { text.as_str().into() };
    VerifyKey::parse(text.expose_secret()).map(Some)
}

/// Reads a small file whole; the newline that ends it is not part of what it holds.
fn secret_file(path: &Path, what: &str) -> Result<SecretString> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::settings(format!("{what} {} cannot be read", path.display())).because(e))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).into())
}

fn ask_new_passphrase() -> Result<SecretString> {
    let nobody = || {
        Error::settings("there is no terminal to ask for a passphrase on")
            .hint("give it in PGSTOW_PASSPHRASE or with --passphrase-file")
    };
    let first = ask("Passphrase for the backup").ok_or_else(nobody)?;
    let second = ask("The same again").ok_or_else(nobody)?;
    if first.expose_secret() != second.expose_secret() {
        return Err(Error::settings("the two passphrases differ"));
    }
    Ok(first)
}

/// Asks on the terminal, which need not be stdin; `None` where there is none.
fn ask(for_what: &str) -> Option<SecretString> {
    rpassword::prompt_password(format!("{for_what}: ")).ok().map(SecretString::from)
}

/// `pgstow list`.
#[derive(Debug)]
pub struct List {
    /// Only this name.
    pub name: Option<Name>,
    /// Where.
    pub store: StoreSettings,
    /// Whose manifests to believe.
    pub trusted: Option<VerifyKey>,
}

impl List {
    /// Checks the words of `pgstow list`.
    pub fn read(words: &ListWords) -> Result<Self> {
        Ok(Self {
            name: name(words.name.as_deref())?,
            store: StoreSettings::read(&words.store)?,
            trusted: verify_key(&words.trust)?,
        })
    }
}

/// `pgstow show`.
#[derive(Debug)]
pub struct Show {
    /// Which backup.
    pub source: Source,
    /// Whether its tables are listed.
    pub tables: bool,
    /// The id of another backup to compare it with.
    pub diff: Option<String>,
}

impl Show {
    /// Checks the words of `pgstow show`.
    pub fn read(words: ShowWords) -> Result<Self> {
        // The manifest is public: nobody is asked for a passphrase to see it.
        let reading = if words.tables || words.diff.is_some() {
            Reading::read(&words.store, &words.open)?
        } else {
            Reading::without_keys(&words.store, &words.open.trust)?
        };
        let source = Source { select: Select::read(words.select)?, reading };
        Ok(Self { source, tables: words.tables, diff: words.diff })
    }
}

/// `pgstow verify`.
#[derive(Debug)]
pub struct Verify {
    /// Which backups.
    pub which: Which,
    /// Of this name only.
    pub name: Option<Name>,
    /// Where, and the keys.
    pub reading: Reading,
    /// Whether the dumps stay unread.
    pub quick: bool,
}

/// Which backups, one or many.
#[derive(Debug)]
pub enum Which {
    /// This one.
    One(String),
    /// All that fit.
    Many {
        /// Only the newest of each name.
        newest_per_name: bool,
        /// Only those begun so long ago.
        older_than: Option<Duration>,
    },
}

impl Verify {
    /// Checks the words of `pgstow verify`.
    pub fn read(words: VerifyWords) -> Result<Self> {
        let many = words.all || words.newest_per_name || words.older_than.is_some();
        let which = match (words.id, many) {
            (Some(id), false) => Which::One(id),
            (None, true) => {
                Which::Many { newest_per_name: words.newest_per_name, older_than: words.older_than }
            }
            (Some(_), true) => return Err(Error::usage("an id and a choice of many contradict each other")),
            (None, false) => {
                return Err(Error::usage("nothing was named to be verified")
                    .hint("give an id, \"latest\", --all, --newest-per-name or --older-than 10d"));
            }
        };
        let reading = if words.quick {
            Reading::without_keys(&words.store, &words.open.trust)?
        } else {
            Reading::read(&words.store, &words.open)?
        };
        Ok(Self { which, name: name(words.name.as_deref())?, reading, quick: words.quick })
    }
}

/// A backup to be read: which, and how to read it.
#[derive(Debug)]
pub struct Source {
    /// Which backup.
    pub select: Select,
    /// Where, and the keys.
    pub reading: Reading,
}

impl Source {
    fn read(select: SelectWords, store: &StoreWords, open: &OpenWords) -> Result<Self> {
        Ok(Self { select: Select::read(select)?, reading: Reading::read(store, open)? })
    }
}

/// How to read backups: where, whose, and the keys to them.
#[derive(Debug)]
pub struct Reading {
    /// Where.
    pub store: StoreSettings,
    /// The keys.
    pub identities: Identities,
    /// Asks for the passphrase of a backup that wants one.
    pub ask: fn(&str) -> Option<SecretString>,
    /// Whose manifests to believe.
    pub trusted: Option<VerifyKey>,
}

impl Reading {
    fn read(store: &StoreWords, open: &OpenWords) -> Result<Self> {
        Ok(Self { identities: identities(open)?, ask, ..Self::without_keys(store, &open.trust)? })
    }

    /// For those who look only at what is public.
    fn without_keys(store: &StoreWords, trust: &TrustWords) -> Result<Self> {
        Ok(Self {
            store: StoreSettings::read(store)?,
            identities: Identities::default(),
            ask: |_| None,
            trusted: verify_key(trust)?,
        })
    }
}

fn identities(open: &OpenWords) -> Result<Identities> {
    let passphrase = match &open.passphrase_file {
        Some(file) => Some(secret_file(file, "the passphrase file")?),
        None => variable("PGSTOW_PASSPHRASE").map(SecretString::from),
    };
    // The passphrase that was given opens protected identities too; only without one is anybody asked.
    let given = passphrase.clone();
    let asking = Ask::new(move |what| given.clone().or_else(|| ask(what)));
    let mut identities = Identities::default();
    for file in &open.identity_file {
        identities.add_file(file, &asking)?;
    }
    if let Some(text) = variable("PGSTOW_IDENTITY").map(SecretString::from) {
        identities.add_text(&text, "PGSTOW_IDENTITY", &asking)?;
    }
    if let Some(passphrase) = passphrase {
        identities.add_passphrase(passphrase);
    }
    Ok(identities)
}

/// `pgstow fetch`.
#[derive(Debug)]
pub struct Fetch {
    /// What to fetch.
    pub source: Source,
    /// Where to put it; `None` is stdout.
    pub output: Option<PathBuf>,
    /// Whether an existing file is replaced.
    pub force: bool,
    /// Whether free space is looked at first.
    pub check_space: bool,
}

impl Fetch {
    /// Checks the words of `pgstow fetch`.
    pub fn read(words: FetchWords) -> Result<Self> {
        Ok(Self {
            source: Source::read(words.select, &words.store, &words.open)?,
            output: (words.output != Path::new("-")).then_some(words.output),
            force: words.force,
            check_space: !words.no_space_check,
        })
    }
}

/// `pgstow restore`.
#[derive(Debug)]
pub struct Restore {
    /// What to restore.
    pub source: Source,
    /// Into which database.
    pub target: ConnInfo,
    /// How `pg_restore` treats owners and grants.
    pub options: RestoreOptions,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
    /// Whether the rows of every table are counted and compared afterwards.
    pub prove: bool,
    /// Whether a database this run created survives its failure.
    pub keep_failed: bool,
}

impl Restore {
    /// Checks the words of `pgstow restore`.
    pub fn read(words: RestoreWords) -> Result<Self> {
        let (target, clients) = server(&words.to, &words.server)?;
        target.target_name()?;
        Ok(Self {
            source: Source::read(words.select, &words.store, &words.open)?,
            target,
            options: RestoreOptions {
                no_owner: words.no_owner,
                no_acl: words.no_acl,
                ..RestoreOptions::default()
            },
            clients,
            prove: words.proof == "counts",
            keep_failed: words.keep_failed,
        })
    }
}

/// `pgstow keygen`.
#[derive(Debug)]
pub struct Keygen {
    /// Where the secret goes; `None` is stdout.
    pub output: Option<PathBuf>,
    /// Whether a signing key is wanted instead of an identity.
    pub signing: bool,
}

impl Keygen {
    /// Checks the words of `pgstow keygen`.
    pub fn read(words: KeygenWords) -> Self {
        Self { output: words.output.filter(|path| path != Path::new("-")), signing: words.signing }
    }
}
