//! Whether a script holds commands of psql's own, which run programs and read files where psql runs.
//!
//! This is for whoever is about to keep a dump that no restore will run. It is no protection: psql reads a script
//! by its own rules, and forbids its commands itself when a script is restored.

use super::lines::Segment;
use crate::sql::Guard;

/// The commands that `pg_dump` and `pg_dumpall` write, as lines of their own.
const OF_DUMPS: [&[u8]; 3] = [b"\\connect ", b"\\restrict ", b"\\unrestrict "];
/// How much of a command is shown, in bytes.
const SHOWN: usize = 60;

/// A command that neither `pg_dump` nor `pg_dumpall` writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The number of its line, from 1.
    pub line: u64,
    /// How it begins.
    pub text: String,
}

/// Looks for commands in passing lines, outside of quotes, comments and rows.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Commands {
    /// Lines that have ended.
    lines: u64,
    within: Within,
    /// The last two bytes outside of everything; 0 if they do not matter.
    before: [u8; 2],
    /// Whether a backslash in ordinary quotes takes the next character along.
    old_quotes: bool,
    /// Finds what a restore would not give to psql, also where it looks as if it stood among rows.
    guard: Guard,
    /// The first command found.
    pub found: Option<Command>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Within {
    #[default]
    Nothing,
    /// Single quotes: whether a backslash counts there, and whether one came just now.
    Quotes(bool, bool),
    /// After a quote that may have been the first of two: whether a backslash counts before it.
    Quoted(bool),
    Name,
    /// The tag of a dollar quote, as far as it has come.
    Tag(Vec<u8>),
    /// A dollar quote: what ends it, and how much of that has come.
    Dollars(Vec<u8>, usize),
    Line,
    /// A comment: how deep, and its last byte.
    Comment(u32, u8),
}

impl Commands {
    /// Looks at what passes.
    pub fn look(&mut self, segment: Segment<'_>) {
        if self.found.is_some() {
            return;
        }
        match segment {
            Segment::Line(line) if self.is_of_dumps(line) => {
                self.lines += newlines(line);
                self.guard = Guard::default();
            }
            Segment::Rows(bytes) => {
                self.found = self.refused(bytes);
                self.lines += newlines(bytes);
            }
            Segment::Passing(bytes) | Segment::Line(bytes) => {
                let refused = self.refused(bytes);
                self.scan(bytes);
                self.found = self.found.take().or(refused);
            }
        }
    }

    /// What no restore would give to psql.
    fn refused(&mut self, bytes: &[u8]) -> Option<Command> {
        let (text, end) = self.guard.refuses(bytes)?;
        let before = newlines(bytes.get(..end).unwrap_or_default());
        Some(Command { line: self.lines + before + 1, text: text.to_owned() })
    }

    fn is_of_dumps(&mut self, line: &[u8]) -> bool {
        if !matches!(self.within, Within::Nothing | Within::Quoted(_)) {
            return false;
        }
        if line.starts_with(b"SET standard_conforming_strings = ") {
            self.old_quotes = line.ends_with(b"off;\n");
        }
        // What is in backquotes is run by a shell.
        OF_DUMPS.iter().any(|words| line.starts_with(words)) && !line.contains(&b'`')
    }

    fn scan(&mut self, bytes: &[u8]) {
        for (at, byte) in bytes.iter().enumerate() {
            if self.take(*byte) {
                let rest = bytes.get(at..).unwrap_or_default().split(|byte| *byte == b'\n').next();
                let shown = rest.unwrap_or_default();
                let shown =
                    String::from_utf8_lossy(shown.get(..SHOWN).unwrap_or(shown)).trim_end().to_owned();
                self.found = Some(Command { line: self.lines + 1, text: shown });
                return;
            }
            self.lines += u64::from(*byte == b'\n');
        }
    }

    /// Takes one byte; true if a command begins with it.
    fn take(&mut self, byte: u8) -> bool {
        self.within = match (std::mem::take(&mut self.within), byte) {
            (Within::Quoted(escapes), b'\'') => Within::Quotes(escapes, false),
            (Within::Nothing | Within::Quoted(_), b'\\') => return true,
            (Within::Nothing | Within::Quoted(_), _) => self.outside(byte),
            (Within::Quotes(escapes, true), _) => Within::Quotes(escapes, false),
            (Within::Quotes(escapes, false), b'\'') => Within::Quoted(escapes),
            (Within::Quotes(escapes, false), _) => Within::Quotes(escapes, escapes && byte == b'\\'),
            (Within::Name, b'"') | (Within::Line, b'\n') => Within::Nothing,
            (Within::Tag(mut tag), b'$') => {
                tag.push(byte);
                Within::Dollars(tag, 0)
            }
            (Within::Tag(mut tag), _) if is_of_names(byte) && !(tag.len() == 1 && byte.is_ascii_digit()) => {
                tag.push(byte);
                Within::Tag(tag)
            }
            (Within::Tag(_), b'\\') => return true,
            (Within::Tag(_), _) => self.outside(byte),
            (Within::Dollars(tag, seen), _) => {
                // Only its ends are dollars, so nothing but a first one can begin it again.
                let seen = if tag.get(seen) == Some(&byte) { seen + 1 } else { usize::from(byte == b'$') };
                if seen == tag.len() { Within::Nothing } else { Within::Dollars(tag, seen) }
            }
            (Within::Comment(depth, b'/'), b'*') => Within::Comment(depth + 1, 0),
            (Within::Comment(1, b'*'), b'/') => Within::Nothing,
            (Within::Comment(depth, b'*'), b'/') => Within::Comment(depth - 1, 0),
            (Within::Comment(depth, _), _) => Within::Comment(depth, byte),
            (within @ (Within::Name | Within::Line), _) => within,
        };
        false
    }

