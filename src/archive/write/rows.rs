//! Some of a table's rows as a block of their own, and rows that go into another table.

use super::writer::Writer;
use crate::archive::format::block::{COPY_END, DATA};
use crate::archive::format::entry::{Field, TocEntry};
use crate::archive::format::fields::int_bytes;
use crate::archive::format::preamble::Preamble;
use crate::sql::{EntryKind, quoted};
use std::collections::HashSet;

impl TocEntry {
    /// The same, but with its rows copied into this table, after `first`, which is SQL.
    #[must_use]
    pub fn with_rows_into(&self, schema: &[u8], name: &[u8], first: &[u8]) -> Self {
        let columns: Vec<Vec<u8>> = self.column_names().iter().map(|column| quoted(column)).collect();
        let columns = if columns.is_empty() {
            Vec::new()
        } else {
            [b" (", columns.join(&b", "[..]).as_slice(), b")"].concat()
        };
        let copy = [first, b"COPY ", &qualified(schema, name), &columns, b" FROM stdin;\n"].concat();
        self.with_text(Field::Copy, &copy)
    }
}

impl Preamble {
    /// The same, but the rows of these entries go into the tables that they are named after, which are no partitions
    /// then.
    #[must_use]
    pub fn with_rows_where_they_were(&self, of: &HashSet<i32>) -> Self {
        let rows = || self.toc.entries().iter().filter(|entry| of.contains(&entry.dump_id()));
        let tables: HashSet<(&[u8], &[u8])> = rows().map(table).collect();
        self.with(|entry| {
            let (schema, name) = table(entry);
            if of.contains(&entry.dump_id()) {
                entry.with_rows_into(schema, name, b"")
            } else if tables.contains(&(schema, name)) && entry.kind() == EntryKind::Table {
                entry.on_its_own()
            } else {
                entry.clone()
            }
        })
    }
}

fn table(entry: &TocEntry) -> (&[u8], &[u8]) {
    let (_, schema, name) = entry.identity();
    (schema, name)
}

/// A table's name as SQL writes it.
pub fn qualified(schema: &[u8], name: &[u8]) -> Vec<u8> {
    if schema.is_empty() { quoted(name) } else { [quoted(schema), quoted(name)].join(&b'.') }
}

/// What comes before a table's rows.
pub fn rows_begin(dump_id: i32) -> Vec<u8> {
    let mut begin = Writer::default();
    begin.block(DATA, dump_id);
    begin.into_bytes()
}

/// What comes before rows of this many bytes, at least one.
pub fn chunk_head(length: usize) -> Vec<u8> {
    // Fits: rows come in pieces of some hundred kilobytes.
    int_bytes(i32::try_from(length).unwrap_or(i32::MAX)).to_vec()
}

/// What comes after a table's rows, if they stop before the end of their block.
pub fn rows_end() -> Vec<u8> {
    let mut end = Writer::default();
    end.chunk(COPY_END);
    end.end();
    end.into_bytes()
}
