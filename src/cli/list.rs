//! The words of `pgstow list`.

use super::shared::{StoreWords, TrustWords};
use clap::Args;

/// `pgstow list`.
#[derive(Debug, Args)]
pub struct ListWords {
    /// List the backups of this name only
    #[arg(value_name = "NAME")]
    pub only: Option<String>,
    /// The same
    #[arg(short, long, env = "PGSTOW_NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub trust: TrustWords,
}
