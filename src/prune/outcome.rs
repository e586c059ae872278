//! What became of the backups, and of what killed runs have left.

use crate::error::{Error, Kind, Result};
use crate::failures::{Failed, Failures};
use crate::retention::{Stale, Why};
use crate::store::Unfinished;
use crate::stored::format::names::{Name, Place, Timestamp};
use crate::units::{age, count};
use indicatif::BinaryBytes;
use std::time::SystemTime;

/// What became of the backups, store by store.
#[derive(Debug)]
pub struct Pruned {
    /// Whether nothing was removed, only decided.
    pub dry_run: bool,
    /// The stores that could be pruned.
    pub stores: Vec<PrunedStore>,
    /// Why a store could not be pruned at all, or what was named and is in none.
    pub(super) lost: Option<Error>,
}

/// What became of the backups in one store.
#[derive(Debug)]
pub struct PrunedStore {
    /// The store's URL, without secrets.
    pub store: String,
    /// Every backup, oldest first within a name.
    pub backups: Vec<PrunedBackup>,
    /// What killed runs have left.
    pub leftovers: Vec<Leftover>,
    /// The names that nothing is removed of.
    pub(super) stale: Vec<(Name, Stale)>,
    pub(super) failures: Failures,
}

/// What became of one backup.
#[derive(Debug)]
pub struct PrunedBackup {
    /// Which it is.
    pub place: Place,
    /// When it was begun.
    pub started_at: Option<Timestamp>,
    /// Bytes of all its objects in the store.
    pub stored_bytes: u64,
    /// When it was proven to restore, if it was.
    pub proven: Option<Timestamp>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a backup, or of something that was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is kept, by these rules.
    Kept(Vec<Why>),
    /// It is kept, whatever the rules say, because of this.
    KeptAnyway(String),
    /// It goes, or has gone.
    Removed,
    /// It could not be removed.
    Failed(Failed),
}

impl Pruned {
    /// Whose backups, or what was left of them, the stores hold.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        let backups = self.stores.iter().flat_map(|store| &store.backups).map(|backup| &backup.place.name);
        backups.chain(self.stores.iter().flat_map(|store| &store.leftovers).map(|left| &left.place.name))
    }

    /// Whether something could not be removed.
    pub(super) fn has_failed(&self) -> bool {
        let mut fates = self.stores.iter().flat_map(PrunedStore::fates);
        fates.any(|fate| matches!(fate, Fate::Failed(_)))
    }

    /// Fails if something could not be removed, or if nothing was because backups have stopped.
    pub fn conclude(self) -> Result<()> {
        let lost = self.lost.map_or(Ok(()), Err);
        self.stores.into_iter().try_for_each(PrunedStore::conclude).and(lost)
    }
}

impl PrunedStore {
    /// Whether something else could not be removed for this reason; a reason may name the backup's own folder.
    pub(super) fn has_failed_like(&self, place: &Place, failed: &Failed) -> bool {
        let alike = |place: &Place, failed: &Failed| failed.error.replace(place.id.as_str(), "");
        let backups = self.backups.iter().map(|one| (&one.place, &one.fate));
        let mut all = backups.chain(self.leftovers.iter().map(|left| (&left.place, &left.fate)));
        all.any(|(other, fate)| match fate {
            Fate::Failed(fate) => {
                fate.exit_code == failed.exit_code && alike(other, fate) == alike(place, failed)
            }
            _ => false,
        })
    }

    /// What became of everything.
    pub(super) fn fates(&self) -> impl Iterator<Item = &Fate> {
        let leftovers = self.leftovers.iter().map(|left| &left.fate);
        self.backups.iter().map(|backup| &backup.fate).chain(leftovers)
    }

    /// Why nothing is removed of this name, if its backups have stopped.
    pub fn stopped(&self, name: &Name) -> Option<String> {
        let (_, stale) = self.stale.iter().find(|(stale, _)| stale == name)?;
        Some(match stale.0 {
            Some(old) => format!("its newest whole backup is {} old", age(old)),
            None => "it has no whole backup".to_owned(),
        })
    }

    fn conclude(self) -> Result<()> {
        let stopped = self.stale.first().and_then(|(name, _)| self.stopped(name));
        self.failures.conclude(|failed, of| format!("{failed} of {of} could not be removed"))?;
        let [(name, _), more @ ..] = &self.stale[..] else { return Ok(()) };
        let others = match more.len() {
            0 => String::new(),
            more => format!(", nor of {}", count(more, "more name")),
        };
        let what = stopped.unwrap_or_default();
        let error = Error::new(Kind::Prune, format!("nothing of {name} is removed{others}: {what}"))
            .hint("find out why backups have stopped; `pgstow status` watches over them")
            .hint("if that is as it should be, --force removes old ones all the same, or raise --stale");
        Err(match self.stale.iter().any(|(_, stale)| stale.0.is_none()) {
            true => error.hint("if all of its backups are partial on purpose, add --count-partial"),
            false => error,
        })
    }

    /// What was removed, in a sentence.
    pub(super) fn summary(&self, dry_run: bool) -> String {
        let leftovers = self.leftovers.iter().filter(|left| left.fate == Fate::Removed);
        let more = match leftovers.count() {
            0 => String::new(),
            number => format!(", {}", count(number, "leftover")),
        };
        let kept = count(self.backups.len() - self.removed().count(), "backup");
        let verb = if dry_run { "would remove" } else { "removed" };
        format!("{verb} {}{more}; kept {kept}", self.how_many())
    }

    /// The backups that go, or have gone.
    pub(super) fn removed(&self) -> impl Iterator<Item = &PrunedBackup> {
        self.backups.iter().filter(|backup| backup.fate == Fate::Removed)
    }

    /// How many they are, and how large.
    pub(super) fn how_many(&self) -> String {
        let bytes = self.removed().map(|backup| backup.stored_bytes).fold(0, u64::saturating_add);
        format!("{} ({})", count(self.removed().count(), "backup"), BinaryBytes(bytes))
    }
}

/// Something that a killed run left.
#[derive(Debug)]
pub struct Leftover {
    /// The backup that it would have become a part of.
    pub place: Place,
    /// What it is.
    pub kind: LeftoverKind,
    /// When something was last written to it, according to the store's clock.
    pub last_written: Option<SystemTime>,
    /// What became of it.
    pub fate: Fate,
}

/// What a killed run can leave.
#[derive(Debug)]
pub enum LeftoverKind {
    /// An upload that was neither completed nor aborted; in a folder it is a temporary file.
    Upload(Unfinished),
    /// Objects without a manifest, and their size in bytes.
    Folder(u64),
}
