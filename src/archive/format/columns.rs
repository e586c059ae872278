//! The columns of a table's data, as its `COPY` statement names them.

use super::entry::TocEntry;
use crate::sql::words;

impl TocEntry {
    /// The columns that its data has, in their order, as `COPY` names them: `(id, name) FROM stdin;`, or
    /// nothing if there are none.
    pub fn columns(&self) -> &[u8] {
        let copy = self.copy_statement().unwrap_or_default();
        let list = words(copy).find(|word| word.is_sign(b'('));
        list.and_then(|open| copy.get(open.at.start..)).unwrap_or_default()
    }

    /// The table that its `COPY` names, as schema and name; `None` if that has no schema.
    ///
    /// For a partition it is the root, if the rows have to find their partition anew.
    pub fn copied_into(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut words = words(self.copy_statement()?).skip(1);
        let schema = words.next()?.name()?;
        words.next().filter(|word| word.is_sign(b'.'))?;
        Some((schema, words.next()?.name()?))
    }

    /// Whether its rows go through the table that it is a partition of.
    pub fn passes_root(&self) -> bool {
        let (_, schema, name) = self.identity();
        self.copied_into().is_some_and(|into| (into.0.as_slice(), into.1.as_slice()) != (schema, name))
    }

    /// The names of the columns that its data has, in their order, in the dump's encoding.
    pub fn column_names(&self) -> Vec<Vec<u8>> {
        let list = words(self.columns()).filter(|word| word.depth == 1);
        list.filter_map(|word| word.name()).collect()
    }
}
