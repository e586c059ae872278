//! The words of `pgstow restore`.

use super::after::AfterWords;
use super::fitting::FittingWords;
use super::neon::NeonWords;
use super::shared::{OpenWords, SelectWords, ServerWords, StoreWords, TableWords};
use clap::Args;
use std::ffi::OsString;
use std::time::Duration;

/// `pgstow restore`.
#[derive(Debug, Args)]
pub struct RestoreWords {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub select: SelectWords,
    /// The database to make: postgres://user@host/new_database. It must not exist, or be empty
    #[arg(long, value_name = "URL", env = "PGSTOW_TO", required_unless_present_any = ["command", "neon"])]
    pub to: Option<String>,
    /// Feed the backup to this command instead; it gets the last bytes when every digest has agreed
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub tables: TableWords,
    /// Leave out tables that match, and what needs them; repeatable, in the variable one a line
    #[arg(
        short = 'T',
        long = "exclude-table",
        value_name = "PATTERN",
        env = "PGSTOW_RESTORE_EXCLUDE_TABLES",
        value_delimiter = '\n'
    )]
    pub exclude_tables: Vec<String>,
    /// Leave out the rows, not the definition, of tables that match; repeatable, in the variable one a line
    #[arg(
        long = "exclude-table-data",
        value_name = "PATTERN",
        env = "PGSTOW_RESTORE_EXCLUDE_TABLE_DATA",
        value_delimiter = '\n'
    )]
    pub exclude_table_data: Vec<String>,
    /// Restore definitions only: no rows, no large objects, no values of sequences
    #[arg(long, env = "PGSTOW_SCHEMA_ONLY")]
    pub schema_only: bool,
    /// What to do if something cannot be restored: drop the database that was made, or keep all that could be
    /// restored in DATABASE_incomplete and list what could not
    #[arg(long, value_name = "HOW", default_value = "drop", value_parser = ["drop", "keep"], env = "PGSTOW_ON_ERROR", conflicts_with_all = ["swap", "neon"])]
    pub on_error: String,
    /// After a swap, drop all but the newest N of the databases that earlier swaps kept
    #[arg(long, value_name = "N", env = "PGSTOW_KEEP_OLD", requires = "swap")]
    pub keep_old: Option<usize>,
    /// Take the place of the database that --to names, which is kept under another name: restore beside
    /// it, prove it, then rename both in one transaction
    #[arg(long, env = "PGSTOW_SWAP")]
    pub swap: bool,
    /// Do not ask before a swap
    #[arg(short, long, env = "PGSTOW_YES")]
    pub yes: bool,
    /// Workers that fill the database side by side; 1 restores in one single transaction [default: the cores, at most 8]
    #[arg(short, long, value_name = "N", env = "PGSTOW_JOBS", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: Option<u8>,
    /// How to prove the restored database: count every table's rows, dump it again to compare the digests
    /// of its content, or not at all
    #[arg(long, value_name = "HOW", default_value = "counts", value_parser = ["counts", "digests", "none"], env = "PGSTOW_PROOF")]
    pub proof: String,
    /// Keep the database, or the Neon branch, this run created when the restore fails
    #[arg(long, env = "PGSTOW_KEEP_FAILED")]
    pub keep_failed: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub neon: NeonWords,
    /// Id or name of the branch to begin from [default: the project's default branch]
    #[arg(long, value_name = "BRANCH", env = "PGSTOW_NEON_PARENT", requires = "neon", help_heading = "Neon")]
    pub neon_parent: Option<String>,
    /// The new branch's name [default: restore-DATABASE-MOMENT]
    #[arg(long, value_name = "NAME", env = "PGSTOW_NEON_BRANCH", requires = "neon", help_heading = "Neon")]
    pub neon_branch: Option<String>,
    /// Neon deletes the branch by itself after so long, as 7d; at most 30d
    #[arg(long, value_name = "AGE", env = "PGSTOW_NEON_EXPIRES", value_parser = humantime::parse_duration, requires = "neon", help_heading = "Neon")]
    pub neon_expires: Option<Duration>,
    /// Print the connection with its password
    #[arg(long, env = "PGSTOW_SHOW_PASSWORD", requires = "neon", help_heading = "Neon")]
    pub show_password: bool,
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
