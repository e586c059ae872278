//! What became of the backups that got new recipients.

use crate::error::Result;
use crate::failures::{Failed, Failures};
use crate::stored::format::names::{Id, Place};

/// What became of the chosen backups.
#[derive(Debug)]
pub struct Rekeyed {
    /// One for each.
    pub backups: Vec<RekeyedBackup>,
    pub(super) failures: Failures,
}

/// What became of one backup.
#[derive(Debug)]
pub struct RekeyedBackup {
    /// Which it was.
    pub place: Place,
    /// What it is called now; `None` if it was not encrypted again.
    pub new_id: Option<Id>,
    /// Bytes of all objects of the new one in the store.
    pub stored_bytes: Option<u64>,
    /// The identity that has opened the new one.
    pub opened_by: Option<String>,
    /// What became of the old one.
    pub old: Old,
    /// How many receipts of trial restores went with the old one, or would.
    pub receipts_removed: usize,
    /// Why that is not all that was asked for.
    pub failed: Option<Failed>,
}

/// What became of a backup after there was another one made from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Old {
    /// It was removed.
    Removed,
    /// It would be removed, if this were no dry run.
    WouldGo,
    /// It stays, because that was asked for, or because it could not be encrypted again.
    Kept,
    /// It stays because it is locked.
    Locked,
    /// There was nothing to do: these recipients read it, and nobody else.
    Unchanged,
}

impl RekeyedBackup {
    /// Nothing has become of it yet.
    pub(super) fn of(place: Place) -> Self {
        Self {
            place,
            new_id: None,
            stored_bytes: None,
            opened_by: None,
            old: Old::Kept,
            receipts_removed: 0,
            failed: None,
        }
    }
}

impl Rekeyed {
    /// Fails if something that was asked for was not done.
    pub fn conclude(self) -> Result<()> {
        // Those that were not tried are among them, and no failures of their own.
        let failed = self.backups.iter().filter(|one| one.failed.is_some()).count();
        self.failures
            .conclude(|_, of| format!("{failed} of {of} backups were not rekeyed, or not completely"))
    }
}
