//! The columns of a table's data, as its `COPY` statement names them.

use super::entry::TocEntry;
use crate::sql::{Token, Word, words};

/// Types whose text is a name as SQL writes it.
const NAMES: [&[u8]; 9] = [
    b"regclass",
    b"regcollation",
    b"regconfig",
    b"regdictionary",
    b"regnamespace",
    b"regproc",
    b"regprocedure",
    b"regrole",
    b"regtype",
];

impl TocEntry {
    /// Whether the table that it defines has a column that holds names of objects, as a `regclass` does.
    pub fn has_columns_of_names(&self) -> bool {
        has_columns_of(&NAMES, self.defn().unwrap_or_default())
    }

    /// Whether the table that it defines has a column that holds single bytes: `"char"`, which is not `char`.
    pub fn has_columns_of_bytes(&self) -> bool {
        has_columns_of(&[b"char"], self.defn().unwrap_or_default())
    }

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

    /// Whether its `COPY` has all names in quotes; `None` if there is none.
    pub fn quotes_names(&self) -> Option<bool> {
        let copy = self.copy_statement().filter(|_| self.is_copy())?;
        let mut names = words(copy).take_while(|word| !word.is(b"FROM")).filter(|word| word.name().is_some());
        Some(names.all(|word| matches!(word.token, Token::Quoted(_))))
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

/// Whether a table that is defined so has a column of one of these types.
fn has_columns_of(types: &[&[u8]], defn: &[u8]) -> bool {
    let words: Vec<Word<'_>> = words(defn).collect();
    words.windows(2).any(|two| {
        let [before, word] = two else { return false };
        // In `'orders_id_seq'::regclass` it is a default value's, and first of all comes the name of the column.
        let is_type = word.depth == 1 && !b":(,".iter().any(|sign| before.is_sign(*sign));
        is_type && word.name().is_some_and(|name| types.contains(&name.as_slice()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_a_type_are_told_from_columns_of_its_name() {
        for (columns, names, bytes) in [
            ("a regclass, b integer", true, false),
            ("a integer DEFAULT '1'::regclass, \"char\" integer, regtype text", false, false),
            ("\"char\" character(1), b \"char\"[]", false, true),
        ] {
            let defn = format!("CREATE TABLE t ({columns});");
            let has = |types: &[&[u8]]| has_columns_of(types, defn.as_bytes());
            assert_eq!((has(&NAMES), has(&[b"char"])), (names, bytes), "{columns}");
        }
    }
}
