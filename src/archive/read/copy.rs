//! The rows of one block: as `COPY … TO STDOUT` writes them, and as comma-separated values.
//!
//! The values stay in the dump's encoding. A crate for CSV would write NULL and an empty string alike;
//! here, as in PostgreSQL's own `COPY … (FORMAT csv)`, only an empty string has quotes.

use super::blocks::{BLOCK_HEAD, COPY_END};
use super::inflate::Inflate;
use crate::archive::format::header::{Compression, Header};
use crate::archive::format::item::{INT, int};
use crate::archive::format::toc::TocEntry;

/// Takes the rows out of a block that passes: the format's own bytes and [`COPY_END`] are dropped.
#[derive(Debug)]
pub struct CopyText {
    /// Bytes of the head that is passing: a block's, then a chunk's.
    head: Vec<u8>,
    head_length: usize,
    /// Bytes that are left of the chunk.
    chunk: usize,
    /// Bytes of rows that are to come.
    rows: u64,
    /// Where the rows are compressed by gzip.
    inflate: Option<Inflate>,
}

impl CopyText {
    /// For a block of this archive that holds so many bytes of data.
    ///
    /// The block itself is taken to be right: whoever passes its bytes compares their digest.
    pub fn new(header: &Header, raw_bytes: u64) -> Self {
        let rows = raw_bytes.saturating_sub(COPY_END.len() as u64);
        let inflate = (header.compression == Compression::Gzip).then(Inflate::new);
        Self { head: Vec::new(), head_length: BLOCK_HEAD, chunk: 0, rows, inflate }
    }

    /// Reads the next bytes of the block, and hands the rows among them on.
    pub fn feed(&mut self, mut bytes: &[u8], mut rows: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            if self.chunk == 0 {
                let missing = self.head_length.saturating_sub(self.head.len());
                let (now, later) = bytes.split_at(missing.min(bytes.len()));
                self.head.extend_from_slice(now);
                bytes = later;
                if self.head.len() < self.head_length {
                    return;
                }
                if self.head_length == INT {
                    let length = self.head.first_chunk().copied().and_then(int);
                    self.chunk = length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
                }
                self.head_length = INT;
                self.head.clear();
                continue;
            }
            let (now, later) = bytes.split_at(self.chunk.min(bytes.len()));
            self.chunk -= now.len();
            bytes = later;
            let mut wanted = |bytes: &[u8]| {
                let wanted = usize::try_from(self.rows).unwrap_or(usize::MAX).min(bytes.len());
                self.rows -= wanted as u64;
                rows(bytes.get(..wanted).unwrap_or_default());
            };
            match &mut self.inflate {
                None => wanted(now),
                // What cannot be inflated has another digest.
                Some(inflate) => {
                    let _ = inflate.feed(now, wanted);
                }
            }
        }
    }
}

/// Writes rows as comma-separated values; keeps no more than one row.
#[derive(Debug)]
pub struct Csv {
    /// A row whose end has not come yet.
    begun: Vec<u8>,
    columns: usize,
}

impl Csv {
    /// For rows of the table whose data this entry is, and the line with the names of its columns.
    pub fn new(entry: &TocEntry) -> (Self, Vec<u8>) {
        let names = entry.column_names();
        let mut header = Vec::new();
        for (number, name) in names.iter().enumerate() {
            separate(&mut header, number);
            write(&mut header, name, names.len());
        }
        header.push(b'\n');
        (Self { begun: Vec::new(), columns: names.len() }, header)
    }

    /// Reads the next bytes of COPY text, and appends the rows that end in them to `out`.
    pub fn feed(&mut self, mut text: &[u8], out: &mut Vec<u8>) {
        while let Some(end) = memchr::memchr(b'\n', text) {
            let (line, rest) = text.split_at(end);
            if self.begun.is_empty() {
                self.row(line, out);
            } else {
                let mut begun = std::mem::take(&mut self.begun);
                begun.extend_from_slice(line);
                self.row(&begun, out);
            }
            text = rest.get(1..).unwrap_or_default();
        }
        self.begun.extend_from_slice(text);
    }

    fn row(&self, line: &[u8], out: &mut Vec<u8>) {
        // The row of a table without columns is an empty line too.
        if self.columns > 0 {
            for (number, field) in line.split(|byte| *byte == b'\t').enumerate() {
                separate(out, number);
                if field != b"\\N" {
                    write(out, &decoded(field), self.columns);
                }
            }
        }
        out.push(b'\n');
    }
}

fn separate(out: &mut Vec<u8>, number: usize) {
    if number > 0 {
        out.push(b',');
    }
}

