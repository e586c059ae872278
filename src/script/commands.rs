//! Whether a script holds commands of psql's own, which run programs and read files where psql runs.
//!
//! This is for whoever is about to keep a dump that no restore will run. It is no protection: psql reads a script
//! by its own rules, and forbids its commands itself when a script is restored.

use super::ENCODING;
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
    /// Whether it stands outside of quotes, comments and rows.
    pub is_plain: bool,
}

/// Looks for commands in passing lines, outside of quotes, comments and rows.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Commands {
    /// Lines that have ended.
    lines: u64,
    /// Finds what a restore would not give to psql, also where it looks as if it stood among rows.
    guard: Guard,
    /// The first command found.
    pub found: Option<Command>,
}

impl Commands {
    /// Looks at what passes.
    pub fn look(&mut self, segment: Segment<'_>) {
        if self.found.is_some() {
            return;
        }
        if segment.line().is_some_and(is_of_dumps) {
            self.guard = Guard::default();
        } else {
            let refused = self.refused(segment.bytes);
            self.found = self.own(segment).or(refused);
        }
        self.lines += newlines(segment.bytes);
    }

    /// A command that psql takes for one.
    fn own(&self, segment: Segment<'_>) -> Option<Command> {
        let (before, rest) = segment.bytes.split_at_checked(segment.command?)?;
        let shown = rest.split(|byte| *byte == b'\n').next()?;
        let shown = String::from_utf8_lossy(shown.get(..SHOWN).unwrap_or(shown)).trim_end().to_owned();
        Some(Command { line: self.lines + newlines(before) + 1, text: shown, is_plain: true })
    }

    /// What no restore would give to psql.
    fn refused(&mut self, bytes: &[u8]) -> Option<Command> {
        let (text, end) = self.guard.refuses(bytes)?;
        let before = newlines(bytes.get(..end).unwrap_or_default());
        Some(Command { line: self.lines + before + 1, text: text.to_owned(), is_plain: false })
    }
}

/// Whether a line between statements is a command as `pg_dump` writes it. What is in backquotes is run by a shell.
fn is_of_dumps(line: &[u8]) -> bool {
    line == ENCODING || OF_DUMPS.iter().any(|words| line.starts_with(words)) && !line.contains(&b'`')
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
                // A dump begins so.
                lines.feed(b"--\n", &mut |_| ());
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
            "\\encoding SQL_ASCII\n\\connect -reuse-previous=on \"dbname='a b'\"\n",
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
            ("SELECT 1\n\\connect x\n", 2),
            ("\\encoding SQL_ASCII \\! x\n", 1),
        ] {
            let found = found(script).unwrap();
            assert_eq!((found.line, found.is_plain), (line, true), "{script}");
        }
        for script in ["SELECT '\\unrestrict';\n", "-- \\unrestrict\n", "SELECT '\0';\n"] {
            assert!(!found(script).unwrap().is_plain, "{script}");
        }
        assert_eq!(found("SELECT 1;\n\\! touch x\nSELECT 2;\n").unwrap().text, "\\! touch x");
    }

    #[test]
    fn a_line_that_is_too_long_is_looked_at_too() {
        let filler = "x".repeat(5 << 18);
        assert_eq!(found(&format!("SELECT '{filler}\\';\nSELECT 1;\n")), None);
        let long = format!("--\nSELECT '{filler}' \\! x\n");
        let (mut lines, mut commands) = (Lines::default(), Commands::default());
        lines.feed(long.as_bytes(), &mut |segment| commands.look(segment));
        assert_eq!(commands.found.unwrap(), Command { line: 2, text: "\\! x".into(), is_plain: true });
    }
}
