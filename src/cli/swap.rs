//! The words of `pgstow swap`.

use super::shared::ServerWords;
use clap::Args;

/// `pgstow swap`.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = false, args = ["back", "with"])]
pub struct SwapWords {
    /// The database whose name changes hands: postgres://user@host/database
    #[arg(long, value_name = "URL", env = "PGSTOW_TO")]
    pub to: String,
    /// Undo the last swap: give the name back to the database that was set aside last
    #[arg(long, env = "PGSTOW_SWAP_BACK")]
    pub back: bool,
    /// Give the name to this database, which exists already
    #[arg(long, value_name = "DATABASE", env = "PGSTOW_SWAP_WITH")]
    pub with: Option<String>,
    /// Do not ask
    #[arg(short, long, env = "PGSTOW_YES")]
    pub yes: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerWords,
}
