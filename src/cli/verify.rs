//! The words of `pgstow verify`.

use super::shared::{OpenWords, StoreWords};
use clap::Args;
use std::time::Duration;

/// `pgstow verify`.
#[derive(Debug, Args)]
pub struct VerifyWords {
    /// The backup's id, the beginning of it, or "latest"
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Only backups of this name; with an id it may be left out where the store holds one name only
    #[arg(short, long, env = "PGSTOW_NAME")]
    pub name: Option<String>,
    /// Verify every backup
    #[arg(short, long, env = "PGSTOW_VERIFY_ALL")]
    pub all: bool,
    /// Verify the newest backup of each name
    #[arg(long, env = "PGSTOW_NEWEST_PER_NAME")]
    pub newest_per_name: bool,
    /// Verify backups begun so long ago or longer, as 10d
    #[arg(long, value_name = "AGE", env = "PGSTOW_OLDER_THAN", value_parser = humantime::parse_duration)]
    pub older_than: Option<Duration>,
    /// Do not read the dumps: check manifests, presence, sizes and the store's own checksums
    #[arg(long, env = "PGSTOW_VERIFY_QUICK")]
    pub quick: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenWords,
}
