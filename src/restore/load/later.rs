//! The entries of an archive by the time at which they are made: before the data, and after it.

use crate::archive::{EntryKind, Preamble, Section, TocEntry};
use std::collections::BTreeSet;

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
    /// The indexes, and what makes those of partitions part of an index of the whole table; `None` if there is no such.
    pub of_partitions: Option<(Preamble, Preamble)>,
    /// All other indexes and constraints, and whatever else is neither of the next three.
    pub after: Preamble,
    /// Grants.
    pub grants: Preamble,
    /// Materialized views.
    pub refreshes: Preamble,
    /// Event triggers.
    pub event_triggers: Preamble,
}

impl Later {
    /// Of this archive, but for these entries, which were made before.
    pub fn of(front: &Preamble, made: &BTreeSet<i32>) -> Self {
        let attached = attached(front);
        let mut made = made.clone();
        let of_partitions = (!attached.is_empty()).then(|| {
            let indexes = indexes(front, &made);
            made.extend(indexes.toc.entries().iter().chain(attached.toc.entries()).map(TocEntry::dump_id));
            (indexes, attached)
        });
        Self {
            of_partitions,
            after: after(front, &made),
            grants: grants(front),
            refreshes: refreshes(front),
            event_triggers: event_triggers(front),
        }
    }
}

/// The indexes of partitions that become part of an index of the whole table.
fn attached(front: &Preamble) -> Preamble {
    choose(front, |_, entry| entry.kind() == EntryKind::IndexAttach)
}

/// Indexes and unique constraints, without those entries that were made before.
fn indexes(front: &Preamble, made: &BTreeSet<i32>) -> Preamble {
    later(front, made, |entry| matches!(entry.kind(), EntryKind::Index | EntryKind::Constraint))
}

/// What is made when all data is there, in any order, without those entries that were made before.
fn after(front: &Preamble, made: &BTreeSet<i32>) -> Preamble {
    let after = later(front, made, |entry| !entry.kind().is_grant() && !entry.is_last());
    // They have no section of their own, and would be in that of the tables if all that was before them is made.
    after.with_last(|entry| entry.kind().is_remark())
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
