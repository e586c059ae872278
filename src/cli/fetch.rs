//! The words of `pgstow fetch`.

use super::shared::{OpenWords, SelectWords, StoreWords};
use clap::Args;
use std::path::PathBuf;

/// `pgstow fetch`.
#[derive(Debug, Args)]
pub struct FetchWords {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub select: SelectWords,
    /// Where to put the archive; "-" is stdout
    #[arg(short, long, value_name = "FILE", env = "PGSTOW_OUTPUT")]
    pub output: PathBuf,
    /// Bring back the server's roles and memberships instead, as SQL
    #[arg(long, env = "PGSTOW_GLOBALS")]
    pub globals: bool,
    /// Replace the output file if it exists
    #[arg(short, long, env = "PGSTOW_FORCE")]
    pub force: bool,
    /// Begin even where the disk seems to have too little space
    #[arg(long, env = "PGSTOW_NO_SPACE_CHECK")]
    pub no_space_check: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenWords,
}
