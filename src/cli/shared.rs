//! Words that several verbs share.

use super::values::{When, duration, rate, when, zone};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Which store, and how long to wait for it.
#[derive(Debug, Args)]
pub struct StoreWords {
    /// The store: s3://bucket/prefix, b2://bucket/prefix, gs://bucket/prefix, or file:///folder
    ///
    /// s3://bucket/prefix?region=… is AWS; with endpoint=https://… it is any other service that speaks S3.
    /// b2://bucket/prefix?region=… is Backblaze B2, gs://bucket/prefix Google Cloud Storage. Repeatable; in the
    /// variable, separated by spaces: backups are written into all of the stores and pruned in all of them, and
    /// everything that reads uses the first one.
    #[arg(short, long, value_name = "URL", env = "PGSTOW_STORE", help_heading = "Store")]
    pub store: Vec<String>,
    /// How long one request may take, plus the time its bytes need at 128 KiB/s
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "60s",
        env = "PGSTOW_TIMEOUT",
        value_parser = duration,
        help_heading = "Store",
        hide_short_help = true
    )]
    pub timeout: Duration,
    /// How long to retry while the store fails or does not answer [default: 15m]
    ///
    /// It counts from the first failure; what cannot pass, as a wrong key or a missing bucket, is an error at once. A
    /// backup holds its snapshot of the database while it waits. For keys, list, show and status the default is 30s;
    /// doctor waits for at most 5s.
    #[arg(
        long,
        value_name = "DURATION",
        env = "PGSTOW_RETRY_FOR",
        value_parser = duration,
        help_heading = "Store",
        hide_short_help = true
    )]
    pub retry_for: Option<Duration>,
    /// Send and read at most this much in a second, such as 20MiB/s
    #[arg(
        long,
        value_name = "RATE",
        env = "PGSTOW_LIMIT_RATE",
        value_parser = rate,
        help_heading = "Store",
        hide_short_help = true
    )]
    pub limit_rate: Option<u64>,
    /// File with the key (32 bytes in base64) with which the service encrypts objects; needed to read them, too
    ///
    /// SSE-C, for s3:// and b2://. The variable PGSTOW_SSE_C_KEY can hold the key itself.
    #[arg(
        long,
        value_name = "FILE",
        env = "PGSTOW_SSE_C_KEY_FILE",
        help_heading = "Store",
        hide_short_help = true
    )]
    pub sse_c_key_file: Option<PathBuf>,
    /// Trust the certificate authorities in this file too; for s3:// and b2://
    ///
    /// In PEM. AWS_CA_BUNDLE is read as well; SSL_CERT_FILE, for every connection, replaces the machine's own.
    #[arg(long, value_name = "FILE", env = "PGSTOW_CA_FILE", help_heading = "Store", hide_short_help = true)]
    pub ca_file: Option<PathBuf>,
}

/// Stores that may fail.
#[derive(Debug, Args)]
pub struct OptionalStoreWords {
    /// A further store, which may fail: a warning, and the run succeeds all the same; repeatable
    ///
    /// In the variable, separated by spaces.
    #[arg(
        long,
        value_name = "URL",
        env = "PGSTOW_STORE_OPTIONAL",
        help_heading = "Store",
        hide_short_help = true
    )]
    pub store_optional: Vec<String>,
}

/// Which backup.
#[derive(Debug, Args)]
pub struct SelectWords {
    /// The id of the backup, the beginning of it, or "latest"
    #[arg(value_name = "ID")]
    pub id: String,
    /// Name of the backup; optional if the store has only one name
    #[arg(short, long, env = "PGSTOW_NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub before: BeforeWords,
}

/// From which moment "latest" looks back.
#[derive(Debug, Args)]
pub struct BeforeWords {
    /// With latest: the newest backup begun before this time, such as "2026-11-29 02:55", or 2h for two hours ago
    ///
    /// A day alone is its midnight. A time without an offset, such as Z or +01:00, is by the clock of --timezone; ids of
    /// backups are in UTC.
    #[arg(long, value_name = "TIME", env = "PGSTOW_BEFORE", value_parser = when)]
    pub before: Option<When>,
    /// The time zone of --before, such as Europe/Berlin [default: this machine's]
    #[arg(long, value_name = "ZONE", env = "PGSTOW_TIMEZONE", value_parser = zone, hide_short_help = true)]
    pub timezone: Option<String>,
}

