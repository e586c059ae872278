//! The words of `pgstow show`.

use super::shared::{OpenWords, SelectWords, StoreWords};
use clap::Args;

/// `pgstow show`.
#[derive(Debug, Args)]
pub struct ShowWords {
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub select: SelectWords,
    /// List the tables, largest first; needs the secret key
    #[arg(short, long, env = "PGSTOW_SHOW_TABLES")]
    pub tables: bool,
    /// Compare with an earlier backup, table by table; needs the secret key
    ///
    /// The id of a backup of the same name, the beginning of it, or "previous".
    #[arg(long, value_name = "ID", env = "PGSTOW_DIFF")]
    pub diff: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub open: OpenWords,
}
