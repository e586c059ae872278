//! What is left of a table of contents without some tables, or without their rows.
//!
//! Whatever depends on a table that goes, goes too: views, foreign keys of other tables, its own sequences.

use std::collections::HashSet;

use super::pattern::Pattern;
use super::select::{RELATIONS, is_part_of};
use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::sql::EntryKind;

/// What is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The dump ids of the entries that go.
    pub entries: HashSet<i32>,
    /// What goes with the tables although it is no part of them, a phrase each.
    pub others: Vec<String>,
    /// Patterns that match nothing.
    pub idle: Vec<String>,
}

impl Toc {
    /// Leaves out the tables, views and sequences that one of `tables` matches, and the rows of those that one of
    /// `rows` matches.
    pub fn without(&self, tables: &[Pattern], rows: &[Pattern]) -> LeftOut {
        let mut left_out = LeftOut::default();
        // Of a table that an extension defines there are only rows.
        let kinds = [&RELATIONS[..], &[EntryKind::TableData]].concat();
        let chosen = self.matching(tables, &kinds, &mut left_out.idle);
        let emptied = self.matching(rows, &[EntryKind::TableData], &mut left_out.idle);
        let made_by = self.made_by();
        let mut gone: HashSet<i32> = chosen.iter().map(|entry| entry.dump_id()).collect();
        loop {
            let before = gone.len();
            for entry in self.entries() {
                // Without its rule, a view would stay the shell that it begins as, with one row of nulls.
                let rule = made_by.get(&entry.dump_id()).copied();
                let needs_gone = entry.dependencies().chain(rule).any(|id| gone.contains(&id));
                if needs_gone && gone.insert(entry.dump_id()) {
                    // The sequence of a serial column.
                    let owned = (entry.kind() == EntryKind::SequenceOwnedBy).then(|| entry.dependencies());
                    let is_sequence = |id: &i32| {
                        let mut all = self.entries().iter();
                        all.any(|other| other.dump_id() == *id && other.kind() == EntryKind::Sequence)
                    };
                    gone.extend(owned.into_iter().flatten().filter(is_sequence));
                }
            }
            if gone.len() == before {
                break;
            }
        }
        // The views that they make are said.
        let rules: HashSet<i32> = made_by.into_values().collect();
        let is_other = |entry: &&TocEntry| {
            let of_chosen =
                |whole: &&TocEntry| whole.dump_id() == entry.dump_id() || is_part_of(entry, whole);
            gone.contains(&entry.dump_id())
                && !entry.kind().is_remark()
                && entry.kind() != EntryKind::Sequence
                && !rules.contains(&entry.dump_id())
                && !chosen.iter().any(of_chosen)
        };
        let others = self.entries().iter().filter(is_other);
        left_out.others = others
            .map(|entry| {
                format!("{} {}", String::from_utf8_lossy(entry.desc().unwrap_or_default()), entry.label())
            })
            .collect();
        left_out.entries = gone.into_iter().chain(emptied.iter().map(|entry| entry.dump_id())).collect();
        left_out
    }

    /// The rows of foreign tables: whoever restores them writes them to another server.
    pub fn foreign_rows(&self) -> impl Iterator<Item = &TocEntry> {
        let of_kind = |kind| self.entries().iter().filter(move |entry| entry.kind() == kind);
        let name = |entry: &TocEntry| {
            let (_, schema, name) = entry.identity();
            (schema.to_vec(), name.to_vec())
        };
        let foreign: HashSet<_> = of_kind(EntryKind::ForeignTable).map(name).collect();
        of_kind(EntryKind::TableData).filter(move |rows| foreign.contains(&name(rows)))
    }

    fn matching(&self, patterns: &[Pattern], kinds: &[EntryKind], idle: &mut Vec<String>) -> Vec<&TocEntry> {
        let mut all = Vec::new();
        let encoding = self.encoding().unwrap_or_default();
        for pattern in patterns {
            let pattern = &pattern.in_encoding(&encoding);
            let matches = |entry: &&TocEntry| {
                let (_, schema, name) = entry.identity();
                kinds.contains(&entry.kind()) && pattern.matches(schema, name)
            };
            let before = all.len();
            all.extend(self.entries().iter().filter(matches));
            if all.len() == before {
                idle.push(pattern.to_string());
            }
        }
        all
    }
}
