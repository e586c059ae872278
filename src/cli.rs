//! The words a user may type. Nothing here knows what they mean: that is `settings.rs`.
//!
//! Every flag has an environment variable; secrets have only a variable or a file, never a flag,
//! because everyone on a machine can read a process's arguments.

use crate::error::Kind;
use clap::{Arg, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

/// Back up PostgreSQL databases into cloud storage, encrypted, and bring them back, proven.
///
/// The dump streams through compression and encryption into the store; no plaintext and no
/// temporary file ever touches a disk. A backup becomes visible only when it is whole.
#[derive(Debug, Parser)]
#[command(name = "pgstow", version, max_term_width = 110, disable_help_subcommand = true)]
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
    /// Ship one database into the store
    Backup(Box<BackupWords>),
    /// List the backups in the store
    #[command(visible_alias = "ls")]
    List(ListWords),
    /// Show all that is known of one backup, without fetching it
    Show(ShowWords),
    /// Read backups back and compare every byte and row with what was stored about them
    Verify(VerifyWords),
    /// Bring a backup back as a plain pg_dump archive
    Fetch(FetchWords),
    /// Restore a backup into a fresh database
    Restore(Box<RestoreWords>),
    /// Make a key pair: an age identity, or a signing key
    Keygen(KeygenWords),
}

/// Words that fit every verb.
#[derive(Debug, Args)]
pub struct CommonWords {
    /// Print one JSON document on stdout instead of text
    #[arg(long, global = true, env = "PGSTOW_JSON", help_heading = "Common")]
    pub json: bool,
    /// Print errors only
    #[arg(short, long, global = true, env = "PGSTOW_QUIET", help_heading = "Common")]
    pub quiet: bool,
    /// Say more; twice for what the cloud client says too
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "PGSTOW_VERBOSE", help_heading = "Common")]
    pub verbose: u8,
    /// The settings file [default: ./pgstow.toml, then ~/.config/pgstow/pgstow.toml]
    #[arg(long, global = true, value_name = "FILE", env = "PGSTOW_CONFIG", help_heading = "Common")]
    pub config: Option<PathBuf>,
    /// The profile of the settings file to use
    #[arg(long, global = true, value_name = "NAME", env = "PGSTOW_PROFILE", help_heading = "Common")]
    pub profile: Option<String>,
}

/// Where the store is and how patiently to talk to it.
#[derive(Debug, Args)]
pub struct StoreWords {
    /// Where backups lie: file:///folder, s3://bucket/prefix?endpoint=…&region=…, b2://bucket/prefix?region=…
    #[arg(short, long, value_name = "URL", env = "PGSTOW_STORE", help_heading = "Store")]
    pub store: Option<String>,
    /// How long one request may take, besides the time its bytes need at 128 KiB/s
    #[arg(long, value_name = "DURATION", default_value = "60s", env = "PGSTOW_TIMEOUT", value_parser = humantime::parse_duration, help_heading = "Store")]
    pub timeout: Duration,
}

/// Which backup.
#[derive(Debug, Args)]
pub struct SelectWords {
    /// The backup's id, the beginning of it, or "latest"
    #[arg(value_name = "ID")]
    pub id: String,
    /// Under what the backup is kept; may be left out where the store holds one name only
    #[arg(short, long, env = "PGSTOW_NAME")]
    pub name: Option<String>,
}

/// How to open what is encrypted, and whom to trust.
#[derive(Debug, Args)]
pub struct OpenWords {
    /// File with an age identity or an SSH private key; repeatable. PGSTOW_IDENTITY may hold the key itself
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "PGSTOW_IDENTITY_FILE",
        value_delimiter = ',',
        help_heading = "Keys"
    )]
    pub identity_file: Vec<PathBuf>,
    /// File with the passphrase of a backup or of a protected identity. PGSTOW_PASSPHRASE may hold it itself
    #[arg(long, value_name = "FILE", env = "PGSTOW_PASSPHRASE_FILE", help_heading = "Keys")]
    pub passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub trust: TrustWords,
}

