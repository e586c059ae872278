//! What people and restores want to know of an archive, read from its entries.

use crate::archive::format::toc::{Toc, TocEntry};
use crate::archive::read::reader::Contents;

impl Contents {
    /// How many tables it defines, partitions and partitioned tables included.
    pub fn tables(&self) -> usize {
        self.toc.tables()
    }

    /// How many rows its data has; `None` where those of some table cannot be counted.
    pub fn rows(&self) -> Option<u64> {
        let data = self.toc.with_data().zip(&self.blocks);
        data.filter(|(entry, _)| entry.desc() == Some(b"TABLE DATA")).map(|(_, block)| block.rows).sum()
    }
}

impl Toc {
    /// How many tables it defines, partitions and partitioned tables included.
    pub fn tables(&self) -> usize {
        self.entries().iter().filter(|entry| entry.desc() == Some(b"TABLE")).count()
    }

    /// The encoding of its names and data, as PostgreSQL calls it.
    pub fn encoding(&self) -> Option<String> {
        let encoding = self.entries().iter().find(|entry| entry.desc() == Some(b"ENCODING"))?;
        // SET client_encoding = 'UTF8';
        let statement = String::from_utf8_lossy(encoding.defn()?);
        Some(statement.split('\'').nth(1)?.to_owned())
    }

    /// The statement that would create the source's database, with its encoding and locale.
    pub fn create_database(&self) -> Option<String> {
        let database = self.entries().iter().find(|entry| entry.desc() == Some(b"DATABASE"))?;
        Some(String::from_utf8_lossy(database.defn()?).into_owned())
    }
}

impl TocEntry {
    /// What kind of object it is, in which schema, and its name there.
    pub fn identity(&self) -> (&[u8], &[u8], &[u8]) {
        let [desc, namespace, tag] =
            [self.desc(), self.namespace(), self.tag()].map(Option::unwrap_or_default);
        (desc, namespace, tag)
    }

    /// Where a sequence stands, as its last value and whether that has been given out: `1021, true`.
    ///
    /// Only the entries of kind `SEQUENCE SET` say it.
    pub fn stands_at(&self) -> Option<&str> {
        // SELECT pg_catalog.setval('public.tickets', 1021, true);
        let statement = (self.desc() == Some(b"SEQUENCE SET")).then(|| self.defn()).flatten()?;
        let after_name = statement.iter().rposition(|byte| *byte == b'\'')? + 1;
        let rest = std::str::from_utf8(statement.get(after_name..)?).ok()?;
        Some(rest.split(')').next()?.trim_start_matches(',').trim())
    }

    /// The columns that its data has, in their order, as `COPY` names them.
    pub fn columns(&self) -> &[u8] {
        let copy = self.copy_statement().unwrap_or_default();
        // COPY app."a (b" (id, name) FROM stdin; with no list where there are no columns.
        let mut quoted = false;
        let open = copy.iter().position(|byte| {
            quoted ^= *byte == b'"';
            *byte == b'(' && !quoted
        });
        open.and_then(|open| copy.get(open..)).unwrap_or_default()
    }
}
