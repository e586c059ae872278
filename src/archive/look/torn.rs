//! Definitions that `pg_dump` wrote although their object was dropped meanwhile.
//!
//! `pg_dump` reads the catalogues in its snapshot, but has the server write definitions, and the server's
//! functions for that see the catalogues of that moment. Tables are locked against it; functions, types,
//! operators, indexes and triggers are not. If one is dropped (or replaced) between the snapshot and its turn,
//! `pg_dump` gets nothing for it, writes that nothing down, and ends without an error: the archive is whole, and
//! does not restore.
//!
//! Only what no intact definition looks like is reported. What merely lacks something, such as a policy without
//! its condition, looks like one that never had it.

use std::fmt;

use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::sql::{EntryKind, Token, Word, words};

/// What the server writes for a type that is gone.
const UNKNOWN_TYPE: &[u8] = b"???";

/// Kinds of objects that are always in a schema.
const IN_SCHEMA: [EntryKind; 21] = [
    EntryKind::Aggregate,
    EntryKind::Collation,
    EntryKind::Constraint,
    EntryKind::Conversion,
    EntryKind::Domain,
    EntryKind::ForeignKey,
    EntryKind::ForeignTable,
    EntryKind::Function,
    EntryKind::Index,
    EntryKind::MaterializedView,
    EntryKind::Operator,
    EntryKind::OperatorClass,
    EntryKind::OperatorFamily,
    EntryKind::Procedure,
    EntryKind::Sequence,
    EntryKind::Statistics,
    EntryKind::Table,
    EntryKind::TableData,
    EntryKind::Trigger,
    EntryKind::Type,
    EntryKind::View,
];

/// An entry whose definition does not restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornDefinition {
    /// Its kind and name: `FUNCTION app.total(integer)`.
    pub label: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for TornDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.label, self.why)
    }
}

impl Toc {
    /// The entries whose definitions were torn because their objects were dropped while `pg_dump` ran.
    pub fn torn_definitions(&self) -> Vec<TornDefinition> {
        let torn = |entry: &TocEntry| Some(TornDefinition { why: torn(entry)?, label: entry.described() });
        self.entries().iter().filter_map(torn).collect()
    }
}

/// What is torn of an entry.
fn torn(entry: &TocEntry) -> Option<&'static str> {
    if IN_SCHEMA.contains(&entry.kind()) && entry.namespace().is_none_or(<[u8]>::is_empty) {
        return Some("its schema is missing");
    }
    let definition = entry.defn().unwrap_or_default();
    if definition.trim_ascii() == b";" {
        return Some("its definition is empty");
    }
    let mut before = Before::default();
    for word in words(definition) {
        let torn = torn_word(entry, definition, &before, &word);
        if torn.is_some() {
            return torn;
        }
        before.pass(word);
    }
    None
}

/// The words before one.
#[derive(Default)]
struct Before<'t> {
    last: Option<Word<'t>>,
    second_last: Option<Word<'t>>,
    /// Whether the first parenthesis has passed: the arguments of a function.
    arguments: bool,
}

impl<'t> Before<'t> {
    fn pass(&mut self, word: Word<'t>) {
        self.arguments |= self.last.as_ref().is_some_and(|last| last.is_sign(b'('));
        self.second_last = self.last.replace(word);
    }

    fn is(&self, keywords: &[&[u8]]) -> bool {
        self.last.as_ref().is_some_and(|last| keywords.iter().any(|keyword| last.is(keyword)))
    }

    fn is_sign(&self, sign: u8) -> bool {
        self.last.as_ref().is_some_and(|last| last.is_sign(sign))
    }

    /// Whether a value for one of these keywords is to come: `SSPACE =`.
    fn is_value_of(&self, keywords: &[&[u8]]) -> bool {
        let is_keyword = |word: &Word<'_>| keywords.iter().any(|keyword| word.is(keyword));
        self.is_sign(b'=') && self.second_last.as_ref().is_some_and(is_keyword)
    }
}

/// What is torn at this word.
fn torn_word(
    entry: &TocEntry,
    definition: &[u8],
    before: &Before<'_>,
    word: &Word<'_>,
) -> Option<&'static str> {
    let kind = entry.kind();
    match &word.token {
        Token::Quoted(name) if name.is_empty() => Some("a name in it is empty"),
        Token::Sign(b'?') if is_unknown_type(definition, word) => Some("a type in it no longer existed"),
        Token::Sign(b')') if before.is_sign(b'(') && !before.arguments && lost_arguments(entry) => {
            Some("its arguments are missing")
        }
        Token::Bare(b"LANGUAGE") if kind == EntryKind::Function && before.is(&[b"RETURNS"]) => {
            Some("its return type is missing")
        }
        Token::Bare(number) if number.iter().all(u8::is_ascii_digit) && is_oid(kind, before) => {
            Some("something in it no longer existed")
        }
        _ => None,
    }
}