/// Which tables of a backup.
#[derive(Debug, Args)]
pub struct TableWords {
    /// Only tables that match, with all that belongs to them; repeatable
    ///
    /// Patterns as for pg_dump: app.orders, app.*, "Mixed Case". Without a schema it matches in every schema.
    #[arg(short, long, value_name = "PATTERN", env = "PGSTOW_TABLE")]
    pub table: Vec<String>,
}

/// How to decrypt.
#[derive(Debug, Args)]
pub struct IdentityWords {
    /// Decrypt with the secret key in this file; repeatable
    ///
    /// An age identity or an SSH private key. The variable PGSTOW_IDENTITY can hold the key itself.
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "PGSTOW_IDENTITY_FILE",
        value_delimiter = ',',
        help_heading = "Keys"
    )]
    pub identity_file: Vec<PathBuf>,
    /// File with the passphrase of the backup or of a protected identity
    ///
    /// The variable PGSTOW_PASSPHRASE can hold the passphrase itself.
    #[arg(
        long,
        value_name = "FILE",
        env = "PGSTOW_PASSPHRASE_FILE",
        help_heading = "Keys",
        hide_short_help = true
    )]
    pub passphrase_file: Option<PathBuf>,
}

/// How to decrypt, and whose signature to accept.
#[derive(Debug, Args)]
pub struct OpenWords {
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub identity: IdentityWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub trust: TrustWords,
    /// With --verify-key: fail if a newer backup than the newest signed one is not signed, or was made when one that was
    /// seen before was gone, instead of warning
    #[arg(long, env = "PGSTOW_STRICT", help_heading = "Keys")]
    pub strict: bool,
    /// Read a backup that is not encrypted even though a key was given
    #[arg(long, env = "PGSTOW_ALLOW_UNENCRYPTED", help_heading = "Keys")]
    pub allow_unencrypted: bool,
}

/// Whose backups to accept.
#[derive(Debug, Clone, Args)]
pub struct TrustWords {
    /// Refuse backups that are not signed by this key; repeatable
    ///
    /// A minisign public key, or a file with some. In the variable, separated by commas or one per line. Several are
    /// for the time in which one key replaces another.
    #[arg(
        long,
        value_name = "KEY",
        env = "PGSTOW_VERIFY_KEY",
        help_heading = "Keys",
        hide_short_help = true
    )]
    pub verify_key: Vec<String>,
    /// Fail if there is no key to sign with (backup), or to check signatures with (everything that reads)
    #[arg(long, env = "PGSTOW_REQUIRE_SIGNATURE", help_heading = "Keys", hide_short_help = true)]
    pub require_signature: bool,
    /// With --verify-key: neither remember the newest backup, nor compare with the newest that was seen before
    ///
    /// It is remembered in ~/.local/state/pgstow/newest.json. If that backup is gone, "latest" is not restored, fetched,
    /// copied or verified.
    #[arg(long, env = "PGSTOW_NO_STATE", help_heading = "Keys", hide_short_help = true)]
    pub no_state: bool,
}

/// How to reach PostgreSQL.
#[derive(Debug, Args)]
pub struct ServerWords {
    /// Folder with pg_dump, pg_restore and psql
    ///
    /// [default: the installed versions that fit the server]
    #[arg(
        long,
        value_name = "FOLDER",
        env = "PGSTOW_PG_BIN",
        help_heading = "PostgreSQL",
        hide_short_help = true
    )]
    pub pg_bin: Option<PathBuf>,
    /// Ask this command for the password, again for every connection
    ///
    /// For passwords that are valid for minutes, as those of RDS IAM or Vault. /bin/sh runs it; it prints the password
    /// alone. PGHOST, PGPORT, PGUSER and PGDATABASE are set to what the URL says. A password in a URL comes first.
    #[arg(
        long,
        value_name = "COMMAND",
        env = "PGSTOW_PASSWORD_COMMAND",
        help_heading = "PostgreSQL",
        hide_short_help = true
    )]
    pub password_command: Option<String>,
    /// Connect even through a connection pooler
    #[arg(long, env = "PGSTOW_ALLOW_POOLED", help_heading = "PostgreSQL", hide_short_help = true)]
    pub allow_pooled: bool,
}
