//! Which rows come after others although no entry says so.
//!
//! A CHECK constraint, a generated column or a partition key may call a function that reads other tables, if the function is
//! declared not to (`IMMUTABLE`). `pg_dump` sorts rows by the names of their tables; so a value could be computed before the
//! rows that it is computed from are there, and would be another one, without any error. What a function reads is seen by
//! what it depends on, and by the names in its text. A name that means something else costs some parallel work, and nothing
//! more.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::names::{function_name, names, quoted};
use super::select::RELATIONS;
use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::sql::{EntryKind, Word, words};

/// Rows that come after all that are not of this kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateRows {
    /// The dump id of their entry.
    pub id: i32,
    /// Other late rows that come before.
    pub after: BTreeSet<i32>,
    /// Whether rows that are read come later in the archive.
    pub too_early: bool,
    /// Whether it is a generated column that is computed from them, and not only from rows of extensions.
    pub generated: bool,
}

impl Toc {
    /// The rows of tables whose constraints, generated columns or partition keys call functions that read other tables, in an
    /// order in which each finds what it reads, as far as they do not read each other.
    pub fn late_rows(&self) -> Vec<LateRows> {
        let reading = Reading::of(self);
        let mut late: Vec<(i32, Reads)> =
            reading.rows().filter_map(|rows| Some((rows.dump_id(), reading.reads(rows)?))).collect();
        let known: BTreeSet<i32> =
            late.iter().filter(|(_, reads)| !reads.anything).map(|(id, _)| *id).collect();
        let places: HashMap<i32, usize> =
            reading.rows().enumerate().map(|(place, rows)| (rows.dump_id(), place)).collect();
        let too_early: HashSet<i32> = late
            .iter()
            .filter(|(id, reads)| {
                let is_later = |other: &i32| places.get(other) > places.get(id);
                let mut others = places.keys().filter(|other| reads.anything && !known.contains(other));
                reads.rows.iter().any(is_later) || others.any(is_later)
            })
            .map(|(id, _)| *id)
            .collect();
        for (_, reads) in late.iter_mut().filter(|(_, reads)| reads.anything) {
            reads.rows.extend(&known);
        }
        // Those whose needs are known choose first.
        late.sort_by_key(|(_, reads)| reads.anything);
        let ids: Vec<i32> = late.iter().map(|(id, _)| *id).collect();
        let generated: HashSet<i32> =
            late.iter().filter(|(_, reads)| reads.generated).map(|(id, _)| *id).collect();
        let needs: HashMap<i32, BTreeSet<i32>> =
            late.into_iter().map(|(id, reads)| (id, reads.rows)).collect();
        let mut before = BTreeSet::new();
        let ordered = in_order(&ids, &needs).into_iter().map(|id| {
            let needs = needs.get(&id).into_iter().flatten();
            let after = needs.copied().filter(|need| before.contains(need)).collect();
            before.insert(id);
            LateRows { id, after, too_early: too_early.contains(&id), generated: generated.contains(&id) }
        });
        ordered.collect()
    }

    /// The rows of tables with generated columns that are computed from other rows, each with these, as far as they are known.
    pub fn computed_rows(&self) -> Vec<(&TocEntry, BTreeSet<i32>)> {
        let reading = Reading::of(self);
        let reads = reading.rows().filter_map(|rows| Some((rows, reading.reads(rows)?)));
        let computed = reads.filter(|(_, reads)| reads.generated && !reads.rows.is_empty());
        computed.map(|(rows, reads)| (rows, reads.rows)).collect()
    }

    /// Each entry's place, with late rows after all others; `None` if what they read is there before them anyway.
    pub fn places_by_need(&self) -> Option<HashMap<i32, usize>> {
        let late = self.late_rows();
        if !late.iter().any(|rows| rows.too_early) {
            return None;
        }
        let ids: HashSet<i32> = late.iter().map(|rows| rows.id).collect();
        let is_rows = |entry: &&TocEntry| entry.has_data() && entry.kind() == EntryKind::TableData;
        let rows = self.entries().iter().filter(is_rows).map(TocEntry::dump_id);
        let mut ordered = rows.filter(|id| !ids.contains(id)).chain(late.iter().map(|rows| rows.id));
        // All that is not rows stays in its place.
        let places = self.entries().iter().enumerate().filter_map(|(place, entry)| {
            let id = if is_rows(&entry) { ordered.next()? } else { entry.dump_id() };
            Some((id, place))
        });
        Some(places.collect())
    }
}

