//! Whether all that the backup defines is there: its table of contents against the database's own.

use crate::archive::{EntryKind, Toc, TocEntry};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The kinds of objects that are looked for: those that every major of `pg_dump` names alike. What
/// else there is (grants, comments, defaults) was restored without an error, or the restore failed.
const KINDS: [EntryKind; 14] = [
    EntryKind::Extension,
    EntryKind::Table,
    EntryKind::ForeignTable,
    EntryKind::View,
    EntryKind::MaterializedView,
    EntryKind::Sequence,
    EntryKind::Function,
    EntryKind::Procedure,
    EntryKind::Index,
    EntryKind::Constraint,
    EntryKind::ForeignKey,
    EntryKind::CheckConstraint,
    EntryKind::Trigger,
    EntryKind::Policy,
];

/// How many there are of each kind, as `fk constraint`.
pub type Counts = BTreeMap<String, usize>;

/// Looks for all objects of `said` in `found`; their numbers, and what is missing or stands elsewhere,
/// a sentence each.
pub fn compare(said: &Toc, found: &Toc) -> (Counts, Vec<String>) {
    let there: HashSet<_> = found.entries().iter().map(TocEntry::identity).collect();
    let (mut counts, mut differences) = (Counts::new(), Vec::new());
    for entry in said.entries() {
        if !KINDS.contains(&entry.kind()) {
            continue;
        }
        let kind = String::from_utf8_lossy(entry.desc().unwrap_or_default()).to_lowercase();
        if !there.contains(&entry.identity()) {
            differences.push(format!("{kind} {} is not there", entry.label()));
        }
        *counts.entry(kind).or_default() += 1;
    }
    differences.extend(sequences(said, found));
    (counts, differences)
}

/// Says which sequences of both stand elsewhere now.
pub fn sequences(said: &Toc, found: &Toc) -> Vec<String> {
    let now = found.entries().iter().filter_map(|entry| Some((entry.identity(), entry.sequence_state()?)));
    let now: HashMap<_, _> = now.collect();
    let elsewhere = |entry: &TocEntry| {
        let (then, now) = (entry.sequence_state()?, *now.get(&entry.identity())?);
        let whether = |state: &str| state.replace(", true", "").replace(", false", ", not used yet");
        (then != now).then(|| {
            format!("sequence {} is at {} instead of {}", entry.label(), whether(now), whether(then))
        })
    };
    said.entries().iter().filter_map(elsewhere).collect()
}
