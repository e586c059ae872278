//! Chooses tables from a table of contents, with all that belongs to them and all they are made of.
//!
//! What a table is made of (its schema, types, functions, sequences, extensions) is found by following
//! the entries' own dependencies; so an archive of the chosen entries restores into an empty database.
//! What ties a chosen table to one that was not chosen, such as a foreign key, is left out and named.

mod alone;
mod joined;
mod missing;

use std::collections::{HashMap, HashSet};

use super::classes::Comparing;
use super::names::called;
use super::pattern::Pattern;
use crate::archive::format::entry::TocEntry;
use crate::archive::format::name::TableName;
use crate::archive::format::toc::Toc;
use crate::error::{Error, Result};
use crate::sql::EntryKind;

/// The kinds whose names a pattern may match.
pub(super) const RELATIONS: [EntryKind; 5] = [
    EntryKind::Table,
    EntryKind::View,
    EntryKind::MaterializedView,
    EntryKind::ForeignTable,
    EntryKind::Sequence,
];

/// Kinds of entries that belong to what they depend on.
const PARTS: [EntryKind; 18] = [
    EntryKind::TableData,
    EntryKind::Sequence,
    EntryKind::SequenceOwnedBy,
    EntryKind::SequenceSet,
    EntryKind::Default,
    EntryKind::Constraint,
    EntryKind::CheckConstraint,
    EntryKind::ForeignKey,
    EntryKind::Index,
    EntryKind::IndexAttach,
    EntryKind::TableAttach,
    EntryKind::Trigger,
    EntryKind::Rule,
    EntryKind::Policy,
    EntryKind::RowSecurity,
    EntryKind::Statistics,
    EntryKind::StatisticsData,
    EntryKind::MaterializedViewData,
];

/// What was chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The dump ids of the entries to keep.
    pub entries: HashSet<i32>,
    /// Tables and views that a chosen one needs, by name: they come empty.
    pub only_defined: Vec<String>,
    /// What is left out of chosen tables and why, a phrase each.
    pub left_out: Vec<String>,
    /// Data of partitions that the dump sends through their root, which was not chosen.
    pub of_partitions_alone: HashSet<i32>,
    /// What makes chosen partitions parts of tables that are there.
    pub joined: Joined,
}

/// What makes chosen partitions parts of tables that are there, by dump ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    /// What does it: after all else, as these tables give them what they do not have.
    pub last: HashSet<i32>,
    /// What would make their indexes parts of those of that table one by one: the server finds those that fit when the
    /// partition is attached.
    pub indexes: HashSet<i32>,
    /// The indexes that fit, and the numbers of what they fit to: the server compares them in the order in which they were made.
    pub fitting: HashMap<i32, usize>,
    /// What needs those.
    pub users: HashSet<i32>,
    /// Indexes of their own, which the server could take for those that fit: they come after that.
    pub own: HashSet<i32>,
    /// What is said first: constraints that the dump has for that table only, with its partitions.
    pub first: HashMap<i32, Vec<u8>>,
}

impl Toc {
    /// Chooses the tables, views, sequences and foreign tables that any of the patterns matches, and the
    /// partitions of those.
    ///
    /// # Errors
    /// `Kind::NotFound` if a pattern matches nothing; it gives similar names.
    pub fn select(&self, patterns: &[Pattern]) -> Result<Selection> {
        Ok(self.chosen(patterns, None)?.done())
    }

    /// What the patterns choose, for a database that lacks these entries, or an empty one.
    fn chosen(&self, patterns: &[Pattern], lacking: Option<HashSet<i32>>) -> Result<Choice<'_>> {
        let mut choice = Choice { lacking, ..Choice::of(self) };
        let encoding = self.encoding().unwrap_or_default();
        for pattern in patterns {
            let pattern = &pattern.in_encoding(&encoding);
            let matching = |entry: &&TocEntry| {
                let (_, schema, name) = entry.identity();
                choice.is_relation(entry) && pattern.matches(schema, name)
            };
            let matched: Vec<i32> = self.entries().iter().filter(matching).map(TocEntry::dump_id).collect();
            if matched.is_empty() {
                return Err(self.nothing_matches(pattern));
            }
            choice.chosen.extend(matched);
        }
        choice.refuse_those_there()?;
        choice.add_partitions();
        choice.keep_all();
        Ok(choice)
    }

    fn nothing_matches(&self, pattern: &Pattern) -> Error {
        let (schema, name) = pattern.nearly();
        let lower = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_lowercase();
        let relations = self.entries().iter().filter(|entry| RELATIONS.contains(&entry.kind()));
        let mut near: Vec<(f64, String)> = relations
            .filter_map(|entry| {
                let (_, its_schema, its_name) = entry.identity();
                let likeness = strsim::jaro_winkler(&name, &lower(its_name));
                let schema = schema.as_ref().map(|schema| strsim::jaro_winkler(schema, &lower(its_schema)));
                let pattern = TableName { schema: its_schema, name: its_name }.pattern();
                (likeness > 0.8).then(|| (likeness + schema.unwrap_or_default(), pattern))
            })
            .collect();
        near.sort_by(|(one, name), (other, another)| other.total_cmp(one).then_with(|| name.cmp(another)));
        near.dedup_by(|(_, one), (_, other)| one == other);
        let names: Vec<String> = near.into_iter().take(3).map(|(_, name)| name).collect();
        let error = Error::not_found(format!("no table, view or sequence of the backup matches {pattern}"));
        let error = if names.is_empty() {
            error.hint("`pgstow show … --tables` lists every table with rows")
        } else {
            error.hint(format!("did you mean {}?", names.join(" or ")))
        };
        error.hint(
            "if it was dropped before this backup was made, choose an earlier one: latest --before TIME",
        )
    }
}

