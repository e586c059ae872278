//! Where the statements, quotes and comments of a script begin and end, as psql sees it.
//!
//! Rows, comments and function bodies hold whatever somebody wrote there. A line within them may look like any line of
//! `pg_dump`'s own, and must not be taken for one.

/// Client encodings in which the second byte of a character may look like a backslash. psql passes over it.
const WIDE: [&[u8]; 6] = [b"BIG5", b"GB18030", b"GBK", b"SHIFT_JIS_2004", b"SJIS", b"UHC"];

/// Follows a script, line by line, outside of the rows of `COPY`.
///
/// A statement in the body of a function (`BEGIN ATOMIC`) counts as one of its own, unlike in psql: nothing in such a
/// body looks like what matters here.
#[derive(Debug, Default)]
pub struct Statements {
    within: Within,
    /// What begins a dollar quote, and ends it, as far as it has come.
    tag: Vec<u8>,
    /// The last byte outside of everything; 0 if it does not matter.
    last: u8,
    /// What the last bytes are of, outside of everything.
    word: Word,
    /// How many parentheses are open.
    depth: usize,
    /// Whether a statement has begun, and whether it had before the last byte.
    begun: (bool, bool),
    /// Whether a backslash in ordinary quotes takes the next character along.
    old_quotes: bool,
    encoding: Encoding,
    /// Whether the next byte is the second one of a character.
    second: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Within {
    #[default]
    Nothing,
    /// Single quotes: whether a backslash counts there, and whether one came just now.
    Quotes(bool, bool),
    /// After a quote that may have been the first of two: whether a backslash counts before it.
    Quoted(bool),
    Name,
    /// What may become the beginning of a dollar quote.
    Tag,
    /// A dollar quote: how much has come of what ends it.
    Dollars(usize),
    Line,
    /// A comment: how deep, and its last byte.
    Comment(usize, u8),
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Word {
    #[default]
    None,
    /// `E`, which may mark a string.
    E,
    Other,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    #[default]
    Plain,
    Wide,
    /// Wide, with some letters of a single byte among the high ones.
    Japanese,
}

impl Statements {
    /// Whether no statement, string or comment is open.
    pub fn is_between(&self) -> bool {
        self.within == Within::Nothing && !self.begun.0
    }

    /// Heeds what a line between statements says about how all that follows is to be read.
    pub fn heed(&mut self, line: &[u8]) {
        if let Some(value) = line.strip_prefix(b"SET standard_conforming_strings = ") {
            self.old_quotes = value.starts_with(b"off");
        } else if let Some(value) = line.strip_prefix(b"SET client_encoding = '") {
            let name = value.split(|byte| *byte == b'\'').next().unwrap_or_default();
            self.encoding = match name {
                b"SJIS" | b"SHIFT_JIS_2004" => Encoding::Japanese,
                _ if WIDE.contains(&name) => Encoding::Wide,
                _ => Encoding::Plain,
            };
        }
    }

    /// Takes the next bytes; says where a command of psql's own begins in them, and passes over what comes after it.
    pub fn scan(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.take(*byte) {
                return Some(at);
            }
            at += 1 + self.uneventful(bytes.get(at + 1..).unwrap_or_default());
        }
        None
    }

    /// How many of the next bytes change nothing.
    fn uneventful(&self, bytes: &[u8]) -> usize {
        let next = match self.within {
            _ if self.encoding != Encoding::Plain => return 0,
            Within::Quotes(false, _) => memchr::memchr(b'\'', bytes),
            Within::Quotes(true, false) => memchr::memchr2(b'\'', b'\\', bytes),
            Within::Name => memchr::memchr(b'"', bytes),
            Within::Dollars(0) => memchr::memchr(b'$', bytes),
            Within::Line => memchr::memchr2(b'\n', b'\r', bytes),
            _ => return 0,
        };
        next.unwrap_or(bytes.len())
    }

    /// Takes one byte; true if a command begins with it.
    fn take(&mut self, byte: u8) -> bool {
        let byte = self.unmistakable(byte);
        self.within = match (self.within, byte) {
            (Within::Quoted(escapes), b'\'') => Within::Quotes(escapes, false),
            (Within::Nothing | Within::Quoted(_), b'\\') => return true,
            (Within::Nothing | Within::Quoted(_), _) => self.outside(byte),
            (Within::Quotes(escapes, true), _) => Within::Quotes(escapes, false),
            (Within::Quotes(escapes, false), b'\'') => Within::Quoted(escapes),
            (Within::Quotes(escapes, false), _) => Within::Quotes(escapes, escapes && byte == b'\\'),
            (Within::Name, b'"') | (Within::Line, b'\n' | b'\r') => Within::Nothing,
            (Within::Tag, b'$') => {
                self.tag.push(byte);
                Within::Dollars(0)
            }
            (Within::Tag, _) if is_of_names(byte) && !(self.tag.len() == 1 && byte.is_ascii_digit()) => {
                self.tag.push(byte);
                Within::Tag
            }
            (Within::Tag, _) => {
                self.word = match self.tag.get(1..) {
                    None | Some([]) => Word::None,
                    Some([b'e' | b'E']) => Word::E,
                    Some(_) => Word::Other,
                };
                self.within = Within::Nothing;
                return self.take(byte);
            }
            (Within::Dollars(seen), _) => {
                // Only its ends are dollars, so nothing but a first one can begin it again.
                let seen =
                    if self.tag.get(seen) == Some(&byte) { seen + 1 } else { usize::from(byte == b'$') };
                if seen == self.tag.len() { Within::Nothing } else { Within::Dollars(seen) }
            }
            (Within::Comment(depth, b'/'), b'*') => Within::Comment(depth + 1, 0),
            (Within::Comment(1, b'*'), b'/') => Within::Nothing,
            (Within::Comment(depth, b'*'), b'/') => Within::Comment(depth - 1, 0),
            (Within::Comment(depth, _), _) => Within::Comment(depth, byte),
            (within @ (Within::Name | Within::Line), _) => within,
        };
        false
    }

    /// The byte, unless it belongs to a character and only looks like another one.
    fn unmistakable(&mut self, byte: u8) -> u8 {
        if std::mem::take(&mut self.second) && byte != b'\n' {
            return u8::MAX;
        }
        self.second = match self.encoding {
            Encoding::Plain => false,
            Encoding::Wide => !byte.is_ascii(),
            Encoding::Japanese => !byte.is_ascii() && !(0xA1..=0xDF).contains(&byte),
        };
        byte
    }

    /// Takes a byte that is outside of everything; says what it begins.
    fn outside(&mut self, byte: u8) -> Within {
        let last = std::mem::replace(&mut self.last, byte);
        let word = std::mem::take(&mut self.word);
        let (begun, begun_before) = self.begun;
        self.begun = (begun || !byte.is_ascii_whitespace(), begun);
        let within = match (last, byte) {
            (_, b'\'') => Within::Quotes(word == Word::E || self.old_quotes, false),
            (_, b'"') => Within::Name,
            (b'-', b'-') | (b'/', b'*') => {
                // Its first byte was not of a statement.
                self.begun = (begun_before, begun_before);
                if byte == b'-' { Within::Line } else { Within::Comment(1, 0) }
            }
            (_, b'$') if word == Word::None => {
                self.tag = vec![byte];
                Within::Tag
            }
            (_, b';') if self.depth == 0 => {
                self.begun = (false, false);
                Within::Nothing
            }
            _ => {
                match byte {
                    b'(' => self.depth += 1,
                    b')' => self.depth = self.depth.saturating_sub(1),
                    _ => self.word = word.and(byte),
                }
                Within::Nothing
            }
        };
        if within != Within::Nothing {
            self.last = 0;
        }
        within
    }
}

impl Word {
    /// What it is with one byte more.
    fn and(self, byte: u8) -> Self {
        match self {
            Word::None if matches!(byte, b'e' | b'E') => Word::E,
            Word::None if !is_of_names(byte) || byte.is_ascii_digit() => Word::None,
            _ if is_of_names(byte) || byte == b'$' => Word::Other,
            _ => Word::None,
        }
    }
}

/// Whether a byte may be in a name that stands without quotes, and in the tag of a dollar quote.
fn is_of_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that begin between statements, and where a command begins.
    fn between(script: &[u8]) -> (Vec<String>, Option<usize>) {
        let (mut statements, mut lines, mut command) = (Statements::default(), Vec::new(), None);
        for line in script.split_inclusive(|byte| *byte == b'\n') {
            if statements.is_between() {
                statements.heed(line);
                lines.push(String::from_utf8_lossy(line).trim_end().to_owned());
            }
            command = command.or(statements.scan(line));
        }
        (lines, command)
    }

