//! The words of `pgstow keys`.

use super::shared::{IdentityWords, StoreWords, TrustWords};
use clap::Args;

/// `pgstow keys`.
#[derive(Debug, Args)]
pub struct KeysWords {
    /// Only the backups of this name
    #[arg(value_name = "NAME")]
    pub only: Option<String>,
    /// The same as a flag
    #[arg(short, long, env = "PGSTOW_NAME", hide_short_help = true)]
    pub name: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub identity: IdentityWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub trust: TrustWords,
}