    /// Takes a byte that is outside of everything; says what it begins.
    fn outside(&mut self, byte: u8) -> Within {
        let [before_last, last] = std::mem::take(&mut self.before);
        match (last, byte) {
            (_, b'\'') => {
                let marked = matches!(last, b'e' | b'E') && !is_of_names(before_last);
                Within::Quotes(marked || self.old_quotes, false)
            }
            (_, b'"') => Within::Name,
            (b'-', b'-') => Within::Line,
            (b'/', b'*') => Within::Comment(1, 0),
            (_, b'$') if !is_of_names(last) => Within::Tag(vec![byte]),
            _ => {
                self.before = [last, byte];
                Within::Nothing
            }
        }
    }
}

/// Whether a byte may be in a name that stands without quotes.
fn is_of_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use super::super::lines::Lines;
    use super::super::outline::tests::CLUSTER;
    use super::*;

    #[track_caller]
    fn found(script: &str) -> Option<Command> {
        let all: Vec<_> = [1, 3, script.len().max(1)]
            .map(|step| {
                let (mut lines, mut commands) = (Lines::default(), Commands::default());
                script.as_bytes().chunks(step).for_each(|bytes| lines.feed(bytes, &mut |s| commands.look(s)));
                lines.finish(&mut |segment| commands.look(segment));
                commands.found
            })
            .into();
        assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
        all[0].clone()
    }

    #[test]
    fn what_dumps_hold_is_none() {
        for script in [
            CLUSTER,
            "\\connect -reuse-previous=on \"dbname='a b'\"\n",
            "SELECT '\\d+', E'it''s \\' \\\\', \"a\\b\", $$ \\! $$, $x$ $$ \\! $x $x$;\n-- \\!\n/* /* \\! */ \\! */",
            "SELECT 'it''s \\', e'\\'', type'\\', a$b'\\'c$d, 1-1, 2/3;",
            "CREATE FUNCTION f() AS $_$\n\\!\n$_$;\nCOPY t (a) FROM stdin;\n\\N\n\\! x\n\\.\n",
            "SET standard_conforming_strings = off;\nSELECT 'it\\'s', '\\\\';\n",
        ] {
            assert_eq!(found(script), None, "{script}");
        }
    }

    #[test]
    fn everything_else_is_one() {
        for (script, line) in [
            ("\\! touch x\n", 1),
            ("SELECT 1;\n\n  \\i file\n", 3),
            ("SELECT 1 \\g | sh\n", 1),
            ("SELECT '\\' \\! x'\n", 1),
            ("SELECT E'a' '\\' \\! '\n", 1),
            ("/* */ \\! x\n", 1),
            ("SELECT $1\\! x\n", 1),
            ("COPY t FROM stdin;\na\n\\.\n\\set x `touch y`\n", 4),
            ("SELECT $a$ $$ $a$ \\! x\n", 1),
            ("SELECT \"a\"\"\\\" \\! x\n", 1),
            ("\\connect `touch y`\n", 1),
            ("SELECT 1;\n\\unrestrict `touch y`\n", 2),
            ("SELECT (\nCOPY t FROM stdin;\na\n\\unrestrict `touch y`\n", 4),
            ("SELECT '\\unrestrict';\n", 1),
        ] {
            assert_eq!(found(script).unwrap().line, line, "{script}");
        }
        assert_eq!(found("SELECT 1;\n\\! touch x\nSELECT 2;\n").unwrap().text, "\\! touch x");
    }

    #[test]
    fn a_line_that_is_too_long_is_looked_at_too() {
        let filler = "x".repeat(3 << 20);
        assert_eq!(found(&format!("SELECT '{filler}\\';\nSELECT 1;\n")), None);
        let long = format!("-- one\nSELECT '{filler}' \\! x\n");
        let (mut lines, mut commands) = (Lines::default(), Commands::default());
        lines.feed(long.as_bytes(), &mut |segment| commands.look(segment));
        assert_eq!(commands.found.unwrap(), Command { line: 2, text: "\\! x".into() });
    }
}
