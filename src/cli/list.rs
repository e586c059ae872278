//! The words of `pgstow list`.

use super::shared::{StoreWords, TrustWords};
use clap::Args;

/// `pgstow list`.
#[derive(Debug, Args)]
pub struct ListWords {
    /// List only the backups of this name
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
    pub trust: TrustWords,
}
