//! What is read by several sessions, and in which ranges.

use crate::archive::{Preamble, TocEntry, number, qualified};
use crate::error::Result;
use crate::postgres::{DumpOptions, Heap, KNOWS_PAGE_RANGES, Psql, Server, heaps};
use crate::sql::{EntryKind, quoted};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most tables that are cut; each is a name in the arguments of `pg_dump`, and a lock.
const MOST_TABLES: usize = 500;
/// The most names in one pattern: the server matches it as a regular expression, whose memory grows with the square.
const NAMES_IN_PATTERN: usize = 50;
/// Options of `pg_dump` that change nothing about rows.
const HARMLESS: [&str; 14] = [
    "--no-owner",
    "--no-acl",
    "--no-privileges",
    "--no-comments",
    "--no-policies",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-tablespaces",
    "--no-table-access-method",
    "--no-toast-compression",
    "--no-sync",
    "--verbose",
    "-v",
];

/// Why this database cannot be read by several sessions, if that is known already.
pub fn obstacle(options: &DumpOptions, server: &Server) -> Option<String> {
    if server.version().major < KNOWS_PAGE_RANGES {
        return Some(format!("PostgreSQL {} cannot read a range of pages", server.version().major));
    }
    let other = options.extra.iter().find(|option| !HARMLESS.contains(&option.as_str()))?;
    Some(format!("with the option {other} of pg_dump that is not possible"))
}

/// Which tables are cut, by the number of their entry.
#[derive(Debug)]
pub struct Plan {
    tables: BTreeMap<i32, Arc<Table>>,
}

/// A table that is cut.
#[derive(Debug)]
pub struct Table {
    schema: Vec<u8>,
    name: Vec<u8>,
    columns: Vec<u8>,
    heap: Heap,
    /// Pages that are read at a time.
    step: u64,
}

impl Plan {
    /// Cuts those of the heaps whose rows the dump has as they are in the table's pages.
    pub fn of(preamble: &Preamble, heaps: &[Heap], range: u64) -> Self {
        let plain: BTreeMap<u32, &TocEntry> =
            preamble.toc.with_data().filter_map(|entry| Some((plain(entry)?, entry))).collect();
        let tables = heaps.iter().filter_map(|heap| {
            let entry = plain.get(&heap.oid)?;
            let (_, schema, name) = entry.identity();
            let (schema, name, columns) = (schema.to_vec(), name.to_vec(), columns(entry)?);
            let step = step(heap, range);
            Some((entry.dump_id(), Arc::new(Table { schema, name, columns, heap: heap.clone(), step })))
        });
        Self { tables: tables.collect() }
    }

    /// How many tables are cut.
    pub fn tables(&self) -> usize {
        self.tables.len()
    }

    /// Into how many ranges.
    pub fn ranges(&self) -> u64 {
        self.tables.values().map(|table| table.ranges()).sum()
    }

    /// Their bytes, as the server keeps them.
    pub fn bytes(&self) -> u64 {
        self.tables.values().map(|table| table.heap.bytes).sum()
    }

    /// Patterns for `pg_dump` that match the tables.
    pub fn patterns(&self) -> Vec<Vec<u8>> {
        patterns(self.tables.values().map(|table| (&table.schema[..], &table.name[..])))
    }

    /// The tables' oids, and their names as SQL.
    pub fn names(&self) -> Vec<(u32, Vec<u8>)> {
        self.tables.values().map(|table| (table.heap.oid, table.called())).collect()
    }

    /// The entries with data that are not cut.
    pub fn left_over<'a>(&'a self, preamble: &'a Preamble) -> impl Iterator<Item = &'a TocEntry> {
        preamble.toc.with_data().filter(|entry| self.table(entry).is_none())
    }

    /// The table of this entry, if it is cut.
    pub fn table(&self, entry: &TocEntry) -> Option<&Arc<Table>> {
        self.tables.get(&entry.dump_id())
    }
}

impl Table {
    /// Into how many ranges it is cut.
    pub fn ranges(&self) -> u64 {
        self.heap.pages.div_ceil(self.step)
    }

    /// The table's oid, and the statement that reads one of them, numbered from 0 in the order of its pages.
    pub fn range(&self, number: u64) -> (u32, Vec<u8>) {
        let (from, to) = (number * self.step, (number + 1) * self.step);
        // What was added after it was asked how large the table is belongs to the last range.
        let end = if to < self.heap.pages { format!(" AND ctid < '({to},0)'") } else { String::new() };
        let copy = [
            b"COPY (SELECT ",
            &self.columns[..],
            b" FROM ONLY ",
            &self.called(),
            format!(" WHERE ctid >= '({from},0)'{end}) TO STDOUT").as_bytes(),
        ]
        .concat();
        (self.heap.oid, copy)
    }

    /// Its name as SQL.
    fn called(&self) -> Vec<u8> {
        qualified(&self.schema, &self.name)
    }
}

/// The tables that are worth being cut, as far as the server knows: those of this dump, or of the whole database. One of
/// less than two ranges is left to `pg_dump`.
pub async fn large(psql: &Psql, dump: Option<&Preamble>, range: u64) -> Result<Vec<Heap>> {
    let oids: Option<Vec<u32>> = dump.map(|dump| dump.toc.with_data().filter_map(plain).collect());
    heaps(psql, oids.as_deref(), range.saturating_mul(2), MOST_TABLES).await
}

