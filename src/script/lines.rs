//! A script's lines; rows of COPY, and what is within a statement, pass in between, cut anywhere.

use super::statements::Statements;
use memchr::memchr;

/// No line that matters is longer, in bytes: a `COPY` names at most 1,600 columns.
const LONGEST: usize = 1 << 20;

/// Some bytes of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// What they are.
    pub place: Place,
    /// Where a command of psql's own begins in them.
    pub command: Option<usize>,
}

/// What some bytes of a script are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A line that begins between statements, or the beginning of one that is too long to matter.
    Line,
    /// Some more of a statement, a string, a comment or a line that is too long.
    Within,
    /// Some rows of a `COPY`, or the line that ends them.
    Rows,
}

impl<'a> Segment<'a> {
    /// The line that begins between statements, without its end.
    pub fn line(&self) -> Option<&'a [u8]> {
        (self.place == Place::Line).then(|| self.bytes.trim_ascii_end())
    }
}

/// Cuts a script into lines.
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginning of a line whose end has not come.
    held: Vec<u8>,
    within: Within,
    statements: Statements,
    /// Whether the dump has begun. What stands before it may be no SQL at all.
    begun: bool,
    /// Whether the statement is a `COPY`, whose names may hold line ends.
    copies: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Text,
    /// A line that is too long.
    LongLine,
    /// Rows: how many bytes of the current one have passed, and the first three of them.
    Rows(usize, [u8; 3]),
}

impl Lines {
    /// Reads the next bytes and passes on all that is certain, in order.
    pub fn feed(&mut self, mut bytes: &[u8], take: &mut dyn FnMut(Segment<'_>)) {
        while !bytes.is_empty() {
            bytes = match self.within {
                Within::Text | Within::LongLine => self.text(bytes, take),
                Within::Rows(..) => self.rows(bytes, take),
            }
        }
    }

    /// Passes on what is left when the script has ended.
    pub fn finish(mut self, take: &mut dyn FnMut(Segment<'_>)) {
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.pass(&held, take);
        }
    }

    /// Passes on a line, or some of one that is too long.
    fn text<'b>(&mut self, bytes: &'b [u8], take: &mut dyn FnMut(Segment<'_>)) -> &'b [u8] {
        let end = memchr(b'\n', bytes);
        let (now, later) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        let is_long = self.within == Within::LongLine || self.held.len() + now.len() > LONGEST;
        if end.is_none() && !is_long {
            self.held.extend_from_slice(now);
            return later;
        }
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            self.pass(now, take);
        } else {
            self.pass(&[&held, now].concat(), take);
        }
        if self.within != Within::Rows(0, [0; 3]) {
            self.within = if end.is_none() { Within::LongLine } else { Within::Text };
        }
        later
    }

    /// Passes text on, after a look at what begins and ends in it.
    fn pass(&mut self, bytes: &[u8], take: &mut dyn FnMut(Segment<'_>)) {
        let mut place = Place::Within;
        if self.within == Within::Text && self.statements.is_between() {
            place = Place::Line;
            self.begun |= bytes.trim_ascii_end() == b"--";
            self.copies = bytes.starts_with(b"COPY ");
            self.statements.heed(bytes);
        }
        let command = if self.begun { self.statements.scan(bytes) } else { None };
        take(Segment { bytes, place, command });
        if self.copies && self.statements.is_between() && bytes.trim_ascii_end().ends_with(b" FROM stdin;") {
            self.within = Within::Rows(0, [0; 3]);
        }
    }

    /// Passes rows on, up to the line that ends them.
    fn rows<'b>(&mut self, bytes: &'b [u8], take: &mut dyn FnMut(Segment<'_>)) -> &'b [u8] {
        let Within::Rows(mut length, mut first) = self.within else { return bytes };
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = memchr(b'\n', rest);
            let (now, later) = rest.split_at(end.unwrap_or(rest.len()));
            for (place, byte) in first.iter_mut().skip(length).zip(now) {
                *place = *byte;
            }
            length += now.len();
            let Some((_, later)) = later.split_first() else { break };
            rest = later;
            let ended = matches!((length, first), (2, [b'\\', b'.', _]) | (3, [b'\\', b'.', b'\r']));
            (length, first) = (0, [0; 3]);
            if ended {
                take(rows(bytes.get(..bytes.len() - rest.len()).unwrap_or_default()));
                self.within = Within::Text;
                return rest;
            }
        }
        self.within = Within::Rows(length, first);
        take(rows(bytes));
        &[]
    }
}

fn rows(bytes: &[u8]) -> Segment<'_> {
    Segment { bytes, place: Place::Rows, command: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(script: &[u8], step: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut lines, mut all) = (Vec::new(), Vec::new());
        let mut take = |segment: Segment<'_>| {
            all.extend_from_slice(segment.bytes);
            lines.extend(segment.line().map(<[u8]>::to_vec));
        };
        let mut reader = Lines::default();
        script.chunks(step).for_each(|bytes| reader.feed(bytes, &mut take));
        reader.finish(&mut take);
        (lines, all)
    }

    #[test]
    fn rows_are_not_lines_however_the_script_is_cut() {
        let script =
            b"--\nCOPY t (n) FROM stdin;\n-- Name: no\n\\.x\n\\\\.\n\\.\nCOPY u FROM stdin;\n\\.\r\nend";
        for step in 1..script.len() {
            let (lines, all) = segments(script, step);
            assert_eq!(all, script);
            let lines: Vec<_> = lines.iter().map(|line| std::str::from_utf8(line).unwrap()).collect();
            assert_eq!(lines, ["--", "COPY t (n) FROM stdin;", "COPY u FROM stdin;", "end"], "{step}");
        }
    }

    #[test]
    fn names_may_hold_line_ends_and_values_may_look_like_a_copy() {
        let script = b"--\nCOPY \"a\nb\".t (n, \"c;\n\") FROM stdin;\n-- row\n\\.\n\
                       INSERT INTO t VALUES ('\nCOPY t (a) FROM stdin;\n');\nend\n";
        for step in 1..script.len() {
            let (lines, all) = segments(script, step);
            assert_eq!(all, script);
            let lines: Vec<_> = lines.iter().map(|line| std::str::from_utf8(line).unwrap()).collect();
            assert_eq!(lines, ["--", "COPY \"a", "INSERT INTO t VALUES ('", "end"], "{step}");
        }
    }

    #[test]
    fn an_endless_line_is_not_held() {
        let long = [b"--\nSELECT '".as_slice(), &vec![b'x'; 3 * LONGEST]].concat();
        for (end, lines_after) in [("';\nnext\n", 1), ("\nno\n';\nnext\n", 1)] {
            let script = [&long[..], end.as_bytes()].concat();
            let (lines, all) = segments(&script, 1000);
            assert_eq!((lines.len(), all == script), (2 + lines_after, true));
            assert!(lines[1].len() <= LONGEST + 1000 && lines[2] == b"next");
        }
    }
}
