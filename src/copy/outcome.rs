//! What became of the backups that were to be copied.

use crate::error::Result;
use crate::failures::Failures;
use crate::stored::names::Place;
use crate::units::count;
use indicatif::BinaryBytes;
use std::time::Duration;

/// What became of all of them.
pub struct Copies {
    /// The URL of the store they are from, without secrets.
    pub from: String,
    /// The URL of the store they are copied to, without secrets.
    pub to: String,
    /// Each, oldest first within a name.
    pub backups: Vec<CopiedBackup>,
    pub(super) failures: Failures,
}

/// What became of one.
pub struct CopiedBackup {
    /// Which it is.
    pub place: Place,
    /// Bytes of all its objects in the store, if its manifest could be read.
    pub stored_bytes: Option<u64>,
    /// How long it took.
    pub took: Duration,
    /// Whether it is in the target now.
    pub outcome: Outcome,
}

/// Whether a backup is in the target now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was copied.
    Copied,
    /// It was there already.
    Present,
    /// It was not copied, for this reason; and the exit code of that.
    Failed(String, u8),
}

impl Copies {
    /// Fails if any backup was not copied.
    pub fn conclude(self) -> Result<()> {
        self.failures.conclude(|failed, of| format!("{failed} of {of} backups were not copied"))
    }

    /// What was done, in a sentence.
    pub(super) fn summary(&self) -> String {
        let with = |outcome: &Outcome| {
            let backups = self.backups.iter().filter(|one| one.outcome == *outcome);
            let bytes = backups.clone().filter_map(|one| one.stored_bytes).fold(0, u64::saturating_add);
            (count(backups.count(), "backup"), BinaryBytes(bytes))
        };
        let ((copied, bytes), (present, _)) = (with(&Outcome::Copied), with(&Outcome::Present));
        format!("copied {copied} ({bytes}) to {}; {present} there already", self.to)
    }
}
