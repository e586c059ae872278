//! The columns of a table's data, as its `COPY` statement names them.

use super::entry::TocEntry;
use crate::sql::{EntryKind, Token, Word, words};

/// Types whose text is a name as SQL writes it.
const NAMES: [&[u8]; 11] = [
    b"regclass",
    b"regcollation",
    b"regconfig",
    b"regdictionary",
    b"regnamespace",
    b"regoper",
    b"regoperator",
    b"regproc",
    b"regprocedure",
    b"regrole",
    b"regtype",
];

impl TocEntry {
    /// Whether the table or the type that it defines holds names of objects itself, as a `regclass` does.
    pub fn holds_names(&self) -> bool {
        !self.types_among(&NAMES).is_empty()
    }

    /// Whether it has such a type in quotes, which none of them needs.
    pub fn quotes_names(&self) -> bool {
        self.types_among(&NAMES).iter().any(|word| matches!(word.token, Token::Quoted(_)))
    }

    /// Whether the table that it defines has a column that holds single bytes: `"char"`, which is not `char`.
    pub fn has_columns_of_bytes(&self) -> bool {
        !self.types_among(&[b"char"]).is_empty()
    }

    /// Those of these types that the table or the type that it defines is made of.
    fn types_among(&self, types: &[&[u8]]) -> Vec<Word<'_>> {
        // The columns of a table, or of a composite type, are in parentheses; what a domain is made of is not.
        let depth = match self.kind() {
            EntryKind::Table | EntryKind::Type => 1,
            EntryKind::Domain => 0,
            _ => return Vec::new(),
        };
        let words: Vec<Word<'_>> = words(self.defn().unwrap_or_default()).collect();
        let found = words.windows(2).filter_map(|two| {
            let [before, word] = two else { return None };
            // In `'orders_id_seq'::regclass` it is a default value's, and first of all comes the name of the column.
            let is_type = word.depth == depth && !b":(,".iter().any(|sign| before.is_sign(*sign));
            let is_it = is_type && word.name().is_some_and(|name| types.contains(&name.as_slice()));
            is_it.then(|| word.clone())
        });
        found.collect()
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

#[cfg(test)]
mod tests {
    use crate::archive::tests::sample::preamble;

    #[test]
    fn columns_of_a_type_are_told_from_columns_of_its_name() {
        for (columns, names, bytes) in [
            ("a regclass, b integer", true, false),
            ("a integer DEFAULT '1'::regclass, \"char\" integer, regtype text", false, false),
            ("\"char\" character(1), b \"char\"[]", false, true),
        ] {
            let defn = format!("CREATE TABLE t ({columns});");
            let front = preamble(&[("TABLE", &defn, "boss")]);
            let table = front.toc.entries().first().unwrap();
            assert_eq!((table.holds_names(), table.has_columns_of_bytes()), (names, bytes), "{columns}");
        }
    }
}
