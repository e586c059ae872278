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

    /// The names of the columns that its data has, in their order, in the dump's encoding.
    pub fn column_names(&self) -> Vec<Vec<u8>> {
        let list = words(self.columns()).filter(|word| word.depth == 1);
        list.filter_map(|word| word.name()).collect()
    }
}
