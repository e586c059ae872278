//! The words of `pgstow report`.

use super::keep::KeepWords;
use super::shared::{OpenWords, StoreWords};
use clap::Args;
use std::path::PathBuf;

/// `pgstow report`.
#[derive(Debug, Args)]
pub struct ReportWords {
    /// The file to write; "-o -" is stdout
    ///
    /// With --json a document is printed instead, or as well.
    #[arg(short, long, value_name = "FILE", env = "PGSTOW_REPORT_OUTPUT")]
    pub output: Option<PathBuf>,
    /// Only backups of this name; repeatable
    ///
    /// * and ? match any characters. In the variable, one per line.
    #[arg(short, long = "name", value_name = "PATTERN", env = "PGSTOW_NAME")]
    pub names: Vec<String>,
    /// Replace an existing file
    #[arg(short, long, env = "PGSTOW_FORCE")]
    pub force: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub keep: KeepWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub open: OpenWords,
}