/// What is being chosen.
struct Choice<'t> {
    toc: &'t Toc,
    by_id: HashMap<i32, &'t TocEntry>,
    /// Entries that others cannot be without: the rules that make a view of what begins as an empty shell.
    made_by: HashMap<i32, i32>,
    /// What only says whether a trigger of a partition fires, each with the trigger that this one comes from.
    triggers: HashMap<i32, i32>,
    /// Functions by their names in small letters.
    functions: HashMap<Vec<u8>, Vec<i32>>,
    /// Rows of tables that the dump does not define, since an extension does.
    of_extensions: HashSet<i32>,
    /// What the target lacks; `None` if it is empty.
    lacking: Option<HashSet<i32>>,
    chosen: HashSet<i32>,
    kept: HashSet<i32>,
    /// Those of the kept whose parts are kept too.
    whole: HashSet<i32>,
}

impl<'t> Choice<'t> {
    fn of(toc: &'t Toc) -> Self {
        let by_id: HashMap<i32, &TocEntry> =
            toc.entries().iter().map(|entry| (entry.dump_id(), entry)).collect();
        let of = |wanted: EntryKind| toc.entries().iter().filter(move |entry| entry.kind() == wanted);
        let made_by = toc.made_by();
        let undefined = |rows: &&TocEntry| !rows.dependencies().any(|id| by_id.contains_key(&id));
        let of_extensions = of(EntryKind::TableData).filter(undefined).map(TocEntry::dump_id).collect();
        let (triggers, functions) = (toc.inherited_triggers(), toc.functions());
        let (lacking, chosen, kept, whole) = Default::default();
        Self { toc, by_id, made_by, triggers, functions, of_extensions, lacking, chosen, kept, whole }
    }

    fn is_relation(&self, entry: &TocEntry) -> bool {
        // A database that is in use has the extension's rows.
        let of_extension = self.lacking.is_none() && self.of_extensions.contains(&entry.dump_id());
        RELATIONS.contains(&entry.kind()) || of_extension
    }

    /// Partitions hold the rows of the table they are parts of.
    fn add_partitions(&mut self) {
        loop {
            let (before, toc) = (self.chosen.len(), self.toc);
            for entry in toc.entries() {
                let ids: Vec<i32> = entry.dependencies().collect();
                if !ids.iter().any(|id| self.chosen.contains(id)) {
                    continue;
                }
                if entry.kind() == EntryKind::TableAttach {
                    let (_, schema, name) = entry.identity();
                    let is_partition = |id: &&i32| {
                        self.by_id.get(id).is_some_and(|table| {
                            let (_, its_schema, its_name) = table.identity();
                            self.is_relation(table) && (its_schema, its_name) == (schema, name)
                        })
                    };
                    self.chosen.extend(ids.iter().find(is_partition).copied());
                } else if self.is_relation(entry) && entry.attaches_itself() {
                    self.chosen.insert(entry.dump_id());
                }
            }
            if self.chosen.len() == before {
                // Partitions that are there were detached by somebody.
                let there: Vec<i32> = self.chosen.iter().copied().filter(|id| self.is_there(*id)).collect();
                there.iter().for_each(|id| _ = self.chosen.remove(id));
                return;
            }
        }
    }

