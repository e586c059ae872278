//! The words of `pgstow adopt`.

use super::shipping::ShippingWords;
use clap::Args;
use std::path::PathBuf;
use std::time::SystemTime;

/// `pgstow adopt`.
#[derive(Debug, Args)]
pub struct AdoptWords {
    /// The dump: made by pg_dump -Fc, or plain SQL of pg_dump or pg_dumpall; may be compressed by gzip
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Under what to keep it; where a pg_dumpall holds several databases, their names are put behind it
    #[arg(short, long, env = "PGSTOW_NAME")]
    pub name: String,
    /// When the dump was begun, as 2026-11-20T03:00:00Z or 2026-11-20, in UTC [default: when the file was last changed]
    #[arg(long, value_name = "MOMENT", env = "PGSTOW_STARTED_AT", value_parser = super::values::moment)]
    pub started_at: Option<SystemTime>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub shipping: ShippingWords,
}
