//! Facts about an archive, read from its entries.

use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::sql::{EntryKind, decoded, decoded_of_server};
use std::borrow::Cow;
use std::collections::HashSet;

impl Toc {
    /// How many tables it defines, partitions and partitioned tables included.
    pub fn tables(&self) -> usize {
        self.of_kind(EntryKind::Table).count()
    }

    /// The names of the extensions that it creates.
    pub fn extensions(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.of_kind(EntryKind::Extension)
            .map(|entry| String::from_utf8_lossy(entry.tag().unwrap_or_default()))
    }

    /// The encoding of its names and data, as PostgreSQL calls it.
    pub fn encoding(&self) -> Option<String> {
        let encoding = self.of_kind(EntryKind::Encoding).next()?;
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
        let mut tables = self.of_kind(EntryKind::Table);
        tables.any(|table| table.partition_key().is_empty())
    }

    /// Whether the dump has all names in quotes, as with `--quote-all-identifiers`, if there are types to whose values that
    /// matters.
    pub fn quotes_all_names(&self) -> bool {
        self.entries().iter().any(TocEntry::quotes_names)
    }

    /// Whether a backslash in a plain string means itself: unless the source's `standard_conforming_strings` was off.
    pub fn has_standard_strings(&self) -> bool {
        let mut strings = self.of_kind(EntryKind::StdStrings);
        // SET standard_conforming_strings = 'on';
        !strings.any(|entry| entry.defn().is_some_and(|text| text.ends_with(b"'off';\n")))
    }

    /// The tables and types that hold names of objects, by their dump ids: those of a column, of a parent's column, of a type.
    pub fn holders_of_names(&self) -> HashSet<i32> {
        let is_made_of = |entry: &&TocEntry| {
            matches!(entry.kind(), EntryKind::Table | EntryKind::Type | EntryKind::Domain)
        };
        let all: Vec<&TocEntry> = self.entries().iter().filter(is_made_of).collect();
        let mut holders: HashSet<i32> =
            all.iter().filter(|entry| entry.holds_names()).map(|entry| entry.dump_id()).collect();
        loop {
            let before = holders.len();
            for entry in &all {
                if entry.dependencies().any(|id| holders.contains(&id)) {
                    holders.insert(entry.dump_id());
                }
            }
            if holders.len() == before {
                return holders;
            }
        }
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

#[cfg(test)]
mod tests {
    use crate::archive::tests::sample::preamble;

    /// In the sample each entry depends on all before it.
    #[test]
    fn names_are_held_by_columns_parents_and_types() {
        let toc = preamble(&[
            (
                "TABLE",
                "CREATE TABLE public.a (\n n integer DEFAULT nextval('s'::regclass) NOT NULL\n);\n",
                "",
            ),
            ("DOMAIN", "CREATE DOMAIN public.d AS regclass;\n", ""),
            ("TABLE", "CREATE TABLE public.b (\n a public.d\n);\n", ""),
            ("VIEW", "", ""),
        ])
        .toc;
        let mut holders: Vec<i32> = toc.holders_of_names().into_iter().collect();
        holders.sort_unstable();
        assert_eq!(holders, [2, 3]);
    }

    #[test]
    fn names_are_in_quotes_if_those_are_that_need_none() {
        for (table, quotes) in [
            ("CREATE TABLE \"App\".\"T\" (\n \"Of\" regclass\n);\n", false),
            ("CREATE TABLE \"App\".\"T\" (\n \"order\" regclass[]\n);\n", false),
            ("CREATE TABLE \"public\".\"t\" (\n \"of\" \"regclass\"\n);\n", true),
        ] {
            assert_eq!(preamble(&[("TABLE", table, "")]).toc.quotes_all_names(), quotes, "{table}");
        }
    }
}
