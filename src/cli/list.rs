//! The words of `pgstow list`.

use super::shared::{StoreWords, TrustWords};
use super::values::duration;
use clap::Args;
use std::time::Duration;

/// `pgstow list`.
#[derive(Debug, Args)]
pub struct ListWords {
    /// List only the backups of this name
    #[arg(value_name = "NAME")]
    pub only: Option<String>,
    /// The same as a flag
    #[arg(short, long, env = "PGSTOW_NAME", hide_short_help = true)]
    pub name: Option<String>,
    /// List only backups that are at most this old, such as 7d
    #[arg(long, value_name = "AGE", env = "PGSTOW_LIST_NEWER_THAN", value_parser = duration)]
    pub newer_than: Option<Duration>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub trust: TrustWords,
}
