//! The fields that header and table of contents are made of: how each is laid out, and how a run of them is
//! collected from a stream that may break anywhere.
//!
//! Decides where a field ends, never what it means. No memory is taken because a length was announced: bytes
//! are kept as they arrive.

use super::damage::Damage;

/// The largest header and table of contents accepted, in bytes.
///
/// One text may have 2 GiB in this format, and PostgreSQL keeps up to 1 GB in one field: there is no other
/// limit for a single text. Up to PostgreSQL 16 each large object has an entry of some 200 bytes, so this is
/// also room for ten million of them. `pg_dump` and `pg_restore` keep a table of contents in memory whole, at
/// several times this size; the limit is against an archive made to fill its reader's memory.
pub const MAX_PREAMBLE: u64 = 2 << 30;

/// Collected fields whose memory is given back for the next ones, not kept, in bytes.
const LARGE: usize = 1 << 20;

/// Bytes of an archived integer: one for the sign, four for the magnitude.
pub const INT: usize = 5;

/// How one field is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A fixed number of bytes; none for a field that this version of the format does not have.
    Bytes(u8),
    /// A sign byte and four bytes, little-endian.
    Int,
    /// An integer length, then as many bytes; a negative length means absent.
    Text,
    /// Texts up to an absent one.
    Texts,
    /// A flag byte and eight bytes, little-endian.
    Offset,
}

impl Layout {
    /// Bytes that come in any case, before the first length is known.
    const fn prefix(self) -> u64 {
        match self {
            Layout::Bytes(n) => n as u64,
            Layout::Int | Layout::Text | Layout::Texts => INT as u64,
            Layout::Offset => 9,
        }
    }
}

/// Reads an archived integer; nothing if no `pg_dump` would have written it.
pub fn int(bytes: [u8; INT]) -> Option<i32> {
    let [sign, magnitude @ ..] = bytes;
    let magnitude = i64::from(u32::from_le_bytes(magnitude));
    match (sign, magnitude) {
        (0, _) => i32::try_from(magnitude).ok(),
        (1, 1..) => i32::try_from(-magnitude).ok(),
        _ => None,
    }
}

/// An integer as the format writes it: its sign, then its magnitude, least byte first.
pub fn int_bytes(number: i32) -> [u8; INT] {
    let [a, b, c, d] = number.unsigned_abs().to_le_bytes();
    [u8::from(number < 0), a, b, c, d]
}

/// Reads the integer at the beginning of `bytes`.
pub fn leading_int(bytes: &[u8]) -> Option<i32> {
    bytes.first_chunk().copied().and_then(int)
}

/// Takes one text off the front of `bytes`: `Some(None)` is an absent one.
pub fn leading_text<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (length, rest) = bytes.split_first_chunk()?;
    let Ok(length) = usize::try_from(int(*length)?) else {
        *bytes = rest;
        return Some(None);
    };
    let (text, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(Some(text))
}

/// Finds one field, its length included, among `bytes` whose fields end at `ends`; nothing if there is no
/// such field.
pub fn field<'a>(bytes: &'a [u8], ends: &[u32], number: usize) -> &'a [u8] {
    let begin = number.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    let end = ends.get(number).copied().unwrap_or(begin);
    bytes.get(begin as usize..end as usize).unwrap_or_default()
}

/// A run of fields being collected.
#[derive(Debug)]
pub struct Fields {
    /// Where it begins in the archive.
    start: u64,
    layout: Vec<Layout>,
    /// Its bytes so far.
    held: Vec<u8>,
    /// Where each complete field ends within `held`.
    ends: Vec<u32>,
    /// How long `held` must be before more can be decided.
    want: u64,
    /// Whether the bytes wanted are a text itself, not its length.
    in_text: bool,
}

impl Fields {
    /// None yet, of those that begin at `start` in the archive.
    pub fn new(start: u64, layout: Vec<Layout>) -> Self {
        let want = layout.first().map_or(0, |first| first.prefix());
        Self { start, layout, held: Vec::new(), ends: Vec::new(), want, in_text: false }
    }

    /// Begins again after the collected fields, for fields of the same layout.
    pub fn restart(&mut self) {
        self.start += self.held.len() as u64;
        self.held.clear();
        self.held.shrink_to(LARGE);
        self.ends.clear();
        self.want = self.layout.first().map_or(0, |first| first.prefix());
    }

    /// Where they begin in the archive.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Where the collected bytes end in the archive.
    pub fn end(&self) -> u64 {
        self.start + self.held.len() as u64
    }

