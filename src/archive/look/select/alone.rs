//! Chosen tables without those that they are parts of or inherit from.

use super::Choice;
use crate::archive::format::entry::TocEntry;
use crate::sql::EntryKind;
use std::collections::HashSet;

impl<'t> Choice<'t> {
    /// Data of chosen partitions that the dump sends through a root that is not: as the hash of a value may be another
    /// in another database, as that of an enum's is.
    pub(super) fn of_partitions_alone(&self) -> HashSet<i32> {
        let chosen = self.names(&self.chosen);
        let is_chosen =
            |(schema, name): (Vec<u8>, Vec<u8>)| chosen.contains(&(schema.as_slice(), name.as_slice()));
        let kept = self.toc.entries().iter().filter(|entry| self.kept.contains(&entry.dump_id()));
        kept.filter(|entry| entry.copied_into().is_some_and(|table| !is_chosen(table)))
            .map(TocEntry::dump_id)
            .collect()
    }

    /// Schema and name of each of these.
    fn names(&self, ids: &HashSet<i32>) -> HashSet<(&'t [u8], &'t [u8])> {
        let entries = ids.iter().filter_map(|id| self.by_id.get(id));
        entries.map(|entry| (entry.identity().1, entry.identity().2)).collect()
    }

    /// Leaves out what makes a partition of a table that takes its rows itself, and its indexes parts of others; says
    /// so.
    pub(super) fn detach(&mut self, of_partitions_alone: &HashSet<i32>) -> Vec<String> {
        let alone = self.names(of_partitions_alone);
        let is_alone = |entry: &TocEntry| {
            let (_, schema, name) = entry.identity();
            alone.contains(&(schema, name))
        };
        let is_of_index = |attach: &TocEntry| {
            let indexes = attach.dependencies().filter_map(|id| self.by_id.get(&id));
            let mut tables =
                indexes.flat_map(|index| index.dependencies()).filter_map(|id| self.by_id.get(&id));
            tables.any(|table| self.is_relation(table) && is_alone(table))
        };
        let (mut dropped, mut said) = (Vec::new(), Vec::new());
        for entry in self.toc.entries().iter().filter(|entry| self.kept.contains(&entry.dump_id())) {
            let attaches = entry.kind() == EntryKind::TableAttach && is_alone(entry);
            if attaches || (entry.kind() == EntryKind::IndexAttach && is_of_index(entry)) {
                dropped.push(entry.dump_id());
            }
            if attaches || (self.is_relation(entry) && entry.attaches_itself() && is_alone(entry)) {
                said.push(format!(
                    "TABLE ATTACH {} (its rows may belong to another partition here)",
                    entry.label()
                ));
            }
        }
        for id in dropped {
            self.kept.remove(&id);
        }
        said
    }

    /// Tables that inherit from a chosen one, and are not chosen: a query of that one shows their rows too, where they are.
    pub(super) fn heirs(&self) -> Vec<String> {
        let not_chosen = self.toc.entries().iter().filter(|entry| !self.chosen.contains(&entry.dump_id()));
        let heirs = not_chosen.filter(|entry| entry.kind() == EntryKind::Table && entry.inherits());
        heirs
            .filter_map(|heir| {
                let id = heir.dependencies().find(|id| self.chosen.contains(id))?;
                let from = self.by_id.get(&id).filter(|from| self.is_relation(from))?;
                Some(format!("TABLE {} (inherits from {})", heir.label(), from.label()))
            })
            .collect()
    }
}
