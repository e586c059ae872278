//! The words of `pgstow delete`.

use super::shared::{StoreWords, TrustWords};
use clap::Args;

/// `pgstow delete`.
#[derive(Debug, Args)]
pub struct DeleteWords {
    /// The ids of the backups, each whole
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// Only backups of this name
    #[arg(short, long, env = "PGSTOW_NAME")]
    pub name: Option<String>,
    /// Remove nothing: show what would go
    #[arg(long, env = "PGSTOW_DRY_RUN")]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long, env = "PGSTOW_YES")]
    pub yes: bool,
    /// Remove even the newest whole backup of a name
    #[arg(long, env = "PGSTOW_DELETE_FORCE")]
    pub force: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub trust: TrustWords,
}