    fn keep_all(&mut self) {
        // What every archive has: settings of the session that restores, and the database itself.
        let is_made = self.lacking.is_none();
        let always = |kind: EntryKind| kind.is_setting() || (kind == EntryKind::Database && is_made);
        let always = self.toc.entries().iter().filter(|entry| always(entry.kind()));
        self.kept.extend(always.map(TocEntry::dump_id));
        // The dump does not say which extension defines a table that the dump itself does not.
        let extensions = self.toc.entries().iter().filter(|entry| entry.kind() == EntryKind::Extension);
        let extensions: Vec<i32> = extensions.map(TocEntry::dump_id).collect();
        if self.chosen.iter().any(|id| self.of_extensions.contains(id)) {
            extensions.into_iter().for_each(|id| self.keep(id));
        }
        self.chosen.clone().into_iter().for_each(|id| self.keep(id));
        loop {
            let (before, toc) = (self.kept.len(), self.toc);
            for entry in toc.entries() {
                if !self.kept.contains(&entry.dump_id())
                    && !self.is_there(entry.dump_id())
                    && self.belongs(entry)
                    && self.missing(entry).is_empty()
                {
                    self.keep(entry.dump_id());
                    self.whole.insert(entry.dump_id());
                }
            }
            self.keep_classes();
            self.keep_called();
            if self.kept.len() == before {
                return;
            }
        }
    }

    /// Keeps the operator classes that constraints may compare by. The dump does not say which they are, as only their
    /// indexes depend on them, and these have no entries of their own; so nothing is left out for lack of one.
    fn keep_classes(&mut self) {
        let is_kept = |entry: &&TocEntry| self.kept.contains(&entry.dump_id());
        let constraints: Vec<Comparing> =
            self.toc.entries().iter().filter(is_kept).filter_map(Comparing::of).collect();
        let classes = [EntryKind::Extension, EntryKind::OperatorClass];
        let others = self.toc.entries().iter().filter(|entry| classes.contains(&entry.kind()));
        let used = others
            .filter(|entry| !is_kept(entry) && self.adds_little(entry))
            .filter(|entry| constraints.iter().any(|constraint| constraint.may_use(entry)));
        let used: Vec<i32> = used.map(TocEntry::dump_id).collect();
        used.into_iter().for_each(|id| self.keep(id));
    }

    /// Keeps the functions that kept ones may call: PostgreSQL does not know what is in a body, and so the dump does not
    /// say it. A function that is only named like one that is called does no harm.
    fn keep_called(&mut self) {
        let kept = self.toc.entries().iter().filter(|entry| self.kept.contains(&entry.dump_id()));
        let functions =
            kept.filter(|entry| matches!(entry.kind(), EntryKind::Function | EntryKind::Procedure));
        let names = functions.flat_map(|function| called(function.defn().unwrap_or_default()));
        let called = names.filter_map(|name| self.functions.get(&name)).flatten().copied();
        let called: HashSet<i32> = called.filter(|id| !self.kept.contains(id)).collect();
        let adds_little = |id: &i32| self.by_id.get(id).is_some_and(|entry| self.adds_little(entry));
        let called: Vec<i32> = called.into_iter().filter(adds_little).collect();
        called.into_iter().for_each(|id| self.keep(id));
    }

    /// Whether it needs no table, type or other extension but those that are kept: what only another table needs could be
    /// refused by the server.
    fn adds_little(&self, entry: &TocEntry) -> bool {
        let more = self.made_of(entry.dump_id(), |id| !self.kept.contains(&id)).into_iter();
        let more = more.filter(|id| *id != entry.dump_id() && !self.kept.contains(id));
        more.filter(|id| !self.is_there(*id)).filter_map(|id| self.by_id.get(&id)).all(|needed| {
            !self.is_relation(needed)
                && !matches!(needed.kind(), EntryKind::Extension | EntryKind::Type | EntryKind::Domain)
        })
    }

    /// Keeps an entry and all it is made of.
    fn keep(&mut self, id: i32) {
        for id in self.made_of(id, |_| true) {
            if self.is_there(id) {
                continue;
            }
            let entry = self.by_id.get(&id);
            if self.chosen.contains(&id) || entry.is_some_and(|entry| entry.kind() == EntryKind::Sequence) {
                self.whole.insert(id);
            }
            self.kept.insert(id);
        }
    }

    /// An entry and what it is made of, as far as `deeper` goes.
    fn made_of(&self, id: i32, deeper: impl Fn(i32) -> bool) -> HashSet<i32> {
        let (mut found, mut next) = (HashSet::new(), vec![id]);
        while let Some(id) = next.pop() {
            let Some(entry) = self.by_id.get(&id) else { continue };
            if !found.insert(id) || !deeper(id) || self.is_there(id) {
                continue;
            }
            next.extend(entry.dependencies());
            next.extend(self.made_by.get(&id));
        }
        found
    }

    /// Whether it is a part of something that is kept whole, or a remark on something that is kept.
    fn belongs(&self, entry: &TocEntry) -> bool {
        if entry.kind().is_remark() {
            return entry.dependencies().any(|id| self.kept.contains(&id)) || self.is_about_a_schema(entry);
        }
        let is_lost = self.is_lost_part(entry);
        let of_whole =
            entry.dependencies().any(|id| self.whole.contains(&id) || is_lost && self.kept.contains(&id));
        PARTS.contains(&entry.kind()) && (of_whole || self.hands_down(entry))
    }

