//! Facts about an archive, read from its entries.

use super::reading::partition_key;
use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::sql::{EntryKind, decoded, decoded_of_server};
use std::borrow::Cow;

impl Toc {
    /// How many tables it defines, partitions and partitioned tables included.
    pub fn tables(&self) -> usize {
        self.entries().iter().filter(|entry| entry.kind() == EntryKind::Table).count()
    }

    /// The encoding of its names and data, as PostgreSQL calls it.
    pub fn encoding(&self) -> Option<String> {
        let encoding = self.entries().iter().find(|entry| entry.kind() == EntryKind::Encoding)?;
        // SET client_encoding = 'UTF8';
        let statement = String::from_utf8_lossy(encoding.defn()?);
        Some(statement.split('\'').nth(1)?.to_owned())
    }

    /// What a name or a statement of it means; `None` if it is no text in its encoding, or that is not known here.
    pub fn text<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        decoded(bytes, self.encoding().as_deref().unwrap_or("UTF8"))
    }

    /// The same of what all databases of the server share.
    pub fn text_of_server<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        decoded_of_server(bytes, self.encoding().as_deref().unwrap_or("UTF8"))
    }

    /// Whether it defines a table that would have rows of its own: a partitioned one has none.
    pub fn has_tables_for_rows(&self) -> bool {
        let mut tables = self.entries().iter().filter(|entry| entry.kind() == EntryKind::Table);
        tables.any(|table| partition_key(table).is_empty())
    }

    /// Whether the dump has all names in quotes, as with `--quote-all-identifiers`.
    pub fn quotes_all_names(&self) -> bool {
        let quotes: Vec<bool> = self.entries().iter().filter_map(TocEntry::quotes_names).collect();
        !quotes.is_empty() && quotes.into_iter().all(|quotes| quotes)
    }

    /// The numbers, in the database it is of, of the tables whose rows it has.
    pub fn tables_with_rows(&self) -> Vec<u32> {
        let rows = self.with_data().filter(|entry| entry.kind() == EntryKind::TableData);
        rows.filter_map(|entry| number(entry.oid())).collect()
    }
}

/// An oid as entries have it.
pub fn number(text: Option<&[u8]>) -> Option<u32> {
    std::str::from_utf8(text?).ok()?.parse().ok()
}

impl TocEntry {
    /// The state of a sequence: its last value, and whether that has been given out: `1021, true`.
    ///
    /// Only the entries of kind `SEQUENCE SET` have it.
    pub fn sequence_state(&self) -> Option<&str> {
        // SELECT pg_catalog.setval('public.tickets', 1021, true);
        let statement = (self.kind() == EntryKind::SequenceSet).then(|| self.defn()).flatten()?;
        let after_name = statement.iter().rposition(|byte| *byte == b'\'')? + 1;
        let rest = std::str::from_utf8(statement.get(after_name..)?).ok()?;
        Some(rest.split(')').next()?.trim_start_matches(',').trim())
    }
}