/// Whose backups to believe.
#[derive(Debug, Args)]
pub struct TrustWords {
    /// Refuse backups not signed by this key: a minisign public key, or a file with one
    #[arg(long, value_name = "KEY", env = "PGSTOW_VERIFY_KEY", help_heading = "Keys")]
    pub verify_key: Option<String>,
}

/// How to reach PostgreSQL.
#[derive(Debug, Args)]
pub struct ServerWords {
    /// Folder with pg_dump, pg_restore and psql [default: the installed ones that fit the server]
    #[arg(long, value_name = "FOLDER", env = "PGSTOW_PG_BIN", help_heading = "PostgreSQL")]
    pub pg_bin: Option<PathBuf>,
    /// Go through a connection pooler all the same
    #[arg(long, env = "PGSTOW_ALLOW_POOLED", help_heading = "PostgreSQL")]
    pub allow_pooled: bool,
}

/// `pgstow backup`.
#[derive(Debug, Args)]
pub struct BackupWords {
    /// The database: postgres://user@host/database, or host=… dbname=… [default: what PG* variables say]
    #[arg(value_name = "URL", env = "DATABASE_URL")]
    pub url: Option<String>,
    /// Under what to keep it [default: the database's name]
    #[arg(short, long, env = "PGSTOW_NAME")]
    pub name: Option<String>,
    /// A note kept in the manifest, public; repeatable, in the variable one a line
    #[arg(long = "label", value_name = "KEY=VALUE", env = "PGSTOW_LABELS", value_delimiter = '\n')]
    pub labels: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub store: StoreWords,

