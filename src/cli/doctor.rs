//! The words of `pgstow doctor`: those of a backup, and the keys of a restore.

use super::backup::BackupWords;
use clap::Args;
use std::path::PathBuf;

/// `pgstow doctor`.
#[derive(Debug, Args)]
pub struct DoctorWords {
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub backup: BackupWords,
    /// Try whether this identity opens the backups; repeatable
    ///
    /// The variable PGSTOW_IDENTITY can hold the key itself. Not for the machine of the backup job.
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "PGSTOW_IDENTITY_FILE",
        value_delimiter = ',',
        help_heading = "Keys"
    )]
    pub identity_file: Vec<PathBuf>,
    /// Instead of all that: try what a thief could do with this key to the store
    ///
    /// On a folder of its own, in which nothing else is; no backup is touched. What was written is removed again.
    #[arg(long, env = "PGSTOW_THIEF", help_heading = "Store")]
    pub thief: bool,
}
