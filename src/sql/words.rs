//! The words of a text: what is a name, what is a keyword, where each stands.
//!
//! `pg_dump` writes keywords in capitals, and names in small letters or in quotes, so no keyword is ever
//! taken for a name. Strings and comments are passed over without a look inside; any bytes are words of some
//! kind, so nothing is refused.

use std::ops::Range;

/// A word, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word<'t> {
    /// What it is.
    pub token: Token<'t>,
    /// Where it stands in the text, in bytes.
    pub at: Range<usize>,
    /// How many parentheses are open around it.
    pub depth: usize,
}

/// What a word is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token<'t> {
    /// A keyword, a number, or a name that needs no quotes.
    Bare(&'t [u8]),
    /// A name in double quotes; here without them.
    Quoted(Vec<u8>),
    /// A string, in whatever quotes: `'…'`, `$$…$$`, `$tag$…$tag$`.
    String,
    /// Any other character.
    Sign(u8),
}

impl Word<'_> {
    /// The name it is, unless it is a keyword.
    pub fn name(&self) -> Option<Vec<u8>> {
        match &self.token {
            Token::Bare(word) if !word.iter().any(u8::is_ascii_uppercase) => Some(word.to_vec()),
            Token::Quoted(name) => Some(name.clone()),
            _ => None,
        }
    }

    /// Whether it is this keyword.
    pub fn is(&self, keyword: &[u8]) -> bool {
        self.token == Token::Bare(keyword)
    }

    /// Whether it is this character.
    pub fn is_sign(&self, sign: u8) -> bool {
        self.token == Token::Sign(sign)
    }
}

/// Goes through the words of a text.
pub fn words(text: &[u8]) -> impl Iterator<Item = Word<'_>> {
    Scanner { text, at: 0, depth: 0 }
}

#[derive(Debug)]
struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
}

impl<'t> Iterator for Scanner<'t> {
    type Item = Word<'t>;

    fn next(&mut self) -> Option<Word<'t>> {
        self.pass_blanks();
        let (first, start) = (*self.rest().first()?, self.at);
        let mut depth = self.depth;
        let token = match first {
            b'"' => Token::Quoted(self.quoted()),
            b'\'' => {
                self.pass_string();
                Token::String
            }
            b'$' if self.pass_dollar_string() => Token::String,
            _ if is_part_of_word(first) && first != b'$' => {
                let rest = self.rest();
                let length = rest.iter().position(|byte| !is_part_of_word(*byte)).unwrap_or(rest.len());
                self.at += length;
                Token::Bare(rest.get(..length).unwrap_or_default())
            }
            sign => {
                self.at += 1;
                match sign {
                    b'(' => self.depth += 1,
                    b')' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                depth = depth.min(self.depth);
                Token::Sign(sign)
            }
        };
        Some(Word { token, at: start..self.at, depth })
    }
}

impl<'t> Scanner<'t> {
    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Passes over `length` bytes and what follows them up to the end of `mark`; over all the rest if it never comes.
    fn pass(&mut self, length: usize, mark: &[u8]) {
        let rest = self.rest().get(length..).unwrap_or_default();
        let end = memchr::memmem::find(rest, mark).map(|found| self.at + length + found + mark.len());
        self.at = end.unwrap_or(self.text.len());
    }

    /// Passes over blanks and comments.
    fn pass_blanks(&mut self) {
        loop {
            let rest = self.rest().trim_ascii_start();
            self.at = self.text.len() - rest.len();
            match rest {
                [b'-', b'-', ..] => self.pass(2, b"\n"),
                [b'/', b'*', ..] => self.pass(2, b"*/"),
                _ => return,
            }
        }
    }

    /// Takes a name in quotes; a doubled quote stands for itself.
    fn quoted(&mut self) -> Vec<u8> {
        self.at += 1;
        let mut inside = Vec::new();
        while let Some((byte, after)) = self.rest().split_first() {
            self.at += 1;
            if *byte == b'"' {
                if after.first() != Some(&b'"') {
                    break;
                }
                self.at += 1;
            }
            inside.push(*byte);
        }
        inside
    }

