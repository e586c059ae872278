//! The words for what is done in a restored database before others may connect.

use clap::Args;
use std::path::PathBuf;

/// What is done after all data was restored and compared.
#[derive(Debug, Args)]
pub struct AfterWords {
    /// Run this SQL file in the new database, before others may connect; repeatable
    ///
    /// Each file runs in one transaction, for example to mask a copy. If one fails, the restore fails. In the
    /// variable, one per line.
    #[arg(
        long,
        value_name = "FILE",
        env = "PGSTOW_AFTER",
        help_heading = "Afterwards",
        hide_short_help = true
    )]
    pub after: Vec<PathBuf>,
    /// Run this SQL, after the files; repeatable
    #[arg(
        long,
        value_name = "SQL",
        env = "PGSTOW_AFTER_SQL",
        help_heading = "Afterwards",
        hide_short_help = true
    )]
    pub after_sql: Vec<String>,
    /// Give this role all privileges on everything in the new database; repeatable
    ///
    /// Also on what the owners create later. In the variable, one per line.
    #[arg(
        long,
        value_name = "ROLE",
        env = "PGSTOW_GRANT_ALL",
        help_heading = "Afterwards",
        hide_short_help = true
    )]
    pub grant_all: Vec<String>,
    /// Let this role read everything in the new database; repeatable
    ///
    /// Also what the owners create later. In the variable, one per line.
    #[arg(
        long,
        value_name = "ROLE",
        env = "PGSTOW_GRANT_READ",
        help_heading = "Afterwards",
        hide_short_help = true
    )]
    pub grant_read: Vec<String>,
}
