//! The words of `pgstow copy`.

use super::monitoring::MonitoringWords;
use super::shared::{BeforeWords, StoreWords, TrustWords};
use super::values::{duration, number};
use clap::{Arg, Args};
use std::time::Duration;

/// `pgstow copy`.
#[derive(Debug, Args)]
pub struct CopyWords {
    /// The id of the backup, the beginning of it, or "latest"
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Only backups of this name; with an id optional if the store has only one name
    #[arg(short, long, env = "PGSTOW_NAME")]
    pub name: Option<String>,
    /// Copy every backup that the target does not have
    #[arg(short, long, env = "PGSTOW_COPY_ALL")]
    pub all: bool,
    /// Copy the newest backup of each name
    #[arg(long, env = "PGSTOW_NEWEST_PER_NAME")]
    pub newest_per_name: bool,
    /// Copy backups that are at most this old, such as 31d
    #[arg(
        long,
        value_name = "AGE",
        env = "PGSTOW_COPY_NEWER_THAN",
        value_parser = duration,
        hide_short_help = true
    )]
    pub newer_than: Option<Duration>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub before: BeforeWords,
    /// Backups to copy at the same time [default: 4]
    #[arg(
        short,
        long,
        value_name = "N",
        env = "PGSTOW_JOBS",
        value_parser = number(1..=64u8)
    )]
    pub jobs: Option<u8>,
    // Its `--store` is `--from` here: see `source`.
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub store: StoreWords,
    /// The store to copy to, a URL like that of --from
    #[arg(long, value_name = "URL", env = "PGSTOW_COPY_TO", help_heading = "Store")]
    pub to: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub trust: TrustWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub monitoring: MonitoringWords,
}

/// The store that `copy` reads, which has another word there.
pub(super) fn source(arg: Arg) -> Arg {
    let help = "The store to copy from: s3://bucket/prefix, b2://bucket/prefix, gs://bucket/prefix, or file:///folder";
    arg.long("from").alias("store").short(None).help(help).long_help(help)
}
