//! The words of `pgstow verify`.

use super::shared::{OpenWords, ServerWords, StoreWords};
use clap::Args;
use std::path::PathBuf;
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
    /// Restore into a throw-away database, and look whether everything is there
    #[arg(long, env = "PGSTOW_VERIFY_RESTORE", help_heading = "Trial restore")]
    pub restore: bool,
    /// On this server: postgres://user@host. The database is made, and dropped again [default: a
    /// throw-away cluster of the server programs installed here]
    #[arg(long, value_name = "URL", env = "PGSTOW_VERIFY_TO", help_heading = "Trial restore")]
    pub to: Option<String>,
    /// Workers that fill the database side by side [default: the cores, at most 8]
    #[arg(short, long, value_name = "N", env = "PGSTOW_JOBS", value_parser = clap::value_parser!(u8).range(1..=64), help_heading = "Trial restore")]
    pub jobs: Option<u8>,
    /// A query on the restored database that must give true; repeatable
    #[arg(long = "check", value_name = "SQL", env = "PGSTOW_CHECK", help_heading = "Trial restore")]
    pub checks: Vec<String>,
    /// How to prove the restored data: count every table's rows, dump it again to compare the digests of
    /// its content, or not at all
    #[arg(long, value_name = "HOW", default_value = "counts", value_parser = ["counts", "digests", "none"], env = "PGSTOW_VERIFY_PROOF", help_heading = "Trial restore")]
    pub proof: String,
    /// Folder for the throw-away cluster, with room for the database [default: the temporary folder]
    #[arg(long, value_name = "FOLDER", env = "PGSTOW_SCRATCH", help_heading = "Trial restore")]
    pub scratch: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenWords,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerWords,
}
