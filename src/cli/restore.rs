//! The words of `pgstow restore`.

use super::after::AfterWords;
use super::choices::{OnError, Proof};
use super::fitting::FittingWords;
use super::monitoring::MonitoringWords;
use super::neon::NeonWords;
use super::shared::{OpenWords, SelectWords, ServerWords, StoreWords, TableWords};
use super::values::{duration, lock_wait, number};
use clap::Args;
use std::ffi::OsString;
use std::time::Duration;

/// `pgstow restore`.
#[derive(Debug, Args)]
pub struct RestoreWords {
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub select: SelectWords,
    /// The database to create: postgres://user@host/new_database
    ///
    /// It must be new, or empty.
    #[arg(long, value_name = "URL", env = "PGSTOW_TO")]
    pub to: Option<String>,
    /// Append the rows of --table to the tables of this database, which exist
    ///
    /// One transaction: all rows, or none. It is refused if a table does not exist there, or lacks a column. Only rows
    /// are restored: sequences stay as they are, and triggers of the tables fire.
    #[arg(long, value_name = "URL", env = "PGSTOW_INTO", hide_short_help = true)]
    pub into: Option<String>,
    /// With --into, remove all rows of the tables first, in the same transaction
    #[arg(long, env = "PGSTOW_TRUNCATE", hide_short_help = true)]
    pub truncate: bool,
    /// With --into, create the tables, which must not be there: with their rows and all that belongs to them
    ///
    /// Their indexes, constraints, triggers and rights, and the foreign keys of other tables that refer to them. Their
    /// definitions are statements of the backup, and run with the rights of the role that connects.
    #[arg(long, env = "PGSTOW_CREATE_TABLES", hide_short_help = true)]
    pub create_tables: bool,
    /// With --into, how long to wait for a lock on a table or a row; 0s is no limit
    ///
    /// With --truncate, readers of the table wait meanwhile, too. Nothing is changed if the time is over.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "30s",
        env = "PGSTOW_LOCK_WAIT_TIMEOUT",
        value_parser = lock_wait,
        help_heading = "PostgreSQL",
        hide_short_help = true
    )]
    pub lock_wait_timeout: Duration,
    /// Write the backup to the stdin of this command instead
    ///
    /// It gets the last bytes only after every checksum was verified.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub tables: TableWords,
    /// Leave out tables that match, and what needs them; repeatable
    ///
    /// In the variable, one per line.
    #[arg(
        short = 'T',
        long = "exclude-table",
        value_name = "PATTERN",
        env = "PGSTOW_RESTORE_EXCLUDE_TABLES",
        hide_short_help = true
    )]
    pub exclude_tables: Vec<String>,
    /// Leave out the rows of tables that match, but not their definitions; repeatable
    ///
    /// In the variable, one per line.
    #[arg(
        long = "exclude-table-data",
        value_name = "PATTERN",
        env = "PGSTOW_RESTORE_EXCLUDE_TABLE_DATA",
        hide_short_help = true
    )]
    pub exclude_table_data: Vec<String>,
    /// Leave out this extension, and what needs it; repeatable
    ///
    /// In the variable, one per line.
    #[arg(
        long = "exclude-extension",
        value_name = "NAME",
        env = "PGSTOW_EXCLUDE_EXTENSIONS",
        hide_short_help = true
    )]
    pub exclude_extensions: Vec<String>,
    /// Restore definitions only: no rows, no large objects, no values of sequences
    #[arg(long, env = "PGSTOW_SCHEMA_ONLY", hide_short_help = true)]
    pub schema_only: bool,
    /// What to do if something cannot be restored
    #[arg(long, value_name = "HOW", default_value = "drop", env = "PGSTOW_ON_ERROR", hide_short_help = true)]
    pub on_error: OnError,
    /// After a swap, drop all but the newest N databases that swaps kept
    #[arg(long, value_name = "N", env = "PGSTOW_KEEP_OLD", value_parser = number(0..=usize::MAX), hide_short_help = true)]
    pub keep_old: Option<usize>,
    /// Replace the database in --to, and keep the old one under another name
    ///
    /// pgstow restores into a new database and compares it; then it renames both databases in one transaction.
    #[arg(long, env = "PGSTOW_SWAP")]
    pub swap: bool,
    /// Do not ask before a swap, or before --truncate empties a table that has no rows in the backup
    #[arg(short, long, env = "PGSTOW_YES", hide_short_help = true)]
    pub yes: bool,
    /// Number of workers that restore data at the same time
    ///
    /// With 1, everything is one transaction. [default: number of cores, at most 8]
    #[arg(
        short,
        long,
        value_name = "N",
        env = "PGSTOW_JOBS",
        value_parser = number(1..=64u8)
    )]
    pub jobs: Option<u8>,
    /// How to compare the restored database with the backup
    #[arg(long, value_name = "HOW", default_value = "counts", env = "PGSTOW_PROOF")]
    pub proof: Proof,
    /// If the restore fails, keep the database or Neon branch that it created
    #[arg(long, env = "PGSTOW_KEEP_FAILED", hide_short_help = true)]
    pub keep_failed: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub neon: NeonWords,
    /// Id or name of the parent branch [default: the project's default branch]
    #[arg(
        long,
        value_name = "BRANCH",
        env = "PGSTOW_NEON_PARENT",
        help_heading = "Neon",
        hide_short_help = true
    )]
    pub neon_parent: Option<String>,
    /// Name for the new branch [default: restore-DATABASE-TIME]
    #[arg(
        long,
        value_name = "NAME",
        env = "PGSTOW_NEON_BRANCH",
        help_heading = "Neon",
        hide_short_help = true
    )]
    pub neon_branch: Option<String>,
    /// Let Neon delete the branch after this time, such as 7d; at most 30d
    #[arg(
        long,
        value_name = "AGE",
        env = "PGSTOW_NEON_EXPIRES",
        value_parser = duration,
        help_heading = "Neon",
        hide_short_help = true
    )]
    pub neon_expires: Option<Duration>,
    /// Print the connection string with its password
    #[arg(long, env = "PGSTOW_SHOW_PASSWORD", help_heading = "Neon", hide_short_help = true)]
    pub show_password: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub fitting: FittingWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub after: AfterWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub open: OpenWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub server: ServerWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub monitoring: MonitoringWords,
}
