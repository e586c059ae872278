//! The words of a statement as `pg_dump` writes it: what is a name, what is a keyword, where it stands.
//!
//! `pg_dump` writes keywords in capitals, and names in small letters or in quotes, so no keyword is ever
//! taken for a name. What is in parentheses or in a string is passed over. Nothing here knows SQL.

use std::ops::Range;

/// A word outside all parentheses and strings, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word<'t> {
    pub kind: Kind<'t>,
    pub at: Range<usize>,
}

/// What kind of word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind<'t> {
    /// A keyword, a number, or a name that needs no quotes.
    Bare(&'t [u8]),
    /// A name in quotes; here without them.
    Quoted(Vec<u8>),
    Comma,
    Semicolon,
    /// A string, or any other sign.
    Other,
}

impl Word<'_> {
    /// The name it is, unless it is a keyword.
    pub fn name(&self) -> Option<Vec<u8>> {
        match &self.kind {
            Kind::Bare(word) if !word.iter().any(u8::is_ascii_uppercase) => Some(word.to_vec()),
            Kind::Quoted(name) => Some(name.clone()),
            _ => None,
        }
    }

    /// Whether it is this keyword.
    pub fn is(&self, keyword: &[u8]) -> bool {
        self.kind == Kind::Bare(keyword)
    }
}

/// The words of a text, one after the other.
pub(super) fn words(text: &[u8]) -> Words<'_> {
    Words { text, at: 0, depth: 0 }
}

/// Goes through the words of a text.
#[derive(Debug)]
pub(super) struct Words<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
}

impl<'t> Iterator for Words<'t> {
    type Item = Word<'t>;

    fn next(&mut self) -> Option<Word<'t>> {
        loop {
            let rest = self.rest().trim_ascii_start();
            self.at = self.text.len() - rest.len();
            let (first, start) = (*rest.first()?, self.at);
            let part_of_word =
                |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..);
            let kind = if matches!(first, b'"' | b'\'') {
                self.at += 1;
                let inside = self.quoted(first);
                if first == b'"' { Kind::Quoted(inside) } else { Kind::Other }
            } else if part_of_word(&first) {
                let length = rest.iter().position(|byte| !part_of_word(byte)).unwrap_or(rest.len());
                self.at += length;
                Kind::Bare(rest.get(..length).unwrap_or_default())
            } else {
                self.at += 1;
                match first {
                    b'(' => self.depth += 1,
                    b')' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                match first {
                    b',' => Kind::Comma,
                    b';' => Kind::Semicolon,
                    _ => Kind::Other,
                }
            };
            if self.depth == 0 {
                return Some(Word { kind, at: start..self.at });
            }
        }
    }
}

impl<'t> Words<'t> {
    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes the rest of what began with a quote; a doubled one stands for itself.
    fn quoted(&mut self, quote: u8) -> Vec<u8> {
        let mut inside = Vec::new();
        while let Some((byte, after)) = self.rest().split_first() {
            self.at += 1;
            if *byte == quote {
                if after.first() != Some(&quote) {
                    break;
                }
                self.at += 1;
            }
            inside.push(*byte);
        }
        inside
    }
}

/// The statements of a text: the words of each, and where it stands with the semicolon that ends it.
pub(super) fn statements(text: &[u8]) -> impl Iterator<Item = (Vec<Word<'_>>, Range<usize>)> {
    let mut words = words(text);
    std::iter::from_fn(move || {
        let mut statement: Vec<Word<'_>> = Vec::new();
        for word in words.by_ref() {
            if word.kind == Kind::Semicolon {
                let start = statement.first().map_or(word.at.start, |first| first.at.start);
                return Some((statement, start..word.at.end));
            }
            statement.push(word);
        }
        let (start, end) = (statement.first()?.at.start, statement.last()?.at.end);
        Some((statement, start..end))
    })
}

/// A name as SQL writes it, whatever is in it.
pub(super) fn quoted(name: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in name {
        quoted.push(*byte);
        if *byte == b'"' {
            quoted.push(b'"');
        }
    }
    quoted.push(b'"');
    quoted
}

/// The text with other bytes in these places, which must be in their order.
pub(super) fn replaced(text: &[u8], places: &[(Range<usize>, Vec<u8>)]) -> Vec<u8> {
    let mut new = Vec::with_capacity(text.len());
    let mut from = 0;
    for (place, bytes) in places {
        new.extend_from_slice(text.get(from..place.start).unwrap_or_default());
        new.extend_from_slice(bytes);
        from = place.end;
    }
    new.extend_from_slice(text.get(from..).unwrap_or_default());
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_and_stand_where_they_stand() {
        let text = br#"GRANT SELECT(a,"b)") ON t TO "x ""y""", z; 'it''s; "no"' w"#;
        let found: Vec<(Kind<'_>, &[u8])> =
            words(text).map(|word| (word.kind, &text[word.at.clone()])).collect();
        let kinds: Vec<&Kind<'_>> = found.iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds[..2], [&Kind::Bare(b"GRANT"), &Kind::Bare(b"SELECT")]);
        let quoted = Kind::Quoted(br#"x "y""#.to_vec());
        assert!(found.contains(&(quoted, br#""x ""y""""#)), "{found:?}");
        assert_eq!(kinds.iter().filter(|kind| ***kind == Kind::Comma).count(), 1);
        assert_eq!(kinds.iter().filter(|kind| ***kind == Kind::Semicolon).count(), 1);
        assert_eq!(found.last().unwrap().1, b"w");
    }

    #[test]
    fn whatever_the_bytes_they_end() {
        for text in [&b"\"open"[..], b"'open", b"((((", b"))))a", b"", b"\xff\xfe\"\"\"", b"a''b"] {
            assert!(words(text).count() <= text.len());
        }
    }

    #[test]
    fn places_are_filled_anew() {
        assert_eq!(
            replaced(b"to a, b;", &[(3..4, quoted(b"x\"")), (6..7, b"yy".to_vec())]),
            b"to \"x\"\"\", yy;"
        );
    }
}
