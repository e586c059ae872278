//! Patterns for names of tables, as `pg_dump --table` and `psql`'s `\dt` have them.
//!
//! `*` stands for any characters, `?` for one; a dot parts schema and name; letters are folded to small
//! ones, and nothing is special in double quotes. A name without a schema fits in every schema: nobody
//! knows the search path of whoever asks. Other regular expressions, which psql would also understand
//! there, are refused rather than taken for names.

use std::fmt;

use crate::error::{Error, Result};

/// Stands for the names of some tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    schema: Option<Vec<Piece>>,
    name: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
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
    /// `Kind::Usage` where it is not one.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::usage(format!("the table pattern {text} {why}"));
        let (mut parts, mut quoted) = (vec![Vec::new()], false);
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let piece = match c {
                '"' if quoted && chars.next_if_eq(&'"').is_some() => Piece::Just('"'),
                '"' => {
                    quoted = !quoted;
                    continue;
                }
                _ if quoted => Piece::Just(c),
                '.' => {
                    parts.push(Vec::new());
                    continue;
                }
                '*' => Piece::Any,
                '?' => Piece::One,
                '[' | ']' | '{' | '}' | '(' | ')' | '|' | '+' | '^' | '\\' => {
                    return Err(wrong(&format!("has a {c}"))
                        .hint("put the name in double quotes; only * and ? stand for other characters"));
                }
                _ => Piece::Just(c.to_ascii_lowercase()),
            };
            parts.last_mut().into_iter().for_each(|part| part.push(piece));
        }
        if quoted {
            return Err(wrong("has a double quote without its other half"));
        }
        let name = parts.pop().unwrap_or_default();
        let schema = parts.pop();
        if !parts.is_empty() {
            return Err(wrong("has too many dots").hint("a pattern is schema.table, or table"));
        }
        if name.is_empty() || schema.as_ref().is_some_and(Vec::is_empty) {
            return Err(wrong("names nothing"));
        }
        Ok(Self { text: text.to_owned(), schema, name })
    }

    /// Whether a table of this schema and name fits.
    pub fn fits(&self, schema: &[u8], name: &[u8]) -> bool {
        self.schema.as_ref().is_none_or(|pieces| fits(pieces, &characters(schema)))
            && fits(&self.name, &characters(name))
    }

    /// The one name it stands for, as `(schema, name)`; `None` in it where anything fits.
    pub(super) fn nearly(&self) -> (Option<String>, String) {
        let text = |pieces: &[Piece]| {
            let just =
                pieces.iter().filter_map(|piece| if let Piece::Just(c) = piece { Some(*c) } else { None });
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

/// The characters of a name; each byte is one where it is not UTF-8, as in Latin 1.
fn characters(name: &[u8]) -> Vec<char> {
    std::str::from_utf8(name)
        .map_or_else(|_| name.iter().copied().map(char::from).collect(), |text| text.chars().collect())
}

fn fits(pieces: &[Piece], name: &[char]) -> bool {
    let (mut piece, mut at) = (0, 0);
    // Where to go on when the last `Any` takes one character more.
    let mut again = None;
    loop {
        match (pieces.get(piece), name.get(at)) {
            (Some(Piece::Any), _) => {
                again = Some((piece, at));
                piece += 1;
                continue;
            }
            (Some(Piece::One), Some(_)) => {}
            (Some(Piece::Just(wanted)), Some(there)) if wanted == there => {}
            (None, None) => return true,
            _ => match again {
                Some((any, from)) if from < name.len() => {
                    again = Some((any, from + 1));
                    (piece, at) = (any + 1, from + 1);
                    continue;
                }
                _ => return false,
            },
        }
        piece += 1;
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_they_do_in_psql() {
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
            let fits = Pattern::parse(pattern).unwrap().fits(schema.as_bytes(), name.as_bytes());
            assert_eq!(fits, expected, "{pattern} {schema}.{name}");
        }
        assert!(Pattern::parse("gr??e").unwrap().fits(b"app", b"gr\xF6\xDFe"));
        assert!(Pattern::parse("größe").unwrap().fits(b"app", b"gr\xF6\xDFe"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for wrong in ["", ".", "app.", ".users", "a.b.c", "\"open", "(a|b)", "user[s]", "a+"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
