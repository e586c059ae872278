//! What is said of a store: plain facts, which the page draws.

use super::gaps::Gap;
use super::growth::Growth;
use crate::prune::Fate;
use crate::stored::find::contents::{Entry, Flaw};
use crate::stored::format::manifest::Manifest;
use crate::stored::format::names::{Id, Name, Timestamp};
use serde::Serialize;

/// A store at a glance.
#[derive(Debug, Serialize)]
pub struct Overview {
    /// The store's address, without anything secret.
    pub store: String,
    /// When it was looked at.
    pub made_at: Timestamp,
    /// Whether rules say what will be removed.
    pub retention: bool,
    /// One for each name.
    pub names: Vec<NameFacts>,
}

/// The backups of one name.
#[derive(Debug, Serialize)]
pub struct NameFacts {
    /// The name.
    pub name: Name,
    /// How the newest is.
    pub state: State,
    /// How long it usually takes until the next, in seconds.
    pub usual_interval_s: Option<u64>,
    /// The newest backup that counts as whole and is proven to restore, by a trial restore.
    pub proven_id: Option<Id>,
    /// When that was last proven.
    pub proven_at: Option<Timestamp>,
    /// How long ago that was, in seconds.
    pub proven_age_s: Option<u64>,
    /// When backups are missing.
    pub gaps: Vec<Gap>,
    /// Every backup, oldest first.
    pub backups: Vec<BackupFacts>,
    /// The tables, largest first; absent if no inventory could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tables: Option<Vec<Growth>>,
}

/// How the newest backup of a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is about as old as usual.
    Ok,
    /// The next one is late, by what is usual.
    Late,
    /// There is no whole one.
    Missing,
}

/// One backup.
#[derive(Debug, Serialize)]
pub struct BackupFacts {
    /// Which it is.
    pub id: Id,
    /// When it was begun.
    pub started_at: Timestamp,
    /// How long it took, in seconds.
    pub duration_s: Option<f64>,
    /// Bytes of all its objects in the store.
    pub stored_bytes: u64,
    /// Bytes of its dump.
    pub plain_bytes: Option<u64>,
    /// Tables in it.
    pub tables: Option<u64>,
    /// Rows in it, if they were counted.
    pub rows: Option<u64>,
    /// Whether it can be restored, though it may be partial.
    pub usable: bool,
    /// When it was last proven to restore.
    pub proven_at: Option<Timestamp>,
    /// Why it does not count as whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flaw: Option<String>,
    /// The backup that it is too, for other recipients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<Id>,
    /// Whether it counts as whole, proven or not, and is no other one for other recipients.
    #[serde(skip)]
    pub counts: bool,
    /// Whether the rules keep it; absent without rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<bool>,
    /// The rules that keep it, or what else does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

impl BackupFacts {
    /// Of a backup, the one that it is too, and what the rules decide about it; `None` if its id says no moment.
    pub(super) fn new(entry: &Entry, same_as: Option<Id>, fate: Option<&Fate>) -> Option<Self> {
        let manifest: Option<&Manifest> = entry.backup.as_ref().map(|backup| &backup.manifest);
        let totals = manifest.and_then(|manifest| manifest.totals);
        let why = match fate {
            Some(Fate::Kept(rules)) => rules.iter().map(ToString::to_string).collect(),
            Some(Fate::KeptAnyway(why)) => vec![why.clone()],
            _ => Vec::new(),
        };
        Some(Self {
            id: entry.folder.place.id.clone(),
            started_at: entry.folder.place.id.started_at()?,
            duration_s: manifest.map(|manifest| manifest.duration().as_secs_f64()),
            stored_bytes: entry.folder.bytes(),
            plain_bytes: manifest.and_then(|manifest| Some(manifest.dump().ok()?.plain_bytes)),
            tables: totals.map(|totals| totals.tables),
            rows: totals.map(|totals| totals.rows),
            usable: entry.is_whole() || entry.flaw == Some(Flaw::Partial),
            proven_at: entry.proven.at(),
            flaw: entry.flaw.as_ref().map(ToString::to_string),
            counts: same_as.is_none() && entry.is_whole(),
            same_as,
            kept: fate.map(|fate| *fate != Fate::Removed),
            why,
        })
    }
}
