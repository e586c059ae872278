//! Tables that a database does not have any more, with all that belongs to them and ties them to what it has.

use super::{Choice, PARTS, RELATIONS, Selection, is_part_of};
use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::archive::look::pattern::Pattern;
use crate::error::{Error, Result};
use crate::sql::EntryKind;
use std::collections::HashSet;

/// Kinds of objects without columns that a database is known to have, or to lack.
const KNOWN: [EntryKind; 6] = [
    EntryKind::Extension,
    EntryKind::Function,
    EntryKind::Procedure,
    EntryKind::Aggregate,
    EntryKind::Type,
    EntryKind::Domain,
];

impl Toc {
    /// Chooses as [`Toc::select`] does for a database that lacks only these schemas, extensions, types, functions, tables,
    /// views and sequences, and has all else: foreign keys to and from tables that it has come along.
    ///
    /// # Errors
    /// Also `Kind::TargetExists` if the database has one of the tables, `Kind::NotFound` if they need others that it lacks.
    pub fn select_missing(&self, patterns: &[Pattern], lacking: HashSet<i32>) -> Result<Selection> {
        let choice = self.chosen(patterns, Some(lacking))?;
        choice.refuse_taken_sequences()?;
        let joined = choice.joined();
        let lost = choice.lost_with_them();
        let mut selection = choice.done();
        if !selection.only_defined.is_empty() {
            let needed = selection.only_defined.join(", ");
            return Err(Error::not_found(format!(
                "what was chosen needs {needed}, which the database lacks, too"
            ))
            .hint("choose it too, with --table"));
        }
        selection.left_out.extend(lost);
        Ok(Selection { joined, ..selection })
    }
}

