//! The words of `pgstow rekey`.

use super::shared::{IdentityWords, StoreWords, TrustWords};
use clap::Args;
use std::path::PathBuf;

/// `pgstow rekey`.
#[derive(Debug, Args)]
pub struct RekeyWords {
    /// The id of the backup, the beginning of it, or "latest"
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Only backups of this name; with an id optional if the store has only one name
    #[arg(short, long, env = "PGSTOW_NAME")]
    pub name: Option<String>,
    /// Every backup, the newest first
    #[arg(short, long, env = "PGSTOW_REKEY_ALL")]
    pub all: bool,
    /// Leave the old backups in the store, next to the new ones
    ///
    /// Their recipients can still read them.
    #[arg(long, env = "PGSTOW_REKEY_KEEP_OLD")]
    pub keep_old: bool,
    /// Change nothing: say what would be done with each backup
    #[arg(long, env = "PGSTOW_DRY_RUN")]
    pub dry_run: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub store: StoreWords,
    /// Encrypt to this public key from now on; repeatable
    ///
    /// Name everybody who will be able to read the backup: nobody else will be. In the variable, separated by commas or
    /// one per line.
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
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub identity: IdentityWords,
    /// Sign the new manifests of signed backups with the secret key in this file
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
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub trust: TrustWords,
    /// Take backups that are not encrypted, even though a key was given
    #[arg(long, env = "PGSTOW_ALLOW_UNENCRYPTED", help_heading = "Keys", hide_short_help = true)]
    pub allow_unencrypted: bool,
}
