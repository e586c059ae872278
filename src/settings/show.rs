//! The settings of `pgstow show`.

use super::{location_to_look_at, reading, reading_without_keys, select};
use crate::cli::ShowWords;
use crate::error::Result;
use crate::stored::find::history::Caution;
use crate::stored::read::opened::{BackupSelection, ReadOptions};

/// `pgstow show`.
#[derive(Debug)]
pub struct Show {
    /// Which backup.
    pub selection: BackupSelection,
    /// Whether its tables are listed.
    pub tables: bool,
    /// The id of another backup to compare it with, or "previous".
    pub diff: Option<String>,
}

impl Show {
    /// Checks the words of `pgstow show`.
    pub fn read(words: ShowWords) -> Result<Self> {
        // The manifest is public: nobody is asked for a passphrase to see it.
        let reading = if words.tables || words.diff.is_some() {
            reading(&words.store, &words.open)?
        } else {
            reading_without_keys(&words.store, &words.open)?
        };
        // To look at a backup does no harm, whichever it is.
        let caution = if words.open.strict { Caution::Strict } else { Caution::Report };
        let reading = ReadOptions { location: location_to_look_at(&words.store)?, caution, ..reading };
        let selection = BackupSelection { select: select(words.select)?, reading };
        Ok(Self { selection, tables: words.tables, diff: words.diff })
    }
}
