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
        // `pg_restore` would run whatever else a stranger's archive says here.
        self.with_text(Field::Copy, &copy).with_defn(b"")
    }

    /// The same, but its table, which has no rows yet, is emptied right before they come, in their transaction.
    ///
    /// Then the server knows that nobody else can see them: it writes them as it would later rewrite them (frozen),
    /// and without WAL if `wal_level` is `minimal`. `None` for rows that are not copied into the table they are of.
    pub fn frozen(&self) -> Option<Self> {
        let (_, schema, name) = self.identity();
        let copy = self.copy_statement()?.strip_suffix(b" FROM stdin;\n")?;
        let is_own = self.copied_into()? == (schema.to_vec(), name.to_vec());
        // Up to PostgreSQL 11 a table could have oids, which are asked for in a way of old.
        let is_new = memchr::memmem::find(copy, b"WITH OIDS").is_none();
        let first = [b"TRUNCATE TABLE ONLY ", qualified(schema, name).as_slice(), b";\n"].concat();
        let frozen = [first.as_slice(), copy, b" FROM stdin WITH (FREEZE);\n"].concat();
        (is_own && is_new).then(|| self.with_text(Field::Copy, &frozen))
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

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &[u8] = include_bytes!("../../../tests/data/pg18.dump");

    #[test]
    fn rows_are_frozen_only_in_their_own_table() {
        let mut reader = crate::archive::Reader::new();
        reader.feed(DUMP).unwrap();
        let toc = reader.finish().unwrap().toc;
        let rows: Vec<_> = toc.entries().iter().filter(|entry| entry.is_copy()).collect();
        assert!(!rows.is_empty());
        for entry in rows {
            let (_, schema, name) = entry.identity();
            let copy = String::from_utf8_lossy(entry.copy_statement().unwrap()).into_owned();
            let frozen = entry.frozen().unwrap();
            let first = String::from_utf8_lossy(&qualified(schema, name)).into_owned();
            let expected = format!(
                "TRUNCATE TABLE ONLY {first};\n{}",
                copy.replace(" FROM stdin;", " FROM stdin WITH (FREEZE);")
            );
            assert_eq!(String::from_utf8_lossy(frozen.copy_statement().unwrap()), expected);
            assert_eq!((frozen.dump_id(), frozen.column_names()), (entry.dump_id(), entry.column_names()));
            assert_eq!(entry.with_rows_into(b"another", b"table", b"").frozen(), None);
            // Nothing else that an archive says there is run.
            let hostile = entry.with_defn(b"DROP TABLE t;").with_rows_into(schema, name, b"");
            assert_eq!(hostile.defn().unwrap_or_default(), b"");
            let old = copy.replace(" FROM stdin;", " WITH OIDS FROM stdin;");
            assert_eq!(entry.with_text(Field::Copy, old.as_bytes()).frozen(), None);
        }
    }
}