    /// Who can read the backup: age1…, ssh-ed25519 …, a plugin's recipient; repeatable
    #[arg(
        short,
        long = "recipient",
        value_name = "RECIPIENT",
        env = "PGSTOW_RECIPIENTS",
        help_heading = "Keys"
    )]
    pub recipients: Vec<String>,
    /// File with recipients, one a line; repeatable
    #[arg(
        short = 'R',
        long,
        value_name = "FILE",
        env = "PGSTOW_RECIPIENTS_FILE",
        value_delimiter = ',',
        help_heading = "Keys"
    )]
    pub recipients_file: Vec<PathBuf>,
    /// Encrypt with a passphrase instead of recipients, and ask for it
    #[arg(short, long, env = "PGSTOW_ASK_PASSPHRASE", help_heading = "Keys")]
    pub passphrase: bool,
    /// Encrypt with the passphrase in this file. PGSTOW_PASSPHRASE may hold it itself
    #[arg(long, value_name = "FILE", env = "PGSTOW_PASSPHRASE_FILE", help_heading = "Keys")]
    pub passphrase_file: Option<PathBuf>,
    /// Store the backup readable by everyone who can read the store
    #[arg(long, env = "PGSTOW_NO_ENCRYPTION", help_heading = "Keys")]
    pub no_encryption: bool,
    /// File with the signing key. PGSTOW_SIGNING_KEY may hold the key itself
    #[arg(long, value_name = "FILE", env = "PGSTOW_SIGNING_KEY_FILE", help_heading = "Keys")]
    pub signing_key_file: Option<PathBuf>,

    /// Dump only tables that match; repeatable, in the variable one a line
    #[arg(
        short,
        long = "table",
        value_name = "PATTERN",
        env = "PGSTOW_TABLES",
        value_delimiter = '\n',
        help_heading = "What to dump"
    )]
    pub tables: Vec<String>,
    /// Leave out tables that match; repeatable, in the variable one a line
    #[arg(
        short = 'T',
        long = "exclude-table",
        value_name = "PATTERN",
        env = "PGSTOW_EXCLUDE_TABLES",
        value_delimiter = '\n',
        help_heading = "What to dump"
    )]
    pub exclude_tables: Vec<String>,
    /// Leave out the rows, not the definition, of tables that match; repeatable, in the variable one a line
    #[arg(
        long = "exclude-table-data",
        value_name = "PATTERN",
        env = "PGSTOW_EXCLUDE_TABLE_DATA",
        value_delimiter = '\n',
        help_heading = "What to dump"
    )]
    pub exclude_table_data: Vec<String>,
    /// Dump only schemas that match; repeatable, in the variable one a line
    #[arg(
        long = "schema",
        value_name = "PATTERN",
        env = "PGSTOW_SCHEMAS",
        value_delimiter = '\n',
        help_heading = "What to dump"
    )]
    pub schemas: Vec<String>,
    /// Leave out schemas that match; repeatable, in the variable one a line
    #[arg(
        short = 'N',
        long = "exclude-schema",
        value_name = "PATTERN",
        env = "PGSTOW_EXCLUDE_SCHEMAS",
        value_delimiter = '\n',
        help_heading = "What to dump"
    )]
    pub exclude_schemas: Vec<String>,
    /// A further option for pg_dump; repeatable
    #[arg(
        long = "pg-dump-arg",
        value_name = "ARG",
        env = "PGSTOW_PG_DUMP_ARGS",
        allow_hyphen_values = true,
        help_heading = "What to dump"
    )]
    pub pg_dump_args: Vec<String>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerWords,
    /// How long pg_dump may wait for a table locked by someone else
    #[arg(long, value_name = "DURATION", default_value = "5m", env = "PGSTOW_LOCK_WAIT_TIMEOUT", value_parser = humantime::parse_duration, help_heading = "PostgreSQL")]
    pub lock_wait_timeout: Duration,

    /// Warn where more than this share of the rows is gone since the last backup, where that can be read
    #[arg(long, value_name = "PERCENT", default_value = "50%", env = "PGSTOW_WARN_SHRINK", value_parser = percent, help_heading = "Compare with the last backup")]
    pub warn_shrink: u8,
    /// Fail, and store nothing, where more than this share of the rows is gone; the last backup must be readable
    #[arg(long, value_name = "PERCENT", env = "PGSTOW_FAIL_SHRINK", value_parser = percent, help_heading = "Compare with the last backup")]
    pub fail_shrink: Option<u8>,

    /// zstd's level, 1 (fast) to 19 (small)
    #[arg(long, value_name = "LEVEL", default_value_t = 3, env = "PGSTOW_COMPRESSION_LEVEL", value_parser = clap::value_parser!(i32).range(1..=19), help_heading = "Upload")]
    pub compression_level: i32,
    /// Size of one part of the upload, as 16MiB [default: from the database's size]
    #[arg(long, value_name = "SIZE", env = "PGSTOW_PART_SIZE", value_parser = size, help_heading = "Upload")]
    pub part_size: Option<u64>,
    /// Parts on their way at the same time; each holds one part in memory
    #[arg(long, value_name = "N", default_value_t = 4, env = "PGSTOW_UPLOADS", value_parser = clap::value_parser!(u8).range(1..=32), help_heading = "Upload")]
    pub uploads: u8,
    /// Begin even where the store seems to have too little space
    #[arg(long, env = "PGSTOW_NO_SPACE_CHECK", help_heading = "Upload")]
    pub no_space_check: bool,
}

/// `pgstow list`.
#[derive(Debug, Args)]
pub struct ListWords {
    /// List the backups of this name only
    #[arg(value_name = "NAME", env = "PGSTOW_NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub trust: TrustWords,
}

/// `pgstow show`.
#[derive(Debug, Args)]
pub struct ShowWords {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub select: SelectWords,
    /// List its tables, largest first; needs the identity
    #[arg(short, long, env = "PGSTOW_SHOW_TABLES")]
    pub tables: bool,
    /// Compare it with this other, earlier backup of the same name, table by table; needs the identity
    #[arg(long, value_name = "ID", env = "PGSTOW_DIFF")]
    pub diff: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenWords,
}

/// `pgstow verify`.
#[derive(Debug, Args)]
pub struct VerifyWords {
    /// The backup's id, the beginning of it, or "latest"
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Only backups of this name; with an id it may be left out where the store holds one name only
    #[arg(short, long, env = "PGSTOW_NAME")]
    pub name: Option<String>,
    /// Verify every backup
    #[arg(short, long, env = "PGSTOW_VERIFY_ALL")]
    pub all: bool,
    /// Verify the newest backup of each name
    #[arg(long, env = "PGSTOW_NEWEST_PER_NAME")]
    pub newest_per_name: bool,
    /// Verify backups begun so long ago or longer, as 10d
    #[arg(long, value_name = "AGE", env = "PGSTOW_OLDER_THAN", value_parser = humantime::parse_duration)]
    pub older_than: Option<Duration>,
    /// Do not read the dumps: check manifests, presence, sizes and the store's own checksums
    #[arg(long, env = "PGSTOW_VERIFY_QUICK")]
    pub quick: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenWords,
}