impl Choice<'_> {
    /// Whether the target has what an entry would make: it is not made again. What is part of something that is there stays
    /// as it is, but for indexes of partitions, which are part of two.
    pub(super) fn is_there(&self, id: i32) -> bool {
        let Some(entry) = self.by_id.get(&id).filter(|_| self.lacking.is_some()) else { return false };
        match entry.kind() {
            EntryKind::IndexAttach => false,
            _ if self.is_lost_part(entry) => false,
            _ if self.completes(entry) => self.whole_of(entry).is_some_and(|whole| self.has(whole)),
            _ => self.has(id),
        }
    }

    /// Whether it is a trigger, a policy, a rule or a foreign key that the target lacks.
    pub(super) fn is_lost_part(&self, entry: &TocEntry) -> bool {
        use EntryKind::{ForeignKey, Policy, Rule, Trigger};
        matches!(entry.kind(), Trigger | Policy | Rule | ForeignKey)
            && self.lacking.as_ref().is_some_and(|lacking| lacking.contains(&entry.dump_id()))
    }

    /// Whether an entry completes others, and does not stand for itself.
    fn completes(&self, entry: &TocEntry) -> bool {
        let kind = entry.kind();
        (PARTS.contains(&kind) && !RELATIONS.contains(&kind)) || kind.is_remark() || kind.is_setting()
    }

    /// Whether the target has an object that stands for itself.
    pub(super) fn has(&self, id: i32) -> bool {
        let is_there = self.lacking.as_ref().is_some_and(|lacking| !lacking.contains(&id));
        is_there && self.by_id.get(&id).is_some_and(|entry| !self.completes(entry))
    }

    /// The table, view or sequence that an entry is a part of.
    fn whole_of(&self, part: &TocEntry) -> Option<i32> {
        if part.kind().is_remark() {
            return None;
        }
        let ids = part.dependencies().filter_map(|id| self.by_id.get(&id));
        let mut ids: Vec<&&TocEntry> = ids.filter(|whole| RELATIONS.contains(&whole.kind())).collect();
        let is_sequences = matches!(part.kind(), EntryKind::SequenceSet | EntryKind::SequenceOwnedBy);
        ids.retain(|whole| (whole.kind() == EntryKind::Sequence) == is_sequences);
        let is_whole = |whole: &&&&TocEntry| match part.kind() {
            EntryKind::Index | EntryKind::Statistics => is_made_on(part, whole),
            _ => is_part_of(part, whole),
        };
        ids.iter().find(is_whole).or(ids.first()).map(|whole| whole.dump_id())
    }

    /// Refuses what was named and is there.
    pub(super) fn refuse_those_there(&self) -> Result<()> {
        let label = |is_wanted: &dyn Fn(i32) -> bool| -> Vec<String> {
            let wanted = self.chosen.iter().filter(|id| is_wanted(**id));
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

    /// Refuses identity columns whose sequence has the name of one that is there: nothing else can take its place.
    fn refuse_taken_sequences(&self) -> Result<()> {
        let sequences =
            self.toc.entries().iter().filter(|entry| entry.is_identity() && self.has(entry.dump_id()));
        let mut taken = sequences.filter(|entry| entry.dependencies().any(|id| self.kept.contains(&id)));
        let Some(sequence) = taken.next() else { return Ok(()) };
        let what = format!("the database has {}, as an identity column needs it", sequence.described());
        Err(Error::target_exists(what).hint("rename what is there: ALTER SEQUENCE … RENAME TO …"))
    }

    /// What was lost with the chosen and does not come with them, or may have been lost.
    fn lost_with_them(&self) -> Vec<String> {
        let is_made = |id: &i32| {
            self.kept.contains(id) && self.by_id.get(id).is_some_and(|made| !made.kind().is_setting())
        };
        let needs = |id: i32| self.made_of(id, |_| true).iter().any(is_made);
        let schemas: Vec<&[u8]> = self.made_schemas();
        let others = self.toc.entries().iter().filter(|entry| {
            let kind = entry.kind();
            !self.kept.contains(&entry.dump_id()) && !kind.is_remark() && !kind.is_content()
        });
        let lost = others.filter_map(|entry| {
            let (id, what) = (entry.dump_id(), entry.described());
            let whole = self.whole_of(entry).filter(|_| self.completes(entry));
            if whole.is_some_and(|whole| !self.has(whole)) {
                // It is named with what it is a part of.
                return None;
            }
            match entry.kind() {
                EntryKind::View | EntryKind::MaterializedView if !self.is_there(id) => {
                    needs(id).then(|| format!("{what} (it reads what is created: choose it too)"))
                }
                EntryKind::PublicationTable => entry
                    .dependencies()
                    .any(|id| self.chosen.contains(&id))
                    .then(|| format!("{what} (ALTER PUBLICATION … ADD TABLE adds it)")),
                EntryKind::SequenceOwnedBy => {
                    let is_used = entry.dependencies().any(|id| is_made(&id));
                    is_used.then(|| format!("{what} (the sequence is there already, and stays as it is)"))
                }
                kind if RELATIONS.contains(&kind) && !self.is_there(id) => {
                    let is_alone = kind != EntryKind::Sequence || !self.is_of_table(entry);
                    let is_lost = is_alone && !entry.inherits() && entry.dependencies().any(needs);
                    is_lost.then(|| format!("{what} (it needs what is created: choose it too)"))
                }
                EntryKind::Sequence => None,
                kind if RELATIONS.contains(&kind) => entry
                    .dependencies()
                    .any(needs)
                    .then(|| format!("what {what} used of it (columns or defaults may be gone: compare it)")),
                kind if KNOWN.contains(&kind) && self.has(id) => None,
                _ => {
                    let in_schema = entry.namespace().is_some_and(|schema| schemas.contains(&schema));
                    let is_lost = in_schema || entry.dependencies().any(needs);
                    is_lost.then(|| {
                        format!("{what} (it may be gone, too: `pgstow fetch` brings the dump that has it)")
                    })
                }
            }
        });
        lost.collect()
    }

    /// Whether a sequence belongs to a column.
    fn is_of_table(&self, sequence: &TocEntry) -> bool {
        let mut needed = sequence.dependencies().filter_map(|id| self.by_id.get(&id));
        needed.any(|needed| RELATIONS.contains(&needed.kind()))
    }

    /// The schemas that are created.
    fn made_schemas(&self) -> Vec<&[u8]> {
        let made = self.toc.entries().iter().filter(|entry| self.kept.contains(&entry.dump_id()));
        made.filter(|entry| entry.kind() == EntryKind::Schema).filter_map(TocEntry::tag).collect()
    }
}

/// Whether an index or extended statistics, which may read several tables, are made on this one: their names do not say it.
fn is_made_on(part: &TocEntry, whole: &TocEntry) -> bool {
    let plain = |name: &[u8]| name.iter().copied().filter(|byte| *byte != b'"').collect::<Vec<u8>>();
    let defn = plain(part.defn().unwrap_or_default());
    let (_, schema, name) = whole.identity();
    let name = plain(&[schema, b".", name].concat());
    let places: [&[u8]; 3] = [b" ON ", b" ON ONLY ", b" FROM "];
    places.iter().any(|before| memchr::memmem::find(&defn, &[before, name.as_slice()].concat()).is_some())
}