/// Patterns for `pg_dump` that match these tables, each a schema and a name, and nothing else: few, as `pg_dump` asks three
/// questions for each.
pub fn patterns<'t>(tables: impl Iterator<Item = (&'t [u8], &'t [u8])>) -> Vec<Vec<u8>> {
    let mut names: BTreeMap<&[u8], Vec<Vec<u8>>> = BTreeMap::new();
    for (schema, name) in tables {
        names.entry(schema).or_default().push(quoted(name));
    }
    let mut patterns = Vec::new();
    for (schema, names) in names {
        for names in names.chunks(NAMES_IN_PATTERN) {
            patterns.push([&quoted(schema)[..], b".(", &names.join(&b'|'), b")"].concat());
        }
    }
    patterns
}

/// Into how many ranges they can be cut.
pub fn ranges(heaps: &[Heap], range: u64) -> u64 {
    heaps.iter().map(|heap| heap.pages.div_ceil(step(heap, range))).fold(0, u64::saturating_add)
}

/// The pages of a range. Long values are read with the row they belong to, so they count.
fn step(heap: &Heap, range: u64) -> u64 {
    (range.saturating_mul(heap.pages) / heap.bytes.max(1)).max(1)
}

/// The oid of a table whose rows are what its pages hold, as far as the dump says.
fn plain(entry: &TocEntry) -> Option<u32> {
    let (_, schema, name) = entry.identity();
    // In a script for psql a command may begin with it, whatever quotes it stands in.
    let has_backslash = [schema, name, entry.columns()].iter().any(|sql| sql.contains(&b'\\'));
    let is_plain = entry.kind() == EntryKind::TableData
        && entry.is_copy()
        && !has_backslash
        // Something here says that they go through the root of partitions.
        && entry.defn().unwrap_or_default().is_empty()
        && entry.copied_into().is_some_and(|(into, table)| into == schema && table == name);
    if !is_plain {
        return None;
    }
    number(entry.oid())
}

/// The columns as `SELECT` names them.
fn columns(entry: &TocEntry) -> Option<Vec<u8>> {
    let list = entry.columns().strip_prefix(b"(")?;
    Some(list.strip_suffix(b"\n").unwrap_or(list).strip_suffix(b") FROM stdin;")?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Reader;

    fn table(pages: u64, bytes: u64, range: u64) -> Table {
        let name = [b"a b".to_vec(), b"t\"u".to_vec()];
        let heap = Heap { oid: 1, name: name.clone(), pages, bytes };
        let ([schema, name], step) = (name, step(&heap, range));
        let table = Table { schema, name, columns: b"id, \"x y\"".to_vec(), heap, step };
        assert_eq!(ranges(std::slice::from_ref(&table.heap), range), table.ranges());
        table
    }

    #[test]
    fn a_schema_has_one_pattern_for_every_fifty_tables() {
        let names = [("b", "t\"u"), ("a", "X y"), ("b", "v.w|(x)")];
        let found = patterns(names.iter().map(|(schema, name)| (schema.as_bytes(), name.as_bytes())));
        let found: Vec<String> =
            found.into_iter().map(|pattern| String::from_utf8(pattern).unwrap()).collect();
        assert_eq!(found, [r#""a".("X y")"#, r#""b".("t""u"|"v.w|(x)")"#]);
        let many: Vec<String> = (0..101).map(|number| format!("t{number}")).collect();
        assert_eq!(patterns(many.iter().map(|name| (&b"a"[..], name.as_bytes()))).len(), 3);
    }

    #[test]
    fn every_page_is_in_one_range_and_the_last_has_no_end() {
        let table = table(10, 10 << 13, 4 << 13);
        let text = |number| String::from_utf8(table.range(number).1).unwrap();
        let text: Vec<String> = (0..table.ranges()).map(text).collect();
        let from = "COPY (SELECT id, \"x y\" FROM ONLY \"a b\".\"t\"\"u\" WHERE ctid >= ";
        assert_eq!(
            text,
            [
                format!("{from}'(0,0)' AND ctid < '(4,0)') TO STDOUT"),
                format!("{from}'(4,0)' AND ctid < '(8,0)') TO STDOUT"),
                format!("{from}'(8,0)') TO STDOUT"),
            ]
        );
    }

    #[test]
    fn long_values_make_ranges_of_fewer_pages() {
        assert_eq!(table(100, 100 << 20, 10 << 20).ranges(), 10);
        // A page whose values are longer than a range is a range of its own.
        assert_eq!(table(3, 100 << 20, 1 << 20).ranges(), 3);
        assert_eq!(table(1, 1, u64::MAX).ranges(), 1);
    }

    #[test]
    fn a_pattern_matches_one_name() {
        assert_eq!(table(1, 1, 1).called(), b"\"a b\".\"t\"\"u\"");
    }

    #[test]
    fn columns_are_those_of_the_dump() {
        let mut reader = Reader::new();
        reader.feed(include_bytes!("../../tests/data/pg18.dump")).unwrap();
        let toc = reader.finish().unwrap().toc;
        assert_eq!(toc.encoding().as_deref(), Some("UTF8"));
        let plain: Vec<&TocEntry> = toc.with_data().filter(|entry| plain(entry).is_some()).collect();
        assert!(!plain.is_empty());
        for entry in plain {
            let named = entry.column_names();
            let list = columns(entry);
            assert_eq!(list.is_none(), named.is_empty(), "{entry:?}");
            let parts = list.map(|list| list.split(|byte| *byte == b',').count());
            assert_eq!(parts.unwrap_or_default(), named.len(), "{entry:?}");
        }
    }
}