    #[test]
    fn what_is_within_is_no_line_of_the_scripts_own() {
        for script in [
            "SELECT 'a\nNO\n';",
            "SELECT 'it''s\nNO\n';",
            "SELECT 'a\\';",
            "SELECT E'a\\'\nNO\n', 'b\\';",
            "SELECT note'b\\';",
            "SELECT U&'b\\';",
            "SELECT E'a'\n'NO\\';",
            "SELECT \"a\nNO\n\"\"\nNO\";",
            "SELECT $$\nNO\n$x$\n$$;",
            "SELECT $x$\nNO\n$$\n$$y$\n$$x$;",
            "SELECT $1, a$x$, $1x; SELECT 1;",
            "SELECT (1;\nNO\n(2;\n););",
            "SELECT 1\nNO\n;",
            "/* /* \n */ NO\n*/",
            "-- it's\r",
            "-- a\rSELECT '\nNO\n';",
            "SELECT 1-1, 2/3, +--'\nNO\n4;",
            "SELECT 1 /* ' */ ; -- '",
            "SET standard_conforming_strings = off;\nSELECT 'a\\'\nNO\n';\nSET standard_conforming_strings = on;\nSELECT 'a\\';",
            ";;",
        ] {
            let (lines, command) = between(format!("{script}\nYES\n").as_bytes());
            assert!(!lines.iter().any(|line| line.starts_with("NO")), "{script}: {lines:?}");
            assert_eq!((lines.last().map(String::as_str), command), (Some("YES"), None), "{script}");
        }
    }

    #[test]
    fn a_byte_of_a_character_is_no_backslash() {
        for (encoding, text) in
            [("SJIS", &b"\x95\x5C"[..]), ("BIG5", b"\xA5\x5C"), ("GB18030", b"\x81\x30\x81\x30\x81\x5C")]
        {
            let script = |encoding: &str, text: &[u8]| {
                let set = format!("SET client_encoding = '{encoding}';\nSELECT E'");
                [set.as_bytes(), text, b"';\nYES\n"].concat()
            };
            let last = |script: &[u8]| between(script).0.pop().unwrap();
            assert_eq!(last(&script(encoding, text)), "YES", "{encoding}");
            assert_ne!(last(&script("LATIN1", text)), "YES", "{encoding}");
        }
        // A letter of a single byte.
        let half = b"SET client_encoding = 'SJIS';\nSELECT E'\xB1\\'\nNO\n';\nYES\n";
        assert_eq!(between(half).0[2..], ["YES"]);
    }
}
