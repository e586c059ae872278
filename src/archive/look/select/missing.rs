//! Tables that a database does not have any more, with all that belongs to them and ties them to what it has.

use super::{Choice, PARTS, RELATIONS, Selection};
use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::archive::look::pattern::Pattern;
use crate::error::{Error, Result};
use crate::sql::EntryKind;
use std::collections::HashSet;

impl Toc {
    /// Chooses as [`Toc::select`] does for a database that lacks only these schemas, types, functions, tables, views and
    /// sequences, and has all else: foreign keys to and from tables that it has come along.
    ///
    /// # Errors
    /// Also `Kind::TargetExists` if the database has one of the tables.
    pub fn select_missing(&self, patterns: &[Pattern], lacking: HashSet<i32>) -> Result<Selection> {
        let mut choice = self.chosen(patterns, Some(lacking))?;
        let attached_last = choice.attach_last();
        let mut lost = choice.lost_with_them();
        lost.extend(choice.publications());
        let mut selection = choice.done();
        selection.left_out.extend(lost);
        Ok(Selection { attached_last, ..selection })
    }
}

impl Choice<'_> {
    /// Whether the target has what an entry would make: it is not made again, and what only completes it stays as it is.
    pub(super) fn is_there(&self, id: i32) -> bool {
        let Some(entry) = self.by_id.get(&id).filter(|_| self.lacking.is_some()) else { return false };
        match entry.kind() {
            // Foreign keys and the indexes of partitions need those of other tables.
            EntryKind::Constraint | EntryKind::Index => entry.dependencies().any(|id| {
                self.has(id) && self.by_id.get(&id).is_some_and(|of| RELATIONS.contains(&of.kind()))
            }),
            _ => self.has(id),
        }
    }

    /// Whether the target has an object that stands for itself.
    fn has(&self, id: i32) -> bool {
        let completes = |kind: EntryKind| {
            (PARTS.contains(&kind) && !RELATIONS.contains(&kind)) || kind.is_remark() || kind.is_setting()
        };
        let is_there = self.lacking.as_ref().is_some_and(|lacking| !lacking.contains(&id));
        is_there && self.by_id.get(&id).is_some_and(|entry| !completes(entry.kind()))
    }

    pub(super) fn refuse_those_there(&self) -> Result<()> {
        let label = |is_wanted: &dyn Fn(i32) -> bool| -> Vec<String> {
            let wanted = self.chosen.iter().filter(|id| is_wanted(**id) && !self.of_extensions.contains(id));
            let mut labels: Vec<String> = wanted.filter_map(|id| Some(self.by_id.get(id)?.label())).collect();
            labels.sort();
            labels
        };
        let there = label(&|id| self.is_there(id));
        if there.is_empty() {
            return Ok(());
        }
        let error = Error::target_exists(format!("the database has {}", there.join(", ")));
        let missing = label(&|id| !self.is_there(id));
        Err(match missing.is_empty() {
            true => error.hint("leave --create-tables out: --into appends to tables that exist"),
            false => error.hint(format!("name only what it lacks: {}", missing.join(", "))),
        })
    }

    /// What makes chosen partitions parts of tables that are there. Their indexes are not made parts of that table's one by
    /// one: the server finds those that fit when the partition is attached.
    fn attach_last(&mut self) -> HashSet<i32> {
        let needs_one_there = |entry: &TocEntry| entry.dependencies().any(|id| self.has(id));
        let of = |kind: EntryKind| {
            let kept = self.toc.entries().iter().filter(|entry| self.kept.contains(&entry.dump_id()));
            let kept = kept.filter(|entry| entry.kind() == kind && needs_one_there(entry));
            kept.map(TocEntry::dump_id).collect::<HashSet<i32>>()
        };
        let (indexes, tables) = (of(EntryKind::IndexAttach), of(EntryKind::TableAttach));
        self.kept.retain(|id| !indexes.contains(id));
        tables
    }

    /// What was lost with the chosen and does not come with them: views and functions that need them, and perhaps a column
    /// or a default of tables that are there.
    fn lost_with_them(&self) -> Vec<String> {
        let is_made = |id: &i32| {
            self.kept.contains(id) && !self.by_id.get(id).is_some_and(|made| made.kind().is_setting())
        };
        let needs = |id: i32| self.made_of(id, |_| true).iter().any(is_made);
        let others = self.toc.entries().iter().filter(|entry| !self.kept.contains(&entry.dump_id()));
        let lost = others.filter_map(|entry| {
            let (id, what) = (entry.dump_id(), entry.described());
            match entry.kind() {
                EntryKind::View | EntryKind::MaterializedView if !self.is_there(id) => {
                    needs(id).then(|| format!("{what} (it reads what is created: choose it too)"))
                }
                EntryKind::Function | EntryKind::Procedure if !self.is_there(id) => needs(id).then(|| {
                    format!("{what} (it needs what is created: `pgstow fetch` brings the dump that has it)")
                }),
                kind if RELATIONS.contains(&kind) && self.is_there(id) => {
                    let uses = entry.dependencies().any(needs);
                    uses.then(|| {
                        format!("what {what} used of it (columns or defaults may be gone: compare it)")
                    })
                }
                _ => None,
            }
        });
        lost.collect()
    }

    /// The publications that had what is chosen.
    fn publications(&self) -> Vec<String> {
        let entries = self.toc.entries().iter().filter(|entry| entry.kind() == EntryKind::PublicationTable);
        let had = entries.filter(|entry| entry.dependencies().any(|id| self.chosen.contains(&id)));
        had.map(|entry| format!("{} (ALTER PUBLICATION … ADD TABLE adds it)", entry.described())).collect()
    }
}
