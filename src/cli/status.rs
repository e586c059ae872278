//! The words of `pgstow status`.

use super::monitoring::MonitoringWords;
use super::shared::{StoreWords, TrustWords};
use super::values::{duration, percent};
use clap::Args;
use std::time::Duration;

/// `pgstow status`.
#[derive(Debug, Args)]
pub struct StatusWords {
    /// Only backups of this name; repeatable
    ///
    /// A name that has no backup is reported as missing. * and ? match any characters. In the variable, one per line.
    #[arg(short, long = "name", value_name = "PATTERN", env = "PGSTOW_NAME")]
    pub names: Vec<String>,
    /// How old the newest whole backup of each name may be
    #[arg(
        long,
        value_name = "AGE",
        default_value = "26h",
        env = "PGSTOW_MAX_AGE",
        value_parser = duration
    )]
    pub max_age: Duration,
    /// How many percent fewer rows it may have than the largest backup of that time
    ///
    /// If it is the only one of that time, it is compared with the one before it. Bytes are compared if rows were not
    /// counted.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value = "20%",
        env = "PGSTOW_MAX_SHRINK",
        value_parser = percent
    )]
    pub max_shrink: u8,
    /// Count backups as whole even if options such as --table left a part out
    #[arg(long, env = "PGSTOW_COUNT_PARTIAL", hide_short_help = true)]
    pub count_partial: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub trust: TrustWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub monitoring: MonitoringWords,
}
