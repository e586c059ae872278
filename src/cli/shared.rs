//! Words that several verbs have in common.

use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

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

/// Which tables of a backup.
#[derive(Debug, Args)]
pub struct TableWords {
    /// Only these tables and what they are made of; repeatable. Patterns as pg_dump has them: app.orders,
    /// app.*, "Mixed Case"; without a schema it fits in every schema
    #[arg(short, long, value_name = "PATTERN", env = "PGSTOW_TABLE", value_delimiter = '\n')]
    pub table: Vec<String>,
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
    /// With --verify-key: fail if a newer backup than the newest signed one is not signed, instead of passing over it
    #[arg(long, env = "PGSTOW_STRICT", help_heading = "Keys")]
    pub strict: bool,
    /// Read a backup that is not encrypted even though a key was given
    #[arg(long, env = "PGSTOW_ALLOW_UNENCRYPTED", help_heading = "Keys")]
    pub allow_unencrypted: bool,
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
