//! A script's lines; rows of COPY, and lines that are too long, pass in between, cut anywhere.

use memchr::memchr;

/// No line that matters is longer, in bytes: a `COPY` names at most 1,600 columns.
const LONGEST: usize = 1 << 20;

/// Some bytes of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'a> {
    /// A line with its end; the last of a script may have none.
    Line(&'a [u8]),
    /// Some rows of a `COPY`, or the line that ends them.
    Rows(&'a [u8]),
    /// Some of a line that is too long to matter.
    Passing(&'a [u8]),
}

impl Segment<'_> {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Segment::Line(bytes) | Segment::Rows(bytes) | Segment::Passing(bytes) => bytes,
        }
    }
}

/// Cuts a script into lines.
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginning of a line whose end has not come.
    held: Vec<u8>,
    within: Within,
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
            match self.within {
                Within::Text => bytes = self.line(bytes, take),
                Within::LongLine => {
                    let end = memchr(b'\n', bytes);
                    let (now, later) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
                    take(Segment::Passing(now));
                    if end.is_some() {
                        self.within = Within::Text;
                    }
                    bytes = later;
                }
                Within::Rows(..) => bytes = self.rows(bytes, take),
            }
        }
    }

    /// Passes on what is left when the script has ended.
    pub fn finish(self, take: &mut dyn FnMut(Segment<'_>)) {
        if !self.held.is_empty() {
            take(Segment::Line(&self.held));
        }
    }

    fn line<'b>(&mut self, bytes: &'b [u8], take: &mut dyn FnMut(Segment<'_>)) -> &'b [u8] {
        let end = memchr(b'\n', bytes);
        let (now, later) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        if end.is_none() {
            self.held.extend_from_slice(now);
            if self.held.len() > LONGEST {
                take(Segment::Passing(&std::mem::take(&mut self.held)));
                self.within = Within::LongLine;
            }
            return later;
        }
        let held = std::mem::take(&mut self.held);
        let whole = if held.is_empty() { now.into() } else { [&held, now].concat() };
        if whole.starts_with(b"COPY ") && whole.trim_ascii_end().ends_with(b" FROM stdin;") {
            self.within = Within::Rows(0, [0; 3]);
        }
        take(Segment::Line(&whole));
        later
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
                take(Segment::Rows(bytes.get(..bytes.len() - rest.len()).unwrap_or_default()));
                self.within = Within::Text;
                return rest;
            }
        }
        self.within = Within::Rows(length, first);
        take(Segment::Rows(bytes));
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(script: &[u8], step: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut lines, mut all) = (Vec::new(), Vec::new());
        let mut take = |segment: Segment<'_>| {
            all.extend_from_slice(segment.bytes());
            if let Segment::Line(line) = segment {
                lines.push(line.to_vec());
            }
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
            assert_eq!(lines, ["--\n", "COPY t (n) FROM stdin;\n", "COPY u FROM stdin;\n", "end"], "{step}");
        }
    }

    #[test]
    fn an_endless_line_is_not_held() {
        let mut script = vec![b'x'; 3 * LONGEST];
        script.extend_from_slice(b"\nnext\n");
        let (lines, all) = segments(&script, 1000);
        assert_eq!((lines, all == script), (vec![b"next\n".to_vec()], true));
    }
}
