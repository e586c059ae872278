//! The words of `pgstow show`.

use super::shared::{OpenWords, SelectWords, StoreWords};
use clap::Args;

/// `pgstow show`.
#[derive(Debug, Args)]
pub struct ShowWords {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub select: SelectWords,
    /// List its tables, largest first; needs the identity
    #[arg(short, long, env = "PGSTOW_SHOW_TABLES")]
    pub tables: bool,
    /// Compare it with another, earlier backup of the same name, table by table: its id, the beginning of it,
    /// or "previous"; needs the identity
    #[arg(long, value_name = "ID", env = "PGSTOW_DIFF")]
    pub diff: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenWords,
}
