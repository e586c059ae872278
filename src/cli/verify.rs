//! The words of `pgstow verify`.

use super::choices::Proof;
use super::monitoring::MonitoringWords;
use super::receipts::ReceiptWords;
use super::shared::{BeforeWords, OpenWords, ServerWords, StoreWords};
use super::values::{duration, number};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// `pgstow verify`.
#[derive(Debug, Args)]
pub struct VerifyWords {
    /// The id of the backup, the beginning of it, or "latest"
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Only backups of this name; with an id optional if the store has only one name
    #[arg(short, long, env = "PGSTOW_NAME")]
    pub name: Option<String>,
    /// Verify every backup
    #[arg(short, long, env = "PGSTOW_VERIFY_ALL")]
    pub all: bool,
    /// Verify the newest backup of each name
    #[arg(long, env = "PGSTOW_NEWEST_PER_NAME")]
    pub newest_per_name: bool,
    /// Verify backups that are at least this old, such as 10d
    #[arg(
        long,
        value_name = "AGE",
        env = "PGSTOW_OLDER_THAN",
        value_parser = duration,
        hide_short_help = true
    )]
    pub older_than: Option<Duration>,
    /// Verify backups that are at most this old, such as 31d
    #[arg(
        long,
        value_name = "AGE",
        env = "PGSTOW_NEWER_THAN",
        value_parser = duration,
        hide_short_help = true
    )]
    pub newer_than: Option<Duration>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub before: BeforeWords,
    /// Do not read the dumps: check only manifests, presence and sizes
    ///
    /// And the checksums that the store itself has.
    #[arg(long, env = "PGSTOW_VERIFY_QUICK")]
    pub quick: bool,
    /// Restore into a temporary database, and check that everything is there
    #[arg(long, env = "PGSTOW_VERIFY_RESTORE", help_heading = "Trial restore")]
    pub restore: bool,
    /// The server for the trial: postgres://user@host
    ///
    /// The database is created there, and dropped afterwards. [default: a temporary cluster, made with the
    /// PostgreSQL server installed here]
    #[arg(long, value_name = "URL", env = "PGSTOW_VERIFY_TO", help_heading = "Trial restore")]
    pub to: Option<String>,
    /// Number of workers that restore data at the same time
    ///
    /// [default: number of cores, at most 8]
    #[arg(
        short,
        long,
        value_name = "N",
        env = "PGSTOW_JOBS",
        value_parser = number(1..=64u8),
        help_heading = "Trial restore",
        hide_short_help = true
    )]
    pub jobs: Option<u8>,
    /// A query on the restored database that must return true; repeatable
    #[arg(long = "check", value_name = "SQL", env = "PGSTOW_CHECK", help_heading = "Trial restore")]
    pub checks: Vec<String>,
    /// How to compare the restored data with the backup
    #[arg(
        long,
        value_name = "HOW",
        default_value = "counts",
        env = "PGSTOW_VERIFY_PROOF",
        help_heading = "Trial restore",
        hide_short_help = true
    )]
    pub proof: Proof,
    /// Leave out this extension, and what needs it; repeatable
    ///
    /// In the variable, one per line.
    #[arg(
        long = "exclude-extension",
        value_name = "NAME",
        env = "PGSTOW_EXCLUDE_EXTENSIONS",
        help_heading = "Trial restore",
        hide_short_help = true
    )]
    pub exclude_extensions: Vec<String>,
    /// The schemas in which functions find what they name without a schema, such as public
    ///
    /// As for a restore: indexes and constraints that call such functions cannot be restored without this.
    #[arg(
        long,
        value_name = "SCHEMAS",
        env = "PGSTOW_SEARCH_PATH",
        help_heading = "Trial restore",
        hide_short_help = true
    )]
    pub search_path: Option<String>,
    /// Folder for the temporary cluster, with space for the database
    ///
    /// [default: the folder for temporary files]
    #[arg(
        long,
        value_name = "FOLDER",
        env = "PGSTOW_SCRATCH",
        help_heading = "Trial restore",
        hide_short_help = true
    )]
    pub scratch: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub receipts: ReceiptWords,
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
