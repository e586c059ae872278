//! The words of `pgstow prune`.

use super::keep::KeepWords;
use super::monitoring::MonitoringWords;
use super::shared::{OptionalStoreWords, StoreWords, TrustWords};
use clap::Args;

/// `pgstow prune`.
#[derive(Debug, Args)]
pub struct PruneWords {
    /// Only backups of this name; repeatable
    ///
    /// * and ? match any characters. In the variable, one per line. [default: every name, each by itself]
    #[arg(short, long = "name", value_name = "PATTERN", env = "PGSTOW_NAME")]
    pub names: Vec<String>,
    /// Remove nothing: show every backup, and which rule keeps it
    #[arg(long, env = "PGSTOW_DRY_RUN")]
    pub dry_run: bool,
    /// Remove backups even if the newest one is older than --stale
    #[arg(long, env = "PGSTOW_PRUNE_FORCE", hide_short_help = true)]
    pub force: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub keep: KeepWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub optional: OptionalStoreWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub trust: TrustWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub monitoring: MonitoringWords,
}
