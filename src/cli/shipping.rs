//! The words of whatever puts a backup into a store: where to, for whom, and how.

use super::shared::StoreWords;
use super::values::size;
use clap::Args;
use std::path::PathBuf;

/// Where a backup goes, who can read it, who vouches for it, and how it travels.
#[derive(Debug, Args)]
pub struct ShippingWords {
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

    /// zstd's level, 1 (fast) to 19 (small)
    #[arg(long, value_name = "LEVEL", default_value_t = 3, env = "PGSTOW_COMPRESSION_LEVEL", value_parser = clap::value_parser!(i32).range(1..=19), help_heading = "Upload")]
    pub compression_level: i32,
    /// Size of one part of the upload, as 16MiB [default: from the source's size]
    #[arg(long, value_name = "SIZE", env = "PGSTOW_PART_SIZE", value_parser = size, help_heading = "Upload")]
    pub part_size: Option<u64>,
    /// Parts on their way at the same time; each holds one part in memory
    #[arg(long, value_name = "N", default_value_t = 4, env = "PGSTOW_UPLOADS", value_parser = clap::value_parser!(u8).range(1..=32), help_heading = "Upload")]
    pub uploads: u8,
    /// Begin even where the store seems to have too little space
    #[arg(long, env = "PGSTOW_NO_SPACE_CHECK", help_heading = "Upload")]
    pub no_space_check: bool,
}