    /// The bytes collected so far.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// Where each complete field ends within [`Fields::held`].
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The bytes of one complete field, its length included.
    pub fn field(&self, number: usize) -> &[u8] {
        field(&self.held, &self.ends, number)
    }

    /// Takes from the front of `bytes` what belongs to these fields; true when they are complete.
    ///
    /// # Errors
    /// A length that cannot be read, or more bytes than [`MAX_PREAMBLE`].
    pub fn fill(&mut self, bytes: &mut &[u8]) -> Result<bool, Damage> {
        while let Some(&layout) = self.layout.get(self.ends.len()) {
            let missing = self.want.saturating_sub(self.held.len() as u64);
            let missing = usize::try_from(missing).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            self.held.extend_from_slice(now);
            *bytes = later;
            if now.len() < missing {
                return Ok(false);
            }
            self.advance(layout)?;
        }
        Ok(true)
    }

    /// Decides what the wanted bytes, now all there, lead to.
    fn advance(&mut self, layout: Layout) -> Result<(), Damage> {
        match (layout, self.in_text) {
            (Layout::Text | Layout::Texts, false) => {
                let length = self.held.last_chunk().copied().and_then(int);
                let length = length.ok_or_else(|| self.malformed("the length of a text is invalid"))?;
                match u64::try_from(length) {
                    Ok(length) => {
                        self.in_text = true;
                        self.want += length;
                    }
                    Err(_) => self.close(),
                }
            }
            (Layout::Texts, true) => {
                self.in_text = false;
                self.want += INT as u64;
            }
            _ => self.close(),
        }
        if self.start + self.want > MAX_PREAMBLE {
            return Err(Damage::TooLarge { at: self.end(), limit: MAX_PREAMBLE });
        }
        Ok(())
    }

    fn close(&mut self) {
        self.in_text = false;
        // Fits: `held` stays below MAX_PREAMBLE.
        self.ends.push(u32::try_from(self.held.len()).unwrap_or(u32::MAX));
        self.want += self.layout.get(self.ends.len()).map_or(0, |next| next.prefix());
    }

    /// Reports that the fields cannot be understood, at the end of the collected bytes.
    pub fn malformed(&self, what: &'static str) -> Damage {
        Damage::Malformed { at: self.end(), what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announced_length_allocates_nothing() {
        let mut fields = Fields::new(0, vec![Layout::Text]);
        let announced = [&[0][..], &2_000_000_000_u32.to_le_bytes(), b"only this"].concat();
        assert_eq!(fields.fill(&mut announced.as_slice()), Ok(false));
        assert_eq!(fields.held(), announced);
        assert!(fields.held.capacity() < 100);
    }

    #[test]
    fn the_memory_of_a_large_text_is_given_back() {
        let mut fields = Fields::new(0, vec![Layout::Text]);
        let length = 3 * LARGE;
        let text = [&int_bytes(length as i32)[..], &vec![b'x'; length]].concat();
        assert_eq!(fields.fill(&mut text.as_slice()), Ok(true));
        assert_eq!(leading_text(&mut fields.field(0)).unwrap().unwrap().len(), length);
        fields.restart();
        assert!(fields.held.capacity() <= LARGE);
        assert_eq!(fields.start(), text.len() as u64);
    }

    #[test]
    fn more_than_the_limit_is_refused_before_it_comes() {
        let mut fields = Fields::new(MAX_PREAMBLE - 100, vec![Layout::Text]);
        let announced = int_bytes(101);
        let refused = Damage::TooLarge { at: MAX_PREAMBLE - 95, limit: MAX_PREAMBLE };
        assert_eq!(fields.fill(&mut announced.as_slice()), Err(refused));
    }

    #[test]
    fn integers_are_sign_and_magnitude() {
        assert_eq!(int([0, 1, 2, 0, 0]), Some(513));
        assert_eq!(int([1, 1, 0, 0, 0]), Some(-1));
        assert_eq!(int([1, 0, 0, 0, 0x80]), Some(i32::MIN));
        assert_eq!(int([0, 0, 0, 0, 0x80]), None);
        assert_eq!(int([1, 0, 0, 0, 0]), None);
        assert_eq!(int([2, 0, 0, 0, 0]), None);
    }

    #[test]
    fn integers_read_back() {
        for number in [0, 1, -1, 255, 65536, i32::MAX, i32::MIN] {
            assert_eq!(int(int_bytes(number)), Some(number));
        }
    }
}