/// Writes a value that is not NULL, in quotes where they are needed.
fn write(out: &mut Vec<u8>, value: &[u8], columns: usize) {
    let special = |byte: &u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    // Alone in its line this would end the data.
    let end = columns == 1 && value == b"\\.";
    if !value.is_empty() && !end && !value.iter().any(special) {
        out.extend_from_slice(value);
        return;
    }
    out.push(b'"');
    for byte in value {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// A value without COPY's escapes.
fn decoded(field: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if memchr::memchr(b'\\', field).is_none() {
        return field.into();
    }
    let mut value = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            value.push(*byte);
            continue;
        }
        let Some((escape, after)) = rest.split_first() else {
            value.push(b'\\');
            break;
        };
        let (digits, radix, most) = match escape {
            b'0'..=b'7' => (rest, 8, 3),
            b'x' if after.first().is_some_and(u8::is_ascii_hexdigit) => (after, 16, 2),
            _ => {
                value.push(match escape {
                    b'b' => 0x08,
                    b'f' => 0x0C,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 0x0B,
                    other => *other,
                });
                rest = after;
                continue;
            }
        };
        let digit = |byte: &u8| char::from(*byte).to_digit(radix);
        let count = digits.iter().take(most).take_while(|byte| digit(byte).is_some()).count();
        let (number, after) = digits.split_at(count);
        let number = number.iter().filter_map(digit).fold(0, |number, digit| number * radix + digit);
        // Three octal digits may say more than a byte holds; PostgreSQL takes the lower part too.
        value.push(number.to_le_bytes()[0]);
        rest = after;
    }
    value.into()
}

impl TocEntry {
    /// The names of the columns that its data has, in their order, in the dump's encoding.
    pub fn column_names(&self) -> Vec<Vec<u8>> {
        let mut list = self.columns().strip_prefix(b"(").unwrap_or_default().iter().copied().peekable();
        let (mut names, mut name, mut quoted) = (Vec::new(), Vec::new(), false);
        while let Some(byte) = list.next() {
            match byte {
                b'"' if quoted && list.next_if_eq(&b'"').is_some() => name.push(b'"'),
                b'"' => quoted = !quoted,
                b',' if !quoted => names.push(std::mem::take(&mut name)),
                b')' if !quoted => {
                    names.push(name);
                    break;
                }
                b' ' if !quoted => {}
                byte => name.push(byte),
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::super::reader::Reader;
    use super::*;

    const DUMP: &[u8] = include_bytes!("../../../tests/data/pg18.dump");

    fn csv(columns: usize, pieces: &[&[u8]]) -> String {
        let (mut csv, mut out) = (Csv { begun: Vec::new(), columns }, Vec::new());
        pieces.iter().for_each(|piece| csv.feed(piece, &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_escape_of_copy_is_undone() {
        assert_eq!(csv(3, &[b"1\t\\N\t\n"]), "1,,\"\"\n");
        assert_eq!(csv(1, &[b"a\\nb\\rc\\td\\\\e\\bf\\fg\\v\n"]), "\"a\nb\rc\td\\e\x08f\x0Cg\x0B\"\n");
        assert_eq!(csv(1, &[b"\\x41\\x4g\\101\\60\\q\\\n"]), "A\x04gA0q\\\n");
        assert_eq!(csv(1, &[b"\\\\N\n\\\\.\n"]), "\\N\n\"\\.\"\n");
        assert_eq!(csv(2, &[b"\\\\.\tsay \"so\", he\n"]), "\\.,\"say \"\"so\"\", he\"\n");
        assert_eq!(csv(1, &[b"\\N\n\n"]), "\n\"\"\n");
        assert_eq!(csv(0, &[b"\n\n"]), "\n\n");
        assert_eq!(csv(2, &[b"a", b"b\tc", b"\n", b"d\\", b"ne\tf\n"]), "ab,c\n\"d\ne\",f\n");
    }

    #[test]
    fn the_rows_come_out_of_a_block_however_it_is_cut() {
        let mut reader = Reader::with_digests();
        reader.feed(DUMP).unwrap();
        let whole = reader.finish().unwrap();
        let all = whole.toc.with_data().zip(&whole.blocks).filter(|(_, block)| block.rows.is_some());
        for (entry, block) in all {
            let bytes = &DUMP[block.range.start as usize..block.range.end as usize];
            for size in [1, 2, 7, 100, bytes.len()] {
                let (mut copy, mut rows) = (CopyText::new(&whole.header, block.raw_bytes), Vec::new());
                bytes.chunks(size).for_each(|piece| copy.feed(piece, |found| rows.extend_from_slice(found)));
                assert_eq!(rows.len() as u64, block.raw_bytes - COPY_END.len() as u64, "{entry:?}");
                let lines = rows.iter().filter(|byte| **byte == b'\n').count() as u64;
                assert_eq!(Some(lines), block.rows, "{entry:?}");
                rows.extend_from_slice(COPY_END);
                use sha2::Digest;
                assert_eq!(Some(sha2::Sha256::digest(&rows).into()), block.sha256, "{entry:?}");
            }
            let columns = String::from_utf8(entry.columns().to_vec()).unwrap();
            let names = entry.column_names();
            assert_eq!(names.is_empty(), columns.is_empty());
            assert!(
                names.iter().all(|name| columns.contains(std::str::from_utf8(name).unwrap())),
                "{columns}"
            );
        }
    }
}
