//! The entries of an archive by the time at which they are made: before the data, and after it.

use crate::archive::{EntryKind, Preamble, Section, TocEntry};
use std::collections::{BTreeMap, BTreeSet};

/// What is made before any data, but for the grants: they could forbid an owner to fill its own tables.
pub fn before(front: &Preamble) -> Preamble {
    choose(front, |section, entry| section == Section::PreData && !entry.kind().is_grant())
}

/// The same, and all data.
pub fn before_and_data(front: &Preamble) -> Preamble {
    choose(front, |section, entry| {
        section == Section::Data || section == Section::PreData && !entry.kind().is_grant()
    })
}

/// What is made when all data is there, in this order.
pub struct Later {
    /// The indexes, and what locks a table with its partitions: what makes their indexes part of one of the whole table, and
    /// exclusion constraints of all of them; `None` if there is no such.
    pub of_partitions: Option<(Preamble, Preamble)>,
    /// All other indexes and constraints, and whatever else is none of the following.
    pub after: Preamble,
    /// What does so to those of these indexes that are of partitions.
    pub attached_last: Preamble,
    /// Grants.
    pub grants: Preamble,
    /// Materialized views.
    pub refreshes: Preamble,
    /// Whether these come one after the other.
    pub refreshed_in_order: bool,
    /// Event triggers.
    pub event_triggers: Preamble,
}

impl Later {
    /// Of this archive, but for these entries, which were made before.
    pub fn of(front: &Preamble, made: &BTreeSet<i32>) -> Self {
        let mut made = made.clone();
        let first = indexes(front, &made);
        let attaches =
            |entry: &TocEntry| entry.kind() == EntryKind::IndexAttach || entry.excludes_in_partitions();
        let attached = choose(front, |_, entry| attaches(entry) && first.contains(&entry.dump_id()));
        let is_left = |id: i32| !first.contains(&id) && !made.contains(&id);
        let attached_last = choose(front, |_, entry| attaches(entry) && is_left(entry.dump_id()));
        let of_partitions = (!attached.is_empty()).then(|| {
            let indexes = later(front, &made, |entry| !attaches(entry) && first.contains(&entry.dump_id()));
            made.extend(first);
            (indexes, attached)
        });
        made.extend(attached_last.toc.entries().iter().map(TocEntry::dump_id));
        Self {
            of_partitions,
            after: after(front, &made),
            attached_last,
            grants: grants(front),
            refreshes: refreshes(front),
            refreshed_in_order: refreshes_call_functions(front),
            event_triggers: event_triggers(front),
        }
    }
}

/// Indexes, unique constraints, and what makes indexes of partitions part of others, without those entries that were made
/// before, and without those that need anything else that comes after the data: `pg_dump` also puts functions and
/// materialized views there if they depend on a primary key.
fn indexes(front: &Preamble, made: &BTreeSet<i32>) -> BTreeSet<i32> {
    let later = front.toc.sections().filter(|(section, _)| *section == Section::PostData);
    let later = later.map(|(_, entry)| entry).filter(|entry| !made.contains(&entry.dump_id()));
    let later: BTreeMap<i32, &TocEntry> = later.map(|entry| (entry.dump_id(), entry)).collect();
    let is_index = |entry: &TocEntry| {
        matches!(entry.kind(), EntryKind::Index | EntryKind::Constraint | EntryKind::IndexAttach)
    };
    let mut indexes: BTreeSet<i32> =
        later.values().filter(|entry| is_index(entry)).map(|entry| entry.dump_id()).collect();
    loop {
        let waits = |id: &i32| later.contains_key(id) && !indexes.contains(id);
        let has_all =
            |id: &&i32| later.get(id).is_some_and(|entry| !entry.dependencies().any(|id| waits(&id)));
        let left: BTreeSet<i32> = indexes.iter().filter(has_all).copied().collect();
        if left.len() == indexes.len() {
            return indexes;
        }
        indexes = left;
    }
}

/// Whether a materialized view or an index of one calls functions: which other views these read is not known, so only
/// the archive's order is one in which all of them can be refreshed.
fn refreshes_call_functions(front: &Preamble) -> bool {
    let by_id: BTreeMap<i32, &TocEntry> =
        front.toc.entries().iter().map(|entry| (entry.dump_id(), entry)).collect();
    let made_by = front.toc.made_by();
    let is_view = |id: &i32| by_id.get(id).is_some_and(|entry| entry.kind() == EntryKind::MaterializedView);
    let begins = |entry: &&&TocEntry| {
        is_view(&entry.dump_id())
            || entry.kind() == EntryKind::Index && entry.dependencies().any(|id| is_view(&id))
    };
    let mut next: Vec<i32> = by_id.values().filter(begins).map(|entry| entry.dump_id()).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = next.pop() {
        let Some(entry) = by_id.get(&id).filter(|_| seen.insert(id)) else { continue };
        match entry.kind() {
            EntryKind::Function | EntryKind::Procedure => return true,
            // What computes its columns is called no more.
            EntryKind::Table => {}
            _ => {
                next.extend(entry.dependencies());
                next.extend(made_by.get(&id));
            }
        }
    }
    false
}

/// What is made when all data is there, in any order, without those entries that were made before.
fn after(front: &Preamble, made: &BTreeSet<i32>) -> Preamble {
    let after = later(front, made, |entry| !entry.kind().is_grant() && !entry.is_last());
    // They have no section of their own, and would be in that of the tables if all that was before them is made.
    after.with(|entry| if entry.kind().is_remark() { entry.after_data() } else { entry.clone() })
}

/// What is wanted of all that comes after the data and was not made before; and the tables, which are not made again:
/// without them `pg_restore` does not see which of its connections would lock each other out.
fn later(front: &Preamble, made: &BTreeSet<i32>, wanted: impl Fn(&TocEntry) -> bool) -> Preamble {
    choose(front, |section, entry| {
        let is_later = section == Section::PostData && !made.contains(&entry.dump_id());
        is_later && wanted(entry) || entry.kind() == EntryKind::Table
    })
}

/// What is granted then, one after the other: who passes a grant on must have been granted more before. The
/// grants on large objects are not among it: they go with these.
fn grants(front: &Preamble) -> Preamble {
    choose(front, |section, entry| section != Section::Data && entry.kind().is_grant())
}

/// What is computed from all the rest, and may need its grants.
fn refreshes(front: &Preamble) -> Preamble {
    choose(front, |section, entry| {
        section == Section::PostData && entry.is_last() && !entry.is_of_event_trigger()
    })
}

/// What watches all others, and would watch a restore too.
fn event_triggers(front: &Preamble) -> Preamble {
    choose(front, |section, entry| section == Section::PostData && entry.is_of_event_trigger())
}

fn choose(front: &Preamble, wanted: impl Fn(Section, &TocEntry) -> bool) -> Preamble {
    let wanted = front.toc.sections().filter(|(section, entry)| wanted(*section, entry));
    let ids: BTreeSet<i32> = wanted.map(|(_, entry)| entry.dump_id()).collect();
    front.keep(|entry| ids.contains(&entry.dump_id()))
}
