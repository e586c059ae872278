//! What `rekey` answers.

use super::Answer;
use crate::rekey::{Old, Rekeyed, RekeyedBackup};
use crate::stored::format::names::{Id, Name};
use serde::Serialize;

/// What became of each chosen backup.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Rekeys(Vec<One>);

#[derive(Debug, Serialize)]
struct One {
    name: Name,
    id: Id,
    /// What it is called now; `null` if it was not encrypted again.
    new_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_bytes: Option<u64>,
    /// The identity that has opened the new one; `null` if none was given that does.
    opened_by: Option<String>,
    /// What became of the old one.
    old: &'static str,
    /// How many receipts of trial restores went with it, or would.
    receipts_removed: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
}

impl Rekeys {
    /// Of what became of the backups.
    pub fn new(rekeyed: &Rekeyed) -> Self {
        Self(rekeyed.backups.iter().map(One::new).collect())
    }
}

impl One {
    fn new(backup: &RekeyedBackup) -> Self {
        let (error, exit_code) = backup.failed.clone().map(|failed| (failed.error, failed.exit_code)).unzip();
        Self {
            name: backup.place.name.clone(),
            id: backup.place.id.clone(),
            new_id: backup.new_id.clone(),
            stored_bytes: backup.stored_bytes,
            opened_by: backup.opened_by.clone(),
            old: match backup.old {
                Old::Removed => "removed",
                Old::WouldGo => "would-be-removed",
                Old::Kept => "kept",
                Old::Locked => "locked",
                Old::Unchanged => "unchanged",
            },
            receipts_removed: backup.receipts_removed,
            error,
            exit_code,
        }
    }
}

impl Answer for Rekeys {
    /// What the backups are called now.
    fn text(&self) -> String {
        let ids: Vec<&str> = self.0.iter().filter_map(|one| one.new_id.as_ref()).map(Id::as_str).collect();
        ids.join("\n")
    }
}
