//! Definitions without what a server keeps for itself in the options of columns.
//!
//! Since November 2026 a server notes there when a column was made (`pg_attver`). A `pg_dump` from before takes that for an
//! option that somebody has set: another server may not know it, and to one that does it would say something wrong.

use crate::archive::format::entry::TocEntry;
use crate::sql::{Word, words};

const NOTED: &[u8] = b"pg_attver";

impl TocEntry {
    /// The same, but without the server's own notes about columns.
    #[must_use]
    pub fn without_versions(&self) -> Self {
        match self.defn().filter(|text| memchr::memmem::find(text, NOTED).is_some()) {
            Some(text) => self.with_defn(&without_versions(text)),
            None => self.clone(),
        }
    }
}

fn without_versions(text: &[u8]) -> Vec<u8> {
    let words: Vec<Word<'_>> = words(text).collect();
    let (mut rest, mut begin) = (Vec::new(), 0);
    for statement in words.split_inclusive(|word| word.depth == 0 && word.is_sign(b';')) {
        let end = statement.last().map_or(text.len(), |word| word.at.end);
        rest.extend(changed(text, statement, begin..end));
        begin = end;
    }
    rest.extend_from_slice(text.get(begin..).unwrap_or_default());
    rest
}

/// A statement without the note; nothing if that is all it sets.
fn changed(text: &[u8], statement: &[Word<'_>], range: std::ops::Range<usize>) -> Vec<u8> {
    let piece = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_vec();
    let sets = |pair: &[Word<'_>]| matches!(pair, [set, open] if set.is(b"SET") && open.is_sign(b'('));
    let is_alter = statement.first().is_some_and(|word| word.is(b"ALTER"));
    let Some(set) = statement.windows(2).position(sets).filter(|_| is_alter) else { return piece(range) };
    let (Some(open), Some(close)) =
        (statement.get(set + 1), statement.iter().rfind(|word| word.is_sign(b')')))
    else {
        return piece(range);
    };
    let options: Vec<&Word<'_>> = statement
        .iter()
        .filter(|word| word.at.start >= open.at.end && word.at.end <= close.at.start)
        .collect();
    let options: Vec<&[&Word<'_>]> = options.split(|word| word.is_sign(b',')).collect();
    let is_kept = |option: &&&[&Word<'_>]| !option.first().is_some_and(|name| name.is(NOTED));
    let kept: Vec<Vec<u8>> = options
        .iter()
        .filter(is_kept)
        .filter_map(|option| Some(piece(option.first()?.at.start..option.last()?.at.end)))
        .collect();
    if kept.len() == options.len() {
        return piece(range);
    }
    if kept.is_empty() {
        return Vec::new();
    }
    [piece(range.start..open.at.end), kept.join(&b", "[..]), piece(close.at.start..range.end)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_servers_own_note_goes() {
        let text = "CREATE TABLE public.t (\n    a integer DEFAULT 'SET (pg_attver=1)'\n)\nWITH (fillfactor='70');\n\
            ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1103132856, n_distinct=5);\n\
            ALTER TABLE ONLY public.t ALTER COLUMN \"b; SET (pg_attver=1)\" SET (pg_attver=1103132856);\n\
            ALTER TABLE ONLY public.t ALTER COLUMN c SET (n_distinct=-0.5, pg_attver=1, n_distinct_inherited=2);\n\
            ALTER TABLE ONLY public.t ALTER COLUMN d SET STATISTICS 100;\n\
            ALTER FOREIGN TABLE ONLY public.f ALTER COLUMN a SET (pg_attver=7);\n";
        let expected = "CREATE TABLE public.t (\n    a integer DEFAULT 'SET (pg_attver=1)'\n)\nWITH (fillfactor='70');\n\
            ALTER TABLE ONLY public.t ALTER COLUMN a SET (n_distinct=5);\n\
            ALTER TABLE ONLY public.t ALTER COLUMN c SET (n_distinct=-0.5, n_distinct_inherited=2);\n\
            ALTER TABLE ONLY public.t ALTER COLUMN d SET STATISTICS 100;\n";
        assert_eq!(String::from_utf8(without_versions(text.as_bytes())).unwrap(), expected);
    }
}