    /// Whether partitions have something through it of the tables above them, which are kept because they need them: since
    /// PostgreSQL 17 only the topmost table says of a column that it is an identity.
    fn hands_down(&self, entry: &TocEntry) -> bool {
        let mut of = entry.dependencies();
        let is_kept = |id: &i32| self.kept.contains(id);
        match entry.kind() {
            EntryKind::TableAttach => of.all(|id| is_kept(&id)),
            EntryKind::Sequence if entry.is_identity() => {
                let mut tables = of.filter(is_kept).filter_map(|id| self.by_id.get(&id));
                tables.any(|table| !table.partition_key().is_empty())
            }
            _ => false,
        }
    }

    /// Whether it is a remark on a schema that every database has, and that is therefore not in the dump.
    fn is_about_a_schema(&self, remark: &TocEntry) -> bool {
        let schema = remark.tag().and_then(|tag| tag.strip_prefix(b"SCHEMA "));
        self.lacking.is_none()
            && schema.is_some_and(|schema| {
                self.chosen
                    .iter()
                    .any(|id| self.by_id.get(id).and_then(|entry| entry.namespace()) == Some(schema))
            })
    }

    /// The tables and views that an entry needs and that are not kept, or not with their rows.
    fn missing(&self, entry: &TocEntry) -> Vec<&'t TocEntry> {
        let chosen = |id: i32| self.chosen.contains(&id);
        let needed: Vec<i32> = match entry.kind() {
            // Their rows are needed too.
            EntryKind::ForeignKey => entry.dependencies().filter(|id| !chosen(*id)).collect(),
            EntryKind::MaterializedViewData => {
                let all = self.made_of(entry.dump_id(), |_| true).into_iter();
                all.filter(|id| {
                    !chosen(*id) && self.by_id.get(id).is_some_and(|entry| entry.kind() != EntryKind::View)
                })
                .collect()
            }
            // The table of the trigger that it comes from is needed with its triggers.
            EntryKind::Trigger if self.triggers.contains_key(&entry.dump_id()) => {
                let from = self.triggers.get(&entry.dump_id()).filter(|id| !self.kept.contains(id));
                from.and_then(|id| self.by_id.get(id))
                    .into_iter()
                    .flat_map(|from| from.dependencies())
                    .collect()
            }
            _ => {
                let all = self.made_of(entry.dump_id(), |id| !self.kept.contains(&id));
                all.into_iter().filter(|id| !self.kept.contains(id)).collect()
            }
        };
        let needed = needed.into_iter().filter_map(|id| self.by_id.get(&id).copied());
        let needed = needed.filter(|entry| !self.is_there(entry.dump_id()));
        needed.filter(|entry| self.is_relation(entry) && entry.kind() != EntryKind::Sequence).collect()
    }

    fn done(mut self) -> Selection {
        let entries = || self.toc.entries().iter();
        let empty = |entry: &&TocEntry| {
            let id = entry.dump_id();
            self.kept.contains(&id)
                && !self.chosen.contains(&id)
                && self.is_relation(entry)
                && entry.kind() != EntryKind::Sequence
        };
        let only_defined = entries().filter(empty).map(TocEntry::label).collect();
        let mut left_out: Vec<String> = entries()
            .filter(|entry| PARTS.contains(&entry.kind()) && !self.kept.contains(&entry.dump_id()))
            .filter(|entry| {
                let of = entry.dependencies().filter(|id| self.chosen.contains(id));
                let mut of = of.filter_map(|id| self.by_id.get(&id));
                // Their names do not begin with that of their table.
                let is_named_alone = matches!(entry.kind(), EntryKind::Index | EntryKind::Statistics);
                of.any(|whole| is_part_of(entry, whole) || (is_named_alone && self.is_relation(whole)))
            })
            .map(|entry| {
                let mut missing: Vec<String> = self.missing(entry).into_iter().map(TocEntry::label).collect();
                missing.sort();
                missing.dedup();
                format!("{} (needs {})", entry.described(), missing.join(", "))
            })
            .collect();
        left_out.extend(self.heirs());
        let of_partitions_alone = self.of_partitions_alone();
        left_out.extend(self.detach(&of_partitions_alone));
        let joined = Joined::default();
        Selection { entries: self.kept, only_defined, left_out, of_partitions_alone, joined }
    }
}

/// Whether an entry is named after a table or view: `orders`, or `orders` and its own name.
pub(super) fn is_part_of(part: &TocEntry, whole: &TocEntry) -> bool {
    let ((_, schema, tag), (_, its_schema, name)) = (part.identity(), whole.identity());
    schema == its_schema
        && tag.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(b" "))
}
