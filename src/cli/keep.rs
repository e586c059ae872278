//! The words that say which backups are kept; `prune` has them, and `backup` for its `--prune`.

use super::values::{duration, many, number, span, zone};
use clap::Args;
use jiff::Span;
use std::time::Duration;

/// The heading of these words in a help page.
pub(super) const HEADING: &str = "What to keep";

/// Which backups are kept.
#[derive(Debug, Args)]
pub struct KeepWords {
    /// Keep the newest N backups
    ///
    /// The rules are those of restic forget, and a backup is kept if any of them keeps it. N can be "unlimited".
    #[arg(long, value_name = "N", env = "PGSTOW_KEEP_LAST", value_parser = many, help_heading = HEADING)]
    pub keep_last: Option<u32>,
    /// Keep all that are less than this much older than the newest, such as 10d or 1y6mo
    ///
    /// y, mo, w, d and h; months are mo.
    #[arg(
        long,
        value_name = "SPAN",
        env = "PGSTOW_KEEP_WITHIN",
        value_parser = span,
        help_heading = HEADING
    )]
    pub keep_within: Option<Span>,
    /// Keep the last backup of each of the last N hours that have one
    #[arg(long, value_name = "N", env = "PGSTOW_KEEP_HOURLY", value_parser = many, help_heading = HEADING)]
    pub keep_hourly: Option<u32>,
    /// Keep the last backup of each of the last N days that have one
    #[arg(long, value_name = "N", env = "PGSTOW_KEEP_DAILY", value_parser = many, help_heading = HEADING)]
    pub keep_daily: Option<u32>,
    /// Keep the last backup of each of the last N weeks that have one
    #[arg(long, value_name = "N", env = "PGSTOW_KEEP_WEEKLY", value_parser = many, help_heading = HEADING)]
    pub keep_weekly: Option<u32>,
    /// Keep the last backup of each of the last N months that have one
    #[arg(long, value_name = "N", env = "PGSTOW_KEEP_MONTHLY", value_parser = many, help_heading = HEADING)]
    pub keep_monthly: Option<u32>,
    /// Keep the last backup of each of the last N years that have one
    #[arg(long, value_name = "N", env = "PGSTOW_KEEP_YEARLY", value_parser = many, help_heading = HEADING)]
    pub keep_yearly: Option<u32>,
    /// The time zone in which days, weeks, months and years begin, such as Europe/Berlin
    #[arg(
        long,
        value_name = "ZONE",
        default_value = "UTC",
        env = "PGSTOW_TIMEZONE",
        value_parser = zone,
        help_heading = HEADING,
        hide_short_help = true
    )]
    pub timezone: String,
    /// Always keep this many whole backups of each name
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        env = "PGSTOW_MIN_KEEP",
        value_parser = number(0..=u32::MAX),
        help_heading = HEADING,
        hide_short_help = true
    )]
    pub min_keep: u32,
    /// Remove nothing of a name whose newest whole backup is older than this
    #[arg(
        long,
        value_name = "AGE",
        default_value = "3d",
        env = "PGSTOW_STALE",
        value_parser = duration,
        help_heading = HEADING,
        hide_short_help = true
    )]
    pub stale: Duration,
    /// Remove what killed runs left, if nothing was written to it for this long
    ///
    /// Unfinished uploads, folders without a manifest, temporary files of a folder. Make it longer than your longest
    /// backup takes.
    #[arg(
        long,
        value_name = "AGE",
        default_value = "24h",
        env = "PGSTOW_LEFTOVERS",
        value_parser = duration,
        help_heading = HEADING,
        hide_short_help = true
    )]
    pub leftovers: Duration,
    /// Count backups as whole even if options such as --table left a part out
    #[arg(long, env = "PGSTOW_COUNT_PARTIAL", help_heading = HEADING, hide_short_help = true)]
    pub count_partial: bool,
    /// Count only backups that `verify --restore --record` has proven
    ///
    /// The rules judge the others by themselves, so that they never take the place of a proven one. With --verify-key
    /// only signed receipts are proofs.
    #[arg(long, env = "PGSTOW_VERIFIED_ONLY", help_heading = HEADING, hide_short_help = true)]
    pub verified_only: bool,
}
