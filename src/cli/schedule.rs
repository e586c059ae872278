//! The words of `pgstow schedule`.

use super::values::{duration, zone};
use clap::Args;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

/// `pgstow schedule`.
#[derive(Debug, Args)]
pub struct ScheduleWords {
    /// The command of pgstow to run, without the word pgstow
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// When to run: minute, hour, day of the month, month, day of the week
    ///
    /// As in a crontab, with names (SUN, JAN), lists, ranges, steps, L for the last day, and @daily; with six fields the
    /// first is the second. A run at a fixed time comes once a day, also on the days when clocks change.
    #[arg(long, value_name = "EXPRESSION", env = "PGSTOW_CRON")]
    pub cron: Option<String>,
    /// Run once in every period, such as 1d or 6h
    ///
    /// Periods are counted from midnight UTC on 1970-01-01, so a restart does not move them: 1d is every midnight UTC.
    #[arg(long, value_name = "SPAN", env = "PGSTOW_EVERY", value_parser = duration)]
    pub every: Option<Duration>,
    /// Delay each run by a random span up to this one, such as 10m
    #[arg(
        long,
        value_name = "SPAN",
        default_value = "0s",
        env = "PGSTOW_JITTER",
        value_parser = duration
    )]
    pub jitter: Duration,
    /// The time zone of --cron, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC", env = "PGSTOW_TIMEZONE", value_parser = zone)]
    pub timezone: String,
    /// Make the first run at once
    #[arg(long, env = "PGSTOW_AT_START")]
    pub at_start: bool,
    /// Answer /healthz and /metrics at this address, such as 127.0.0.1:9187
    ///
    /// /healthz answers 503 if the last run failed, or if a run is overdue. Everybody who can reach the address can read
    /// both; names of backups are in the metrics.
    #[arg(long, value_name = "ADDRESS", env = "PGSTOW_LISTEN")]
    pub listen: Option<SocketAddr>,
}
