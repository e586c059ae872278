//! Patterns for names of tables, as in `pg_dump --table` and `psql`'s `\dt`.
//!
//! `*` stands for any characters, `?` for one; a dot separates schema and name; capital letters are taken as
//! small ones, and nothing is special in double quotes. A name without a schema matches in every schema: the
//! user's search path is not known here. Other regular expressions, which psql would also understand there,
//! are refused rather than taken for names.

use std::fmt;

use encoding_rs::Encoding;

use crate::archive::format::name::characters;
use crate::error::{Error, Result};
use crate::sql::known_encoding;

/// A pattern for names of tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    schema: Option<Vec<Glob>>,
    name: Vec<Glob>,
    /// The encoding of the names it is held against, if that is not UTF-8.
    encoding: Option<&'static Encoding>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Glob {
    /// This character.
    Just(char),
    /// Any one character.
    One,
    /// Any characters, or none.
    Any,
}

impl Pattern {
    /// Understands a pattern as it was typed.
    ///
    /// # Errors
    /// `Kind::Usage` if it is not one.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::usage(format!("the table pattern {text} {why}"));
        let (mut parts, mut quoted) = (vec![Vec::new()], false);
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let glob = match c {
                '"' if quoted && chars.next_if_eq(&'"').is_some() => Glob::Just('"'),
                '"' => {
                    quoted = !quoted;
                    continue;
                }
                _ if quoted => Glob::Just(c),
                '.' => {
                    parts.push(Vec::new());
                    continue;
                }
                '*' => Glob::Any,
                '?' => Glob::One,
                '[' | ']' | '{' | '}' | '(' | ')' | '|' | '+' | '^' | '\\' => {
                    return Err(wrong(&format!("contains {c}"))
                        .hint("put the name in double quotes; only * and ? are wildcards"));
                }
                _ => Glob::Just(c.to_ascii_lowercase()),
            };
            parts.last_mut().into_iter().for_each(|part| part.push(glob));
        }
        if quoted {
            return Err(wrong("has an unmatched double quote"));
        }
        let name = parts.pop().unwrap_or_default();
        let schema = parts.pop();
        if !parts.is_empty() {
            return Err(wrong("has too many dots").hint("a pattern is schema.table, or table"));
        }
        if text.trim_ascii().is_empty() {
            return Err(Error::usage("the table pattern is empty").hint("an unset variable looks like that"));
        }
        if name.is_empty() || schema.as_ref().is_some_and(Vec::is_empty) {
            return Err(wrong("has an empty name"));
        }
        Ok(Self { text: text.to_owned(), schema, name, encoding: None })
    }

    /// The same pattern for names in a dump's encoding, as PostgreSQL calls it.
    ///
    /// Names in an encoding that is not known here are compared as Latin 1.
    #[must_use]
    pub fn in_encoding(&self, encoding: &str) -> Self {
        Self { encoding: known_encoding(encoding), ..self.clone() }
    }

    /// Whether it matches a table of this schema and name.
    pub fn matches(&self, schema: &[u8], name: &[u8]) -> bool {
        let is_match = |characters: &dyn Fn(&[u8]) -> Vec<char>| {
            self.schema.as_ref().is_none_or(|globs| matches(globs, &characters(schema)))
                && matches(&self.name, &characters(name))
        };
        let decoded = |encoding: &'static Encoding, bytes: &[u8]| -> Vec<char> {
            encoding.decode_without_bom_handling(bytes).0.chars().collect()
        };
        // Names are listed as if they were Latin 1, and may be copied from there.
        is_match(&characters)
            || self.encoding.is_some_and(|encoding| is_match(&|bytes| decoded(encoding, bytes)))
    }

    /// Whether it says in which schema the tables are.
    pub fn names_schema(&self) -> bool {
        self.schema.is_some()
    }

    /// Its characters without wildcards, as `(schema, name)` in small letters, to look for similar names.
    pub(super) fn nearly(&self) -> (Option<String>, String) {
        let text = |globs: &[Glob]| {
            let just = globs.iter().filter_map(|glob| if let Glob::Just(c) = glob { Some(*c) } else { None });
            just.collect::<String>().to_lowercase()
        };
        (self.schema.as_deref().map(text), text(&self.name))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn matches(globs: &[Glob], name: &[char]) -> bool {
    let (mut glob, mut at) = (0, 0);
    // Where to continue if the last `Any` takes one more character.
    let mut again = None;
    loop {
        match (globs.get(glob), name.get(at)) {
            (Some(Glob::Any), _) => {
                again = Some((glob, at));
                glob += 1;
                continue;
            }
            (Some(Glob::One), Some(_)) => {}
            (Some(Glob::Just(wanted)), Some(there)) if wanted == there => {}
            (None, None) => return true,
            _ => match again {
                Some((any, from)) if from < name.len() => {
                    again = Some((any, from + 1));
                    (glob, at) = (any + 1, from + 1);
                    continue;
                }
                _ => return false,
            },
        }
        glob += 1;
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::archive::format::name::TableName;

    #[test]
    fn patterns_match_as_they_do_in_psql() {
        for (pattern, schema, name, expected) in [
            ("users", "public", "users", true),
            ("users", "app", "users", true),
            ("USERS", "app", "users", true),
            ("Users", "app", "Users", false),
            ("\"Users\"", "app", "Users", true),
            ("app.users", "app", "users", true),
            ("app.users", "public", "users", false),
            ("app.*", "app", "anything at all", true),
            ("*.users", "app", "users", true),
            ("us?rs", "app", "users", true),
            ("us?rs", "app", "usrs", false),
            ("*s*r*", "app", "users", true),
            ("*s*r", "app", "users", false),
            ("a*a", "x", "a", false),
            ("gr??e", "app", "größe", true),
            ("größe", "app", "größe", true),
            ("\"a.b\"", "app", "a.b", true),
            ("a.b", "app", "a.b", false),
            ("\"a*\"", "app", "ab", false),
            ("\"a*\"", "app", "a*", true),
            ("\"Na\"\"me.x\"", "we ird", "Na\"me.x", true),
            ("\"we ird\".na\"\"me*", "we ird", "name.x", true),
            ("a$b", "app", "a$b", true),
        ] {
            let matched = Pattern::parse(pattern).unwrap().matches(schema.as_bytes(), name.as_bytes());
            assert_eq!(matched, expected, "{pattern} {schema}.{name}");
        }
        assert!(Pattern::parse("gr??e").unwrap().matches(b"app", b"gr\xF6\xDFe"));
        assert!(Pattern::parse("größe").unwrap().matches(b"app", b"gr\xF6\xDFe"));
    }

    #[test]
    fn names_in_other_encodings_are_matched_as_they_are_typed() {
        for (encoding, name) in
            [("EUC_JP", &b"\xb8\xdc\xb5\xd2"[..]), ("SJIS", b"\x8c\xda\x8bq"), ("UTF8", "顧客".as_bytes())]
        {
            let pattern = |text: &str| Pattern::parse(text).unwrap().in_encoding(encoding);
            assert!(pattern("顧客").matches(b"public", name), "{encoding}");
            assert!(pattern("顧?").matches(b"public", name), "{encoding}");
            assert!(!pattern("客顧").matches(b"public", name), "{encoding}");
            let shown = TableName { schema: b"public", name }.pattern();
            assert!(pattern(&shown).matches(b"public", name), "{encoding}: {shown}");
        }
        assert!(Pattern::parse("жук").unwrap().in_encoding("WIN1251").matches(b"", b"\xe6\xf3\xea"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for wrong in ["", ".", "app.", ".users", "a.b.c", "\"open", "(a|b)", "user[s]", "a+"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    /// The pattern that is shown for a name matches it.
    fn assert_typed(schema: &[u8], name: &[u8], expected: &str) {
        let pattern = TableName { schema, name }.pattern();
        assert_eq!(pattern, expected);
        assert!(Pattern::parse(&pattern).unwrap().matches(schema, name), "{pattern}");
    }

    #[test]
    fn names_are_shown_as_they_can_be_typed() {
        assert_typed(b"public", b"orders_2", "public.orders_2");
        assert_typed(b"", b"Orders", "\"Orders\"");
        assert_typed(b"we ird", b"Na\"me.x", "\"we ird\".\"Na\"\"me.x\"");
        assert_typed(b"app", "größe".as_bytes(), "app.größe");
        assert_typed(b"app", b"gr\xF6\xDFe", "app.größe");
        assert_typed(b"app", b"a*\nb", "app.\"a*\"?\"b\"");
        // A space to Unicode, and a name.
        assert_typed(b"", b"\xA0", "\u{A0}");
    }

    proptest! {
        #[test]
        fn whatever_the_name_it_can_be_typed(
            schema in prop::collection::vec(any::<u8>(), 0..5),
            name in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'\n'), any::<u8>()], 1..8),
        ) {
            let pattern = TableName { schema: &schema, name: &name }.pattern();
            prop_assert!(!pattern.chars().any(char::is_control));
            prop_assert!(Pattern::parse(&pattern).unwrap().matches(&schema, &name), "{}", pattern);
        }
    }
}