/// Whether `???` stands here where a type should. It may also be an operator; those have their schema before
/// them.
fn is_unknown_type(definition: &[u8], word: &Word<'_>) -> bool {
    let (before, rest) = definition.split_at_checked(word.at.start).unwrap_or_default();
    let ends = |byte: Option<&u8>| byte.is_none_or(|byte| b" \t\n(),;[".contains(byte));
    rest.starts_with(UNKNOWN_TYPE) && ends(before.last()) && ends(rest.get(UNKNOWN_TYPE.len()))
}

/// Whether a definition without arguments is wrong: an aggregate has at least `*`, and the entry's name has the
/// arguments too.
fn lost_arguments(entry: &TocEntry) -> bool {
    let named_without = entry.tag().is_some_and(|tag| tag.ends_with(b"()"));
    match entry.kind() {
        EntryKind::Aggregate => true,
        EntryKind::Function | EntryKind::Procedure => !named_without,
        _ => false,
    }
}

/// Whether a number after these words is the oid of something that is gone, where its name should be.
fn is_oid(kind: EntryKind, before: &Before<'_>) -> bool {
    match kind {
        EntryKind::AccessMethod
        | EntryKind::Conversion
        | EntryKind::EventTrigger
        | EntryKind::ForeignDataWrapper
        | EntryKind::Operator
        | EntryKind::TextSearchParser
        | EntryKind::TextSearchTemplate => true,
        EntryKind::OperatorClass | EntryKind::OperatorFamily => !before.is(&[b"OPERATOR", b"FUNCTION"]),
        EntryKind::Aggregate => before.is_sign(b'=') && !before.is_value_of(&[b"SSPACE", b"MSSPACE"]),
        EntryKind::Type => before.is_sign(b'=') && !before.is_value_of(&[b"INTERNALLENGTH"]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::format::entry::Field;
    use crate::archive::format::preamble::Preamble;
    use crate::archive::read::reader::Reader;
    use crate::archive::tests::sample::preamble;

    fn toc(dump: &[u8]) -> Toc {
        let mut reader = Reader::new();
        reader.feed(dump).unwrap();
        reader.toc().unwrap().clone()
    }

    /// What is found in an entry of this kind, tag and definition.
    fn found(kind: &str, tag: &str, definition: &str) -> Option<&'static str> {
        let preamble = preamble(&[(kind, definition, "o")]);
        let preamble = preamble.with(|entry| entry.with_text(Field::Tag, tag.as_bytes()));
        torn(&Preamble::read(&preamble.to_bytes()).unwrap().toc.entries()[0])
    }

    #[test]
    fn what_real_dumps_lost_is_found_and_nothing_else() {
        let (arguments, returns) = ("its arguments are missing", "its return type is missing");
        let (a_type, empty) = ("a type in it no longer existed", "its definition is empty");
        let gone = "something in it no longer existed";
        for dump in [
            &include_bytes!("../../../tests/data/torn15.dump")[..],
            include_bytes!("../../../tests/data/torn18.dump"),
        ] {
            let torn = toc(dump).torn_definitions();
            let mut torn: Vec<_> = torn.iter().map(|torn| (&*torn.label, torn.why)).collect();
            torn.sort_unstable();
            // Which arguments they had is in the tag, as far as their types are known.
            let mut of_functions = torn.clone();
            of_functions.retain(|(label, _)| label.starts_with("FUNCTION ") || label.starts_with("CAST "));
            torn.retain(|one| !of_functions.contains(one));
            assert_eq!(
                torn,
                [
                    ("AGGREGATE s.total(integer)", arguments),
                    ("EVENT TRIGGER watch", gone),
                    ("INDEX s.by_c", empty),
                    ("OPERATOR CLASS s.points", gone),
                    ("OPERATOR s.===", gone),
                    ("PROCEDURE s.work(integer)", arguments),
                    ("STATISTICS s.stats", empty),
                    ("TABLE s.t", a_type),
                    ("TRIGGER s.t touch", empty),
                    ("TYPE s.point", a_type),
                    ("TYPE s.shell", gone),
                    ("TYPE s.span", a_type),
                ]
            );
            let whys: Vec<_> = of_functions.iter().map(|(_, why)| *why).collect();
            assert_eq!(of_functions.len(), 13, "{of_functions:#?}");
            for (why, count) in [(arguments, 7), (returns, 5), (a_type, 1)] {
                assert_eq!(whys.iter().filter(|each| **each == why).count(), count, "{of_functions:#?}");
            }
        }
    }

    #[test]
    fn definitions_are_torn_where_something_is_missing() {
        for (kind, tag, definition) in [
            (
                "FUNCTION",
                "f(integer)",
                "CREATE FUNCTION s.f() RETURNS integer\n    LANGUAGE sql\n    AS $$$$;",
            ),
            ("FUNCTION", "f()", "CREATE FUNCTION s.f() RETURNS \n    LANGUAGE sql\n    AS $$ LANGUAGE $$;"),
            ("FUNCTION", "f()", "CREATE FUNCTION s.f() RETURNS ???\n    LANGUAGE sql\n    AS $$$$;"),
            ("VIEW", "v", "CREATE VIEW s.v AS\n SELECT t.\"\"\n   FROM s.t;"),
            ("TABLE", "t", "CREATE TABLE s.t (\n    a integer,\n    b ???[]\n);"),
            (
                "AGGREGATE",
                "a(integer)",
                "CREATE AGGREGATE s.a(integer) (\n    SFUNC = 16400,\n    STYPE = integer\n);",
            ),
            ("CONVERSION", "c", "CREATE CONVERSION s.c FOR 'LATIN1' TO 'UTF8' FROM 16400;"),
            ("RULE", "t r", ";\n"),
        ] {
            assert!(found(kind, tag, definition).is_some(), "{kind} {definition}");
        }
        let without_schema =
            preamble(&[("TABLE", "CREATE TABLE t ();", "o"), ("SCHEMA", "CREATE SCHEMA s;", "o")]);
        let without_schema = without_schema.with(|entry| entry.with_text(Field::Namespace, b"")).toc;
        let torn = without_schema.torn_definitions();
        assert_eq!(torn.len(), 1);
        assert_eq!(torn[0].to_string(), "TABLE t1: its schema is missing");
    }

    #[test]
    fn intact_definitions_are_not_torn() {
        for (kind, tag, definition) in [
            (
                "FUNCTION",
                "f()",
                "CREATE FUNCTION s.f() RETURNS s.language\n    LANGUAGE sql\n    AS $$ '', \"\", ??? $$;",
            ),
            (
                "FUNCTION",
                "f()",
                "CREATE FUNCTION s.f(OUT a integer) RETURNS integer\n    LANGUAGE sql\n    RETURN '???';",
            ),
            (
                "FUNCTION",
                "f(integer)",
                "CREATE FUNCTION s.\"f()\"(integer) RETURNS void\n    LANGUAGE sql\n    AS '';",
            ),
            (
                "AGGREGATE",
                "a(*)",
                "CREATE AGGREGATE s.a(*) (\n    SFUNC = f,\n    SSPACE = 8,\n    MSSPACE = 16\n);",
            ),
            ("TYPE", "t", "CREATE TYPE s.t (\n    INTERNALLENGTH = 4,\n    INPUT = s.t_in\n);"),
            ("TYPE", "t", "CREATE TYPE s.t AS (\n\ta numeric(10,2),\n\tb integer\n);"),
            ("OPERATOR", "???", "CREATE OPERATOR s.??? (\n    FUNCTION = int4pl,\n    LEFTARG = integer\n);"),
            (
                "OPERATOR CLASS",
                "c",
                "CREATE OPERATOR CLASS s.c\n    FOR TYPE integer USING hash AS\n    OPERATOR 1 s.=(integer,integer) ,\n    FUNCTION 1 (integer, integer) s.h(integer);",
            ),
            ("VIEW", "v", "CREATE VIEW s.v AS\n SELECT (1 OPERATOR(s.???) 2) AS \"???\", '' AS x;"),
            ("TABLE", "t", "CREATE TABLE s.t (\n    a integer DEFAULT 7,\n    b text DEFAULT ''::text\n);"),
            ("COMMENT", "TABLE t", "COMMENT ON TABLE s.t IS '';"),
            ("TABLE DATA", "t", ""),
            ("TABLE DATA", "t", "-- load via partition root s.parted"),
        ] {
            assert_eq!(found(kind, tag, definition), None, "{kind} {definition}");
        }
    }
}
