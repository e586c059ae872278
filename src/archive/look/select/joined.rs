//! Chosen partitions of tables that the database has: they become parts of these when they have all that they had before.

use super::{Choice, Joined};
use crate::archive::format::entry::TocEntry;
use crate::sql::{EntryKind, quoted, replaced, words};
use std::collections::{HashMap, HashSet};

impl Choice<'_> {
    /// What makes chosen partitions parts of tables that are there.
    pub(super) fn joined(&self) -> Joined {
        let of = |kind: EntryKind| {
            let kept = self.toc.entries().iter().filter(|entry| self.kept.contains(&entry.dump_id()));
            kept.filter(move |entry| entry.kind() == kind && entry.dependencies().any(|id| self.has(id)))
        };
        let new =
            |entry: &TocEntry| entry.dependencies().filter(|id| self.kept.contains(id)).collect::<Vec<_>>();
        let indexes: HashSet<i32> = of(EntryKind::IndexAttach).map(TocEntry::dump_id).collect();
        let fitting = of(EntryKind::IndexAttach).filter_map(|attach| {
            let number = std::str::from_utf8(self.attached_to(attach)?.oid()?).ok()?.parse().ok()?;
            Some(new(attach).into_iter().map(move |id| (id, number)))
        });
        let fitting: HashMap<i32, usize> = fitting.flatten().filter(|(id, _)| self.is_index(*id)).collect();
        let partitions: HashSet<i32> = of(EntryKind::TableAttach).flat_map(new).collect();
        let mut last: HashSet<i32> = of(EntryKind::TableAttach).map(TocEntry::dump_id).collect();
        // What says whether a trigger of a partition fires: it has it when it is attached.
        last.extend(self.triggers.keys().filter(|id| self.kept.contains(id)));
        let own = self.own_indexes(&partitions, &fitting);
        let users = self.kept_with_users(|entry| fitting.contains_key(&entry.dump_id()));
        let first =
            of(EntryKind::TableAttach).map(|attach| (attach.dump_id(), self.constraints_above(attach)));
        let first = first.filter(|(_, constraints)| !constraints.is_empty()).collect();
        Joined { last, indexes, fitting, users, own, first }
    }

    /// The index of the whole that an entry makes another one part of, or the constraint that has it.
    fn attached_to(&self, attach: &TocEntry) -> Option<&TocEntry> {
        let mut names = words(attach.defn()?).filter_map(|word| word.name());
        let (schema, name) = (names.next()?, names.next()?);
        let mut needed = attach.dependencies().filter_map(|id| self.by_id.get(&id).copied());
        needed.find(|entry| {
            let (_, its_schema, tag) = entry.identity();
            let rest = tag.strip_suffix(name.as_slice());
            let is_it = rest.is_some_and(|rest| match entry.kind() {
                EntryKind::Index => rest.is_empty(),
                EntryKind::Constraint => rest.ends_with(b" "),
                _ => false,
            });
            is_it && its_schema == schema
        })
    }

    fn is_index(&self, id: i32) -> bool {
        self.by_id.get(&id).is_some_and(|entry| match entry.kind() {
            EntryKind::Index => true,
            EntryKind::Constraint => !is_unchecked(entry),
            _ => false,
        })
    }

    /// The indexes of these partitions that are not those that fit to the whole, and what needs them.
    fn own_indexes(&self, partitions: &HashSet<i32>, fitting: &HashMap<i32, usize>) -> HashSet<i32> {
        let is_own = |entry: &TocEntry| {
            let id = entry.dump_id();
            let mut of = entry.dependencies();
            self.is_index(id) && of.any(|id| partitions.contains(&id)) && !fitting.contains_key(&id)
        };
        self.kept_with_users(is_own)
    }

    /// The kept entries that are such, and the kept ones that need them.
    fn kept_with_users(&self, is_such: impl Fn(&TocEntry) -> bool) -> HashSet<i32> {
        let mut found = HashSet::new();
        // In an archive, what others need comes before these.
        for entry in self.toc.entries().iter().filter(|entry| self.kept.contains(&entry.dump_id())) {
            if is_such(entry) || entry.dependencies().any(|id| found.contains(&id)) {
                found.insert(entry.dump_id());
            }
        }
        found
    }

    /// The statements that give a partition what the dump says of the tables above it after their definitions, as that the rows
    /// which they have were not checked.
    fn constraints_above(&self, attach: &TocEntry) -> Vec<u8> {
        let above = |partition: i32| {
            let attaches = |entry: &&TocEntry| {
                entry.kind() == EntryKind::TableAttach
                    && entry.dependencies().any(|id| id == partition)
                    && self
                        .by_id
                        .get(&partition)
                        .is_some_and(|table| table.identity().2 == entry.identity().2)
            };
            let attach = self.toc.entries().iter().find(attaches)?;
            attach.dependencies().find(|id| *id != partition)
        };
        let mut tables = HashSet::new();
        let mut next = attach.dependencies().find(|id| self.has(*id));
        // A damaged archive may say that a table is above itself.
        while let Some(table) = next.filter(|table| tables.insert(*table)) {
            next = above(table);
        }
        let constraints = self.toc.entries().iter().filter(|entry| match entry.kind() {
            EntryKind::CheckConstraint => true,
            EntryKind::Constraint => is_unchecked(entry),
            _ => false,
        });
        let (_, schema, name) = attach.identity();
        let of_partition = |entry: &TocEntry| {
            let (defn, name) = (entry.defn()?, [quoted(schema), quoted(name)].join(&b'.'));
            let mut words = words(defn).skip_while(|word| !word.is(b"TABLE")).skip(1);
            let first = words.find(|word| word.name().is_some())?;
            let last = words.take_while(|word| !word.is(b"ADD")).last()?;
            Some(replaced(defn, &[(first.at.start..last.at.end, name)]))
        };
        constraints
            .filter(|entry| entry.dependencies().any(|id| tables.contains(&id)))
            .filter_map(of_partition)
            .flatten()
            .collect()
    }
}

/// Whether a constraint is one that is not checked for the rows that are there; so it is no key, and has no index.
fn is_unchecked(constraint: &TocEntry) -> bool {
    constraint.defn().is_some_and(|defn| defn.trim_ascii_end().ends_with(b" NOT VALID;"))
}
