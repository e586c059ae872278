//! Rows of COPY's text format as comma-separated values.
//!
//! The values stay in the dump's encoding. A crate for CSV would write NULL and an empty string alike;
//! here, as in PostgreSQL's own `COPY … (FORMAT csv)`, only an empty string has quotes.

use crate::archive::format::entry::TocEntry;

/// Writes rows as comma-separated values; keeps no more than one row.
#[derive(Debug)]
pub struct Csv {
    /// A row whose end has not come yet.
    begun: Vec<u8>,
    columns: usize,
}

impl Csv {
    /// For rows of the table whose data this entry is; with the line that names its columns.
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

/// Writes a value that is not NULL, in quotes if they are needed.
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
        // Three octal digits may say more than a byte holds; PostgreSQL takes the lower part as well.
        value.push(number.to_le_bytes()[0]);
        rest = after;
    }
    value.into()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