    /// Passes over a string in single quotes. A doubled quote in it ends one string and begins the next, with
    /// nothing between them. PostgreSQL's tools never write a quote with a backslash before it.
    fn pass_string(&mut self) {
        while self.rest().first() == Some(&b'\'') {
            self.pass(1, b"'");
        }
    }

    /// Passes over a string between `$$`, or `$tag$`; does nothing if none begins.
    fn pass_dollar_string(&mut self) -> bool {
        let rest = self.rest();
        let tag = rest.iter().skip(1).take_while(|byte| is_part_of_word(**byte) && **byte != b'$').count();
        let mark = rest.get(..tag + 2).filter(|mark| mark.ends_with(b"$"));
        // A parameter such as `$1` is no tag.
        let Some(mark) = mark.filter(|mark| !mark.get(1).is_some_and(u8::is_ascii_digit)) else {
            return false;
        };
        self.pass(mark.len(), mark);
        true
    }
}

fn is_part_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// The statements of a text: the words of each outside all parentheses, and where it stands with the semicolon
/// that ends it.
pub fn statements(text: &[u8]) -> impl Iterator<Item = (Vec<Word<'_>>, Range<usize>)> {
    let mut words = words(text).filter(|word| word.depth == 0);
    std::iter::from_fn(move || {
        let mut statement: Vec<Word<'_>> = Vec::new();
        for word in words.by_ref() {
            if word.is_sign(b';') {
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
pub fn quoted(name: &[u8]) -> Vec<u8> {
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

/// A text as SQL writes it, whatever is in it and whatever `standard_conforming_strings` says.
pub fn string(text: &[u8]) -> Vec<u8> {
    let mut string = b"E'".to_vec();
    for byte in text {
        if matches!(byte, b'\'' | b'\\') {
            string.push(*byte);
        }
        string.push(*byte);
    }
    string.push(b'\'');
    string
}

/// The text with other bytes in these places, which must be in their order.
pub fn replaced(text: &[u8], places: &[(Range<usize>, Vec<u8>)]) -> Vec<u8> {
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
        let found: Vec<Word<'_>> = words(text).filter(|word| word.depth == 0).collect();
        assert!(found[0].is(b"GRANT") && found[1].is(b"SELECT"));
        let quoted = found.iter().find(|word| word.token == Token::Quoted(br#"x "y""#.to_vec())).unwrap();
        assert_eq!(&text[quoted.at.clone()], br#""x ""y""""#);
        for sign in [b',', b';'] {
            assert_eq!(found.iter().filter(|word| word.is_sign(sign)).count(), 1);
        }
        let [.., string, last] = &found[..] else { panic!("{found:?}") };
        assert_eq!(&text[string.at.clone()], br#"'it''s; "no"'"#);
        assert!(last.is(b"w"));
        let inside: Vec<_> = words(text).filter(|word| word.depth == 1).collect();
        assert_eq!(inside.len(), 3, "{inside:?}");
    }

    #[test]
    fn what_is_in_strings_and_comments_is_no_word() {
        for text in [
            "A /* b; 'c */ -- d; \"e\nZ",
            "A $$ b '; -- $ $x$ $$ Z",
            "A $_1x$ b $$; $1x$ $_1x$ Z",
            "A 'b -- c' Z",
            "A E'b\\\\' Z",
        ] {
            let found: Vec<Word<'_>> = words(text.as_bytes()).collect();
            let bare = |word: &Word<'_>| match word.token {
                Token::Bare(word) if word != b"E" => Some(word.to_vec()),
                _ => None,
            };
            assert_eq!(found.iter().filter_map(bare).collect::<Vec<_>>(), [b"A", b"Z"], "{text}");
            assert!(found.len() <= 4, "{text}: {found:?}");
        }
        let parameter: Vec<Word<'_>> = words(b"$1 + $2$").collect();
        assert_eq!(parameter.len(), 5, "{parameter:?}");
    }

    #[test]
    fn whatever_the_bytes_they_end() {
        for text in [
            &b"\"open"[..],
            b"'open",
            b"$open$",
            b"$",
            b"/* open",
            b"--",
            b"((((",
            b"))))a",
            b"",
            b"\xff\xfe\"\"\"",
            b"a''b",
        ] {
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
