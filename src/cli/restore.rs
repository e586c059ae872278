//! The words of `pgstow restore`.

use super::after::AfterWords;
use super::fitting::FittingWords;
use super::shared::{OpenWords, SelectWords, ServerWords, StoreWords, TableWords};
use clap::Args;
use std::ffi::OsString;

/// `pgstow restore`.
#[derive(Debug, Args)]
pub struct RestoreWords {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub select: SelectWords,
    /// The database to make: postgres://user@host/new_database. It must not exist, or be empty
    #[arg(long, value_name = "URL", env = "PGSTOW_TO", required_unless_present = "command")]
    pub to: Option<String>,
    /// Feed the backup to this command instead; it gets the last bytes when every digest has agreed
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub tables: TableWords,
    /// Workers that fill the database side by side; 1 restores in one single transaction [default: the cores, at most 8]
    #[arg(short, long, value_name = "N", env = "PGSTOW_JOBS", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: Option<u8>,
    /// How to prove the restored database: count every table's rows, dump it again to compare the digests
    /// of its content, or not at all
    #[arg(long, value_name = "HOW", default_value = "counts", value_parser = ["counts", "digests", "none"], env = "PGSTOW_PROOF")]
    pub proof: String,
    /// All objects belong to the role that restores
    #[arg(short = 'O', long, env = "PGSTOW_NO_OWNER")]
    pub no_owner: bool,
    /// Leave out GRANT and REVOKE
    #[arg(short = 'x', long, env = "PGSTOW_NO_ACL")]
    pub no_acl: bool,
    /// Keep the database this run created when the restore fails
    #[arg(long, env = "PGSTOW_KEEP_FAILED")]
    pub keep_failed: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub fitting: FittingWords,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub after: AfterWords,
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
