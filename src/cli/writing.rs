//! The words of verbs that write a backup: into which store, for which recipients, and how.

use super::choices::LockMode;
use super::shared::{OptionalStoreWords, StoreWords};
use super::values::{number, size, span};
use clap::Args;
use jiff::Span;
use std::path::PathBuf;

/// Into which store a backup goes, who can decrypt it, who signs it, and how it is uploaded.
#[derive(Debug, Args)]
pub struct WritingWords {
    /// A note in the manifest, which is public; repeatable
    ///
    /// In the variable, one per line.
    #[arg(long = "label", value_name = "KEY=VALUE", env = "PGSTOW_LABELS", hide_short_help = true)]
    pub labels: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub optional: OptionalStoreWords,

    /// Encrypt to this public key; repeatable
    ///
    /// age1… of pgstow keygen or age-keygen, ssh-ed25519 …, ssh-rsa …, or the recipient of an age plugin. In the
    /// variable, separated by commas or spaces, or one per line.
    #[arg(
        short,
        long = "recipient",
        value_name = "RECIPIENT",
        env = "PGSTOW_RECIPIENTS",
        help_heading = "Keys"
    )]
    pub recipients: Vec<String>,
    /// File with recipients, one per line; repeatable
    #[arg(
        short = 'R',
        long,
        value_name = "FILE",
        env = "PGSTOW_RECIPIENTS_FILE",
        value_delimiter = ',',
        help_heading = "Keys",
        hide_short_help = true
    )]
    pub recipients_file: Vec<PathBuf>,
    /// Encrypt with a passphrase instead, and ask for it
    #[arg(short, long, env = "PGSTOW_ASK_PASSPHRASE", help_heading = "Keys", hide_short_help = true)]
    pub passphrase: bool,
    /// Encrypt with the passphrase in this file instead
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
    /// Do not encrypt: everybody who can read the store can read the backup
    #[arg(long, env = "PGSTOW_NO_ENCRYPTION", help_heading = "Keys", hide_short_help = true)]
    pub no_encryption: bool,
    /// Whether a passphrase that was not typed says nothing, because recipients were.
    #[arg(skip)]
    pub only_recipients: bool,
    /// Sign the manifest with the secret key in this file
    ///
    /// The variable PGSTOW_SIGNING_KEY can hold the key itself.
    #[arg(
        long,
        value_name = "FILE",
        env = "PGSTOW_SIGNING_KEY_FILE",
        help_heading = "Keys",
        hide_short_help = true
    )]
    pub signing_key_file: Option<PathBuf>,

    /// zstd level, from 1 (fast) to 19 (small)
    #[arg(
        long,
        value_name = "LEVEL",
        default_value_t = 3,
        env = "PGSTOW_COMPRESSION_LEVEL",
        value_parser = number(1..=19i32),
        help_heading = "Upload",
        hide_short_help = true
    )]
    pub compression_level: i32,
    /// Size of each part of the upload, such as 16MiB
    ///
    /// [default: depends on the size of the database]
    #[arg(
        long,
        value_name = "SIZE",
        env = "PGSTOW_PART_SIZE",
        value_parser = size,
        help_heading = "Upload",
        hide_short_help = true
    )]
    pub part_size: Option<u64>,
    /// Number of parts uploaded at the same time; each is held in memory
    #[arg(
        long,
        value_name = "N",
        default_value_t = 4,
        env = "PGSTOW_UPLOADS",
        value_parser = number(1..=32u8),
        help_heading = "Upload",
        hide_short_help = true
    )]
    pub uploads: u8,
    /// Lock each object of the backup in the store for this long, such as 30d
    ///
    /// Prefer the default retention of the bucket, which a job cannot forget. For s3://, b2:// and gs://. If the store
    /// ignores it, the run fails.
    #[arg(
        long,
        value_name = "SPAN",
        env = "PGSTOW_LOCK_UNTIL",
        value_parser = span,
        help_heading = "Upload",
        hide_short_help = true
    )]
    pub lock_until: Option<Span>,
    /// With --lock-until: who may remove the lock [default: governance]
    #[arg(
        long,
        value_name = "MODE",
        env = "PGSTOW_LOCK_MODE",
        help_heading = "Upload",
        hide_short_help = true
    )]
    pub lock_mode: Option<LockMode>,
    /// Begin even if the store seems to have too little space
    #[arg(long, env = "PGSTOW_NO_SPACE_CHECK", help_heading = "Upload", hide_short_help = true)]
    pub no_space_check: bool,
}