/// `pgstow fetch`.
#[derive(Debug, Args)]
pub struct FetchWords {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub select: SelectWords,
    /// Where to put the archive; "-" is stdout
    #[arg(short, long, value_name = "FILE", env = "PGSTOW_OUTPUT")]
    pub output: PathBuf,
    /// Replace the output file if it exists
    #[arg(short, long, env = "PGSTOW_FORCE")]
    pub force: bool,
    /// Begin even where the disk seems to have too little space
    #[arg(long, env = "PGSTOW_NO_SPACE_CHECK")]
    pub no_space_check: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenWords,
}

/// `pgstow restore`.
#[derive(Debug, Args)]
pub struct RestoreWords {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub select: SelectWords,
    /// The database to make: postgres://user@host/new_database. It must not exist, or be empty
    #[arg(long, value_name = "URL", env = "PGSTOW_TO")]
    pub to: String,
    /// How to prove the restored database: count every table's rows and compare, or not at all
    #[arg(long, value_name = "HOW", default_value = "counts", value_parser = ["counts", "none"], env = "PGSTOW_PROOF")]
    pub proof: String,
    /// All objects belong to the role that restores
    #[arg(short = 'O', long, env = "PGSTOW_NO_OWNER")]
    pub no_owner: bool,
    /// Leave out GRANT and REVOKE
    #[arg(short = 'x', long, env = "PGSTOW_NO_ACL")]
    pub no_acl: bool,
    /// Keep the database this run created when the restore fails
    #[arg(long, env = "PGSTOW_KEEP_FAILED")]
    pub keep_failed: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenWords,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerWords,
}

/// `pgstow keygen`.
#[derive(Debug, Args)]
pub struct KeygenWords {
    /// Where to write the secret key, readable by you only; without it, stdout
    #[arg(short, long, value_name = "FILE", env = "PGSTOW_OUTPUT")]
    pub output: Option<PathBuf>,
    /// Make a key that signs manifests (minisign's format) instead of an age identity
    #[arg(long, env = "PGSTOW_SIGNING")]
    pub signing: bool,
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

/// Reads a size: bytes, or with K, M, G, T, each 1024 times the one before (`16M`, `16MiB`).
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default().to_ascii_lowercase();
    let shift = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("{text:?} has an unknown unit; write it as 16MiB")),
    };
    let number: u64 =
        digits.trim().parse().map_err(|_| format!("{text:?} is not a size; write it as 16MiB"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text:?} is too large"))
}

/// Reads a share of a hundred: `50%`, `50`.
fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
    number.filter(|number| *number <= 100).ok_or_else(|| format!("{text:?} is not a share; write it as 50%"))
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
        assert_eq!(backup.store.store.as_deref(), Some("file:///typed"));
        assert_eq!(backup.recipients, ["age1a", "age1b"]);
        assert_eq!(backup.uploads, 2);
        for line in [&["pgstow", "--profile", "prod", "list"][..], &["pgstow", "list", "--profile=prod"]] {
            assert_eq!(early(&os(line), "profile").as_deref(), Some("prod"));
        }
        assert_eq!(early(&os(&["pgstow", "list", "--", "--profile", "x"]), "profile"), None);
    }

    #[test]
    fn shares_are_read_as_people_write_them() {
        assert_eq!((percent("50%"), percent("0"), percent("100 %")), (Ok(50), Ok(0), Ok(100)));
        for wrong in ["", "%", "-1%", "101%", "0.5"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("8k", 8192), ("16MiB", 16 << 20), ("16mb", 16 << 20), ("1T", 1 << 40)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "MiB", "-1", "1.5G", "12parsecs", "99999999999T"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
