//! The words of `pgstow swap`.

use super::shared::ServerWords;
use clap::Args;

/// `pgstow swap`.
#[derive(Debug, Args)]
pub struct SwapWords {
    /// The database to replace: postgres://user@host/database
    #[arg(long, value_name = "URL", env = "PGSTOW_TO")]
    pub to: String,
    /// Undo the last swap: the database that was set aside last gets the name back
    #[arg(long, env = "PGSTOW_SWAP_BACK")]
    pub back: bool,
    /// The database that gets the name; it must exist
    #[arg(long, value_name = "DATABASE", env = "PGSTOW_SWAP_WITH")]
    pub with: Option<String>,
    /// Do not ask
    #[arg(short, long, env = "PGSTOW_YES")]
    pub yes: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub server: ServerWords,
}
