//! The words of `pgstow fetch`.

use super::shared::{OpenWords, SelectWords, StoreWords, TableWords};
use clap::Args;
use std::path::PathBuf;

/// `pgstow fetch`.
#[derive(Debug, Args)]
pub struct FetchWords {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub select: SelectWords,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub tables: TableWords,
    /// Where to put it; "-o -" is stdout
    #[arg(short, long, value_name = "FILE", env = "PGSTOW_OUTPUT", required_unless_present = "list_file")]
    pub output: Option<PathBuf>,
    /// As what: the archive that pg_restore reads, its SQL, or the rows of one table as comma-separated
    /// values or as COPY writes them
    #[arg(long, value_name = "FORMAT", default_value = "archive", value_parser = ["archive", "sql", "csv", "copy"], env = "PGSTOW_FORMAT")]
    pub format: String,
    /// Also write a list of the entries, to be edited and given to pg_restore --use-list
    #[arg(long, value_name = "FILE", env = "PGSTOW_LIST_FILE")]
    pub list_file: Option<PathBuf>,
    /// Folder with pg_restore, for --format sql [default: the installed one that fits]
    #[arg(long, value_name = "FOLDER", env = "PGSTOW_PG_BIN")]
    pub pg_bin: Option<PathBuf>,
    /// Bring back the server's roles and memberships instead, as SQL
    #[arg(long, env = "PGSTOW_GLOBALS")]
    pub globals: bool,
    /// Replace files that exist
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