/// These, each after those that it needs.
fn in_order(ids: &[i32], needs: &HashMap<i32, BTreeSet<i32>>) -> Vec<i32> {
    let (mut ordered, mut seen) = (Vec::new(), HashSet::new());
    let mut next: Vec<(i32, bool)> = ids.iter().rev().map(|id| (*id, false)).collect();
    while let Some((id, needs_passed)) = next.pop() {
        if needs_passed {
            ordered.push(id);
        } else if let Some(needs) = needs.get(&id)
            && seen.insert(id)
        {
            next.push((id, true));
            next.extend(needs.iter().rev().map(|need| (*need, false)));
        }
    }
    ordered
}

/// What is read while rows come.
#[derive(Default)]
struct Reads {
    /// The entries with the rows.
    rows: BTreeSet<i32>,
    /// Whether it may be any others, as a statement is put together at that time.
    anything: bool,
    /// Whether it is for a generated column, and more than rows of extensions.
    generated: bool,
}

/// What a table of contents says of what is read.
struct Reading<'t> {
    toc: &'t Toc,
    by_id: HashMap<i32, &'t TocEntry>,
    made_by: HashMap<i32, i32>,
    /// Relations and functions by their names in small letters, and rows of tables that an extension defines.
    named: HashMap<Vec<u8>, Vec<i32>>,
    /// A table's partitions, and the tables that inherit from it.
    below: HashMap<i32, Vec<i32>>,
    /// The entries with a table's rows.
    rows: HashMap<i32, Vec<i32>>,
    of_extensions: Vec<i32>,
}

impl<'t> Reading<'t> {
    fn of(toc: &'t Toc) -> Self {
        let by_id = toc.entries().iter().map(|entry| (entry.dump_id(), entry)).collect();
        let (named, below, rows, of_extensions) = Default::default();
        let mut reading = Self { toc, by_id, made_by: toc.made_by(), named, below, rows, of_extensions };
        for entry in toc.entries() {
            reading.add(entry);
        }
        reading
    }

    fn add(&mut self, entry: &TocEntry) {
        let (id, (_, schema, name)) = (entry.dump_id(), entry.identity());
        let tables: Vec<i32> =
            entry.dependencies().filter(|id| self.kind(*id) == Some(EntryKind::Table)).collect();
        match entry.kind() {
            EntryKind::TableData if tables.is_empty() => {
                self.named.entry(name.to_ascii_lowercase()).or_default().push(id);
                self.of_extensions.push(id);
            }
            EntryKind::TableData => {
                tables.into_iter().for_each(|table| self.rows.entry(table).or_default().push(id));
            }
            EntryKind::TableAttach => {
                let is_child = |id: &&i32| {
                    let identity = self.by_id.get(id).map(|table| table.identity());
                    identity.is_some_and(|(_, its_schema, its_name)| (its_schema, its_name) == (schema, name))
                };
                if let Some(child) = tables.iter().find(is_child).copied() {
                    let parents = tables.into_iter().filter(|table| *table != child);
                    parents.for_each(|parent| self.below.entry(parent).or_default().push(child));
                }
            }
            EntryKind::Function | EntryKind::Procedure => {
                self.named.entry(function_name(entry).to_ascii_lowercase()).or_default().push(id);
            }
            kind if RELATIONS.contains(&kind) => {
                self.named.entry(name.to_ascii_lowercase()).or_default().push(id);
                tables.into_iter().for_each(|parent| self.below.entry(parent).or_default().push(id));
            }
            _ => {}
        }
    }

    fn kind(&self, id: i32) -> Option<EntryKind> {
        self.by_id.get(&id).map(|entry| entry.kind())
    }

    fn is_partitioned(&self, table: i32) -> bool {
        self.by_id.get(&table).is_some_and(|table| !table.partition_key().is_empty())
    }

