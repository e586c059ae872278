//! The words of `pgstow adopt`.

use super::monitoring::MonitoringWords;
use super::writing::WritingWords;
use clap::Args;
use std::path::PathBuf;
use std::time::SystemTime;

/// `pgstow adopt`.
#[derive(Debug, Args)]
pub struct AdoptWords {
    /// The dump file
    ///
    /// Made by pg_dump -Fc, or plain SQL of pg_dump or pg_dumpall; it may be compressed with gzip.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Name for the backup
    ///
    /// If the file is from pg_dumpall, the name of the database is appended: NAME/DATABASE.
    #[arg(short, long, env = "PGSTOW_NAME")]
    pub name: String,
    /// When the dump was begun, in UTC: 2026-11-20T03:00:00Z or 2026-11-20
    ///
    /// [default: when the file was last changed]
    #[arg(long, value_name = "TIME", env = "PGSTOW_STARTED_AT", value_parser = super::values::moment)]
    pub started_at: Option<SystemTime>,
    /// Fail if there is no key to sign the backup with
    #[arg(long, env = "PGSTOW_REQUIRE_SIGNATURE", help_heading = "Keys", hide_short_help = true)]
    pub require_signature: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub writing: WritingWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub monitoring: MonitoringWords,
}
