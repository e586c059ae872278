//! The words of `pgstow clone`.

use super::after::AfterWords;
use super::fitting::FittingWords;
use super::monitoring::MonitoringWords;
use super::parallel::ParallelWords;
use super::shared::ServerWords;
use super::values::{lock_wait, number};
use clap::Args;
use std::time::Duration;

/// `pgstow clone`.
#[derive(Debug, Args)]
pub struct CloneWords {
    /// The database to copy: postgres://user@host/database
    #[arg(value_name = "SOURCE", env = "PGSTOW_CLONE_FROM")]
    pub source: String,
    /// The database to create: a URL, or a name on the same server
    ///
    /// It must not exist.
    #[arg(value_name = "TARGET", env = "PGSTOW_TO")]
    pub target: String,
    /// Number of connections that create indexes and constraints
    ///
    /// With 1, everything is one transaction. [default: number of cores, at most 8]
    #[arg(
        short = 'j',
        long,
        value_name = "N",
        env = "PGSTOW_JOBS",
        value_parser = number(1..=u8::MAX)
    )]
    pub jobs: Option<u8>,
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
    /// Keep the new database if it differs from the source
    #[arg(long, env = "PGSTOW_KEEP_FAILED", hide_short_help = true)]
    pub keep_failed: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub fitting: FittingWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub after: AfterWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub server: ServerWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub readers: ParallelWords,
    /// How long pg_dump may wait for a lock on a table
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5m",
        env = "PGSTOW_LOCK_WAIT_TIMEOUT",
        value_parser = lock_wait,
        help_heading = "PostgreSQL",
        hide_short_help = true
    )]
    pub lock_wait_timeout: Duration,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub monitoring: MonitoringWords,
}
