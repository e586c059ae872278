//! What became of the backups that were to be copied.

use crate::error::Result;
use crate::failures::{Failed, Failures};
use crate::stored::format::names::{Id, Place};
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
    /// It was there already under this id, which a rekey gave it there.
    Rekeyed(Id),
    /// It was not copied.
    Failed(Failed),
}

impl Copies {
    /// Fails if any backup was not copied.
    pub fn conclude(self) -> Result<()> {
        self.failures.conclude(|failed, of| format!("{failed} of {of} backups were not copied"))
    }

    /// Whether another one was not copied for this reason, which may name the backup itself.
    pub(super) fn has_failed_like(&self, place: &Place, failed: &Failed) -> bool {
        let alike = |place: &Place, failed: &Failed| failed.error.replace(place.id.as_str(), "");
        self.backups.iter().any(|one| match &one.outcome {
            Outcome::Failed(other) => {
                other.exit_code == failed.exit_code && alike(&one.place, other) == alike(place, failed)
            }
            _ => false,
        })
    }

    /// What was done, in a sentence.
    pub(super) fn summary(&self) -> String {
        let of = |is_it: fn(&Outcome) -> bool| self.backups.iter().filter(move |one| is_it(&one.outcome));
        let copied = of(|outcome| *outcome == Outcome::Copied);
        let bytes = copied.clone().filter_map(|one| one.stored_bytes).fold(0, u64::saturating_add);
        let present = of(|outcome| matches!(outcome, Outcome::Present | Outcome::Rekeyed(_)));
        format!(
            "copied {} ({}) to {}; {} there already{}",
            count(copied.count(), "backup"),
            BinaryBytes(bytes),
            self.to,
            count(present.count(), "backup"),
            self.rekeyed()
        )
    }

    /// What was not copied because a rekey in the target has made another one of it, with an example.
    fn rekeyed(&self) -> String {
        let rekeyed = self.backups.iter().filter_map(|one| match &one.outcome {
            Outcome::Rekeyed(id) => Some((&one.place, id)),
            _ => None,
        });
        let rekeyed: Vec<_> = rekeyed.collect();
        let many = rekeyed.len();
        rekeyed.last().map_or_else(String::new, |(place, id)| {
            format!(", {many} of them with another id, because they were rekeyed there: {place} is {id}")
        })
    }
}
