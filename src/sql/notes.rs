//! Definitions without what a server keeps for itself in the options of columns.
//!
//! Since November 2026 a server notes there when a column was made (`pg_attver`). A `pg_dump` from before takes that for an
//! option that somebody has set: another server may not know it, and to one that does it would say something wrong.

use super::words::{Word, replaced, statements, words};
use std::ops::Range;

const NOTED: &[u8] = b"pg_attver";

/// The statements of a text without the server's own notes about columns; `None` if there are no such notes.
pub fn without_notes(text: &[u8]) -> Option<Vec<u8>> {
    memchr::memmem::find(text, NOTED)?;
    let places: Vec<_> = statements(text).filter_map(|(words, at)| changed(text, &words, at)).collect();
    (!places.is_empty()).then(|| replaced(text, &places))
}

/// Which part of a statement that sets a note changes, and into what: all of it goes if it sets nothing else.
fn changed(text: &[u8], statement: &[Word<'_>], at: Range<usize>) -> Option<(Range<usize>, Vec<u8>)> {
    let [alter, .., set, open, close] = statement else { return None };
    if !(alter.is(b"ALTER") && set.is(b"SET") && open.is_sign(b'(') && close.is_sign(b')')) {
        return None;
    }
    let inside = open.at.end..close.at.start;
    let options = text.get(inside.clone())?;
    let all: Vec<Word<'_>> = words(options).collect();
    let all: Vec<&[Word<'_>]> = all.split(|word| word.is_sign(b',')).collect();
    let is_kept = |option: &&&[Word<'_>]| !option.first().is_some_and(|name| name.is(NOTED));
    let kept = all.iter().filter(is_kept);
    let kept: Vec<&[u8]> =
        kept.filter_map(|option| options.get(option.first()?.at.start..option.last()?.at.end)).collect();
    if kept.len() == all.len() {
        return None;
    }
    if kept.is_empty() {
        return Some((text.get(..at.start)?.trim_ascii_end().len()..at.end, Vec::new()));
    }
    Some((inside, kept.join(&b", "[..])))
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
        assert_eq!(String::from_utf8(without_notes(text.as_bytes()).unwrap()).unwrap(), expected);
    }
}