    fn rows(&self) -> impl Iterator<Item = &'t TocEntry> {
        self.toc.with_data().filter(|entry| entry.kind() == EntryKind::TableData)
    }

    /// What is read while these rows come; `None` if it is nothing but themselves.
    fn reads(&self, rows: &TocEntry) -> Option<Reads> {
        let tables = rows.dependencies().filter(|id| self.kind(*id) == Some(EntryKind::Table));
        let (mut reads, mut seen, mut next) = (Reads::default(), HashSet::new(), Vec::new());
        for table in tables {
            reads.generated |= self.called_by(table, &mut next);
        }
        while let Some(id) = next.pop() {
            let Some(entry) = self.by_id.get(&id).filter(|_| seen.insert(id)) else { continue };
            match entry.kind() {
                EntryKind::TableData => {
                    reads.rows.insert(id);
                }
                // Who reads a table reads no function of its columns.
                EntryKind::Table => {
                    reads.rows.extend(self.rows.get(&id).into_iter().flatten());
                    next.extend(self.below.get(&id).into_iter().flatten());
                }
                kind => {
                    next.extend(entry.dependencies());
                    next.extend(self.made_by.get(&id));
                    if matches!(kind, EntryKind::Function | EntryKind::Procedure) {
                        let text = entry.defn().unwrap_or_default();
                        next.extend(self.named_in(text));
                        reads.anything |= names(text).any(|name| name == b"execute");
                    }
                }
            }
        }
        reads.rows.remove(&rows.dump_id());
        // An extension brings its own rows, and few of its functions read the user's.
        reads.generated &= reads.anything || !reads.rows.iter().all(|id| self.of_extensions.contains(id));
        (reads.anything || !reads.rows.is_empty()).then_some(reads)
    }

    /// Adds the functions and operators that compute or check a table's values; says whether it has generated columns.
    fn called_by(&self, table: i32, called: &mut Vec<i32>) -> bool {
        let (mut generated, mut seen, mut next) = (false, HashSet::new(), vec![table]);
        while let Some(id) = next.pop() {
            let Some(entry) = self.by_id.get(&id).filter(|_| seen.insert(id)) else { continue };
            let text = computing(entry);
            generated |= memchr::memmem::find(&text, b"GENERATED").is_some();
            for id in entry.dependencies() {
                match self.kind(id) {
                    Some(EntryKind::Domain | EntryKind::Type) => next.push(id),
                    Some(EntryKind::Table) if entry.inherits() || self.is_partitioned(id) => next.push(id),
                    Some(EntryKind::Function) if self.is_in(id, &text) => called.push(id),
                    Some(EntryKind::Operator | EntryKind::Cast) if !text.is_empty() => called.push(id),
                    // Nobody knows which of its functions are called, nor what they read.
                    Some(EntryKind::Extension) if !text.is_empty() => called.extend(&self.of_extensions),
                    _ => {}
                }
            }
        }
        generated
    }

    /// Whether a function's name is in a text.
    fn is_in(&self, function: i32, text: &[u8]) -> bool {
        let name = self.by_id.get(&function).map(|entry| function_name(entry)).unwrap_or_default();
        !text.is_empty() && memchr::memmem::find(text, name).is_some()
    }

    /// What the names in a text may stand for.
    fn named_in(&self, text: &[u8]) -> Vec<i32> {
        let words = names(text).chain(quoted(text));
        words.filter_map(|name| self.named.get(&name)).flatten().copied().collect()
    }
}

