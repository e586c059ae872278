//! The words of `pgstow clone`.

use super::after::AfterWords;
use super::fitting::FittingWords;
use super::shared::ServerWords;
use clap::Args;
use std::time::Duration;

/// `pgstow clone`.
#[derive(Debug, Args)]
pub struct CloneWords {
    /// The database to copy: postgres://user@host/database
    #[arg(value_name = "SOURCE", env = "PGSTOW_CLONE_FROM")]
    pub source: String,
    /// The database to make: a URL, or a bare name for one beside the source. It must not exist
    #[arg(value_name = "TARGET", env = "PGSTOW_TO")]
    pub target: String,
    /// How many connections make indexes and constraints [default: the cores, at most 8]; with 1 it is all
    /// one transaction
    #[arg(short = 'j', long, value_name = "COUNT", env = "PGSTOW_JOBS", value_parser = clap::value_parser!(u8).range(1..))]
    pub jobs: Option<u8>,
    /// Keep the new database when something in it differs from the source
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
    pub server: ServerWords,
    /// How long pg_dump may wait for a table locked by someone else
    #[arg(long, value_name = "DURATION", default_value = "5m", env = "PGSTOW_LOCK_WAIT_TIMEOUT", value_parser = humantime::parse_duration, help_heading = "PostgreSQL")]
    pub lock_wait_timeout: Duration,
}
