//! The words for what is done in a restored database before anybody sees it.

use clap::Args;
use std::path::PathBuf;

/// What is done when all data is there and proven.
#[derive(Debug, Args)]
pub struct AfterWords {
    /// Run this SQL file in the restored database, in one transaction, before others may connect: to mask a
    /// copy, say. Where it fails, the restore does; repeatable, in the variable one a line
    #[arg(
        long,
        value_name = "FILE",
        env = "PGSTOW_AFTER",
        value_delimiter = '\n',
        help_heading = "Afterwards"
    )]
    pub after: Vec<PathBuf>,
    /// Run this SQL too, behind the files; repeatable
    #[arg(long, value_name = "SQL", env = "PGSTOW_AFTER_SQL", help_heading = "Afterwards")]
    pub after_sql: Vec<String>,
    /// Let this role do everything with all that is there, and with what its owners will add; repeatable, in
    /// the variable one a line
    #[arg(
        long,
        value_name = "ROLE",
        env = "PGSTOW_GRANT_ALL",
        value_delimiter = '\n',
        help_heading = "Afterwards"
    )]
    pub grant_all: Vec<String>,
    /// Let this role read all that is there, and what its owners will add; repeatable, in the variable one a
    /// line
    #[arg(
        long,
        value_name = "ROLE",
        env = "PGSTOW_GRANT_READ",
        value_delimiter = '\n',
        help_heading = "Afterwards"
    )]
    pub grant_read: Vec<String>,
}