/// What of a definition is computed for every row that comes: generated columns, CHECK constraints and the partition key,
/// but no defaults, as the rows have all values.
fn computing(entry: &TocEntry) -> Vec<u8> {
    let defn = entry.defn().unwrap_or_default();
    let depth = usize::from(entry.kind() == EntryKind::Table);
    let words: Vec<Word<'_>> = words(defn).filter(|word| word.depth >= depth).collect();
    let parts = words.split(|word| word.depth == depth && word.is_sign(b','));
    let has =
        |part: &[Word<'_>], keyword: &[u8]| part.iter().any(|word| word.depth == depth && word.is(keyword));
    let is_default = |part: &[Word<'_>]| entry.kind() == EntryKind::Table && has(part, b"DEFAULT");
    let computing = parts.filter(|part| has(part, b"CHECK") || has(part, b"GENERATED"));
    let mut text = entry.partition_key().to_vec();
    for part in computing.filter(|part| !is_default(part)) {
        let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
        text.extend_from_slice(defn.get(first.at.start..last.at.end).unwrap_or_default());
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::format::preamble::Preamble;
    use crate::archive::read::reader::Reader;

    fn front() -> Preamble {
        let mut reader = Reader::new();
        reader.feed(include_bytes!("../../../tests/data/late15.dump")).unwrap();
        reader.preamble().unwrap()
    }

    fn name(front: &Preamble, id: i32) -> String {
        front.toc.entries().iter().find(|entry| entry.dump_id() == id).unwrap().label()
    }

    #[test]
    fn rows_come_after_those_that_their_values_are_computed_from() {
        let front = front();
        let late = front.toc.late_rows();
        let found: Vec<_> = late
            .iter()
            .map(|rows| {
                let after = rows.after.iter().map(|id| name(&front, *id)).collect::<Vec<_>>();
                (name(&front, rows.id), after.join(" "), rows.too_early, rows.generated)
            })
            .collect();
        let any = "public.Base public.against public.also_1 public.also_2 public.bounded_1 public.child public.first public.parent public.second";
        let expected = [
            ("public.Base", "", true, true),
            ("public.also_1", "public.Base", false, true),
            ("public.also_2", "public.Base", false, true),
            ("public.against", "public.also_1 public.also_2", true, false),
            ("public.bounded_1", "", true, false),
            ("public.child", "", true, false),
            ("public.second", "", false, false),
            ("public.first", "public.second", true, false),
            ("public.parent", "", true, false),
            ("public.any_other", any, true, true),
        ];
        let expected = expected.map(|(label, after, too_early, generated)| {
            (label.to_owned(), after.to_owned(), too_early, generated)
        });
        let sorted = |(label, after, too_early, generated): (String, String, bool, bool)| {
            let mut after: Vec<_> = after.split(' ').map(str::to_owned).collect();
            after.sort();
            (label, after, too_early, generated)
        };
        let found: Vec<_> = found.into_iter().map(sorted).collect();
        assert_eq!(found, expected.map(sorted));
    }

    #[test]
    fn it_is_known_from_which_rows_generated_columns_are_computed() {
        let front = front();
        let computed = front.toc.computed_rows().into_iter().map(|(rows, reads)| {
            (rows.label(), reads.into_iter().map(|id| name(&front, id)).collect::<Vec<_>>().join(" "))
        });
        let expected = [
            ("public.Base", "public.rates"),
            ("public.also_1", "public.Base"),
            ("public.also_2", "public.Base"),
        ];
        let expected = expected.map(|(label, reads)| (label.to_owned(), reads.to_owned()));
        assert_eq!(computed.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn only_rows_change_their_places() {
        let front = front();
        let places = front.toc.places_by_need().unwrap();
        let ordered = front.in_order(|entry| places[&entry.dump_id()]);
        assert_eq!(ordered.toc.entries().len(), front.toc.entries().len());
        for (one, other) in front.toc.entries().iter().zip(ordered.toc.entries()) {
            assert_eq!(one.kind(), other.kind());
            assert!(one.kind() == EntryKind::TableData || one == other, "{one:?} {other:?}");
        }
        let rows: Vec<String> = ordered.toc.with_data().map(TocEntry::label).collect();
        let expected = [
            "alone",
            "own",
            "rates",
            "zone",
            "Base",
            "also_1",
            "also_2",
            "against",
            "bounded_1",
            "child",
            "second",
            "first",
            "parent",
            "any_other",
        ];
        assert_eq!(rows, expected.map(|name| format!("public.{name}")));
        // Of two that read each other, one cannot come after the other.
        let early = ordered.toc.late_rows().into_iter().filter(|rows| rows.too_early);
        assert_eq!(early.map(|rows| name(&ordered, rows.id)).collect::<Vec<_>>(), ["public.second"]);
    }
}
