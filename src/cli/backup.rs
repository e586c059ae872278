//! The words of `pgstow backup`.

use super::neon::NeonWords;
use super::shared::{ServerWords, StoreWords};
use super::values::{percent, size};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

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
    pub neon: NeonWords,
    /// Dump from a branch made for it and deleted afterwards, so that production sees no locks
    #[arg(long, env = "PGSTOW_VIA_BRANCH", requires = "neon", help_heading = "Neon")]
    pub via_branch: bool,

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
