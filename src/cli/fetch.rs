//! The words of `pgstow fetch`.

use super::choices::Format;
use super::shared::{OpenWords, SelectWords, StoreWords, TableWords};
use clap::Args;
use std::path::PathBuf;

/// `pgstow fetch`.
#[derive(Debug, Args)]
pub struct FetchWords {
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub select: SelectWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub tables: TableWords,
    /// The file to write; "-o -" is stdout
    #[arg(short, long, value_name = "FILE", env = "PGSTOW_OUTPUT")]
    pub output: Option<PathBuf>,
    /// The format to write
    #[arg(long, value_name = "FORMAT", default_value = "archive", env = "PGSTOW_FORMAT")]
    pub format: Format,
    /// Also write a list of the entries, for pg_restore --use-list
    #[arg(long, value_name = "FILE", env = "PGSTOW_LIST_FILE", hide_short_help = true)]
    pub list_file: Option<PathBuf>,
    /// Folder with pg_restore, for --format sql
    ///
    /// [default: the installed version that fits]
    #[arg(long, value_name = "FOLDER", env = "PGSTOW_PG_BIN", hide_short_help = true)]
    pub pg_bin: Option<PathBuf>,
    /// Write the server's roles and memberships instead, as SQL
    #[arg(long, env = "PGSTOW_GLOBALS")]
    pub globals: bool,
    /// Replace existing files
    #[arg(short, long, env = "PGSTOW_FORCE")]
    pub force: bool,
    /// Begin even if the disk seems to have too little space
    #[arg(long, env = "PGSTOW_NO_SPACE_CHECK", hide_short_help = true)]
    pub no_space_check: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub open: OpenWords,
}
