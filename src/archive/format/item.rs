//! The pieces header and table of contents are made of, collected from a stream that may break anywhere.
//!
//! Decides where a field ends, never what it means.

use super::damage::Damage;

/// Longest text accepted, in bytes. The longest that occur are definitions of views and functions; a
/// server keeps such a thing in one field of its catalogue, in practice far below this.
const MAX_TEXT: u64 = 64 << 20;

/// Largest header and table of contents accepted, in bytes. Up to PostgreSQL 16 each large object has
/// an entry of some 200 bytes, so this is room for five million of them.
pub(in crate::archive) const MAX_PREAMBLE: u64 = 1 << 30;

/// Bytes of an archived integer: one for the sign, four for the magnitude.
pub(in crate::archive) const INT: usize = 5;

/// The layout of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::archive) enum Shape {
    /// So many bytes; none for a field that this version of the format does not have.
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

impl Shape {
    /// Bytes that come in any case, before the first length is known.
    const fn prefix(self) -> u64 {
        match self {
            Shape::Bytes(n) => n as u64,
            Shape::Int | Shape::Text | Shape::Texts => INT as u64,
            Shape::Offset => 9,
        }
    }
}

/// Reads an archived integer; nothing if no `pg_dump` would have written it.
pub(in crate::archive) fn int(bytes: [u8; INT]) -> Option<i32> {
    let [sign, magnitude @ ..] = bytes;
    let magnitude = i64::from(u32::from_le_bytes(magnitude));
    match sign {
        0 => i32::try_from(magnitude).ok(),
        1 => i32::try_from(-magnitude).ok(),
        _ => None,
    }
}

/// An integer as the format writes it: its sign, then its magnitude, least byte first.
pub(in crate::archive) fn int_bytes(number: i32) -> [u8; INT] {
    let [a, b, c, d] = number.unsigned_abs().to_le_bytes();
    [u8::from(number < 0), a, b, c, d]
}

/// Reads the integer at the beginning of `bytes`.
pub(in crate::archive) fn leading_int(bytes: &[u8]) -> Option<i32> {
    bytes.first_chunk().copied().and_then(int)
}

/// Takes one text off the front of `bytes`: `Some(None)` is an absent one.
pub(in crate::archive) fn leading_text<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (length, rest) = bytes.split_first_chunk()?;
    let Ok(length) = usize::try_from(int(*length)?) else {
        *bytes = rest;
        return Some(None);
    };
    let (text, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(Some(text))
}

/// Finds one field, its length included, among `bytes` whose fields end at `ends`; nothing in one that
/// is not there.
pub(in crate::archive) fn field<'a>(bytes: &'a [u8], ends: &[u32], number: usize) -> &'a [u8] {
    let begin = number.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    let end = ends.get(number).copied().unwrap_or(begin);
    bytes.get(begin as usize..end as usize).unwrap_or_default()
}

/// One run of fields being collected.
#[derive(Debug)]
pub(in crate::archive) struct Item {
    /// Where it begins in the archive.
    start: u64,
    shapes: Vec<Shape>,
    /// Its bytes so far.
    held: Vec<u8>,
    /// Where each complete field ends within `held`.
    ends: Vec<u32>,
    /// How long `held` must be before more can be decided.
    want: u64,
    /// Whether the bytes wanted are a text itself, not its length.
    in_text: bool,
}

impl Item {
    pub(in crate::archive) fn new(start: u64, shapes: Vec<Shape>) -> Self {
        let want = shapes.first().map_or(0, |first| first.prefix());
        Self { start, shapes, held: Vec::new(), ends: Vec::new(), want, in_text: false }
    }

    /// Begins again behind the collected fields, for fields of the same layout.
    pub(in crate::archive) fn restart(&mut self) {
        self.start += self.held.len() as u64;
        self.held.clear();
        self.ends.clear();
        self.want = self.shapes.first().map_or(0, |first| first.prefix());
    }

    /// Where the item begins in the archive.
    pub(in crate::archive) fn start(&self) -> u64 {
        self.start
    }

    /// Where the collected bytes end in the archive.
    pub(in crate::archive) fn end(&self) -> u64 {
        self.start + self.held.len() as u64
    }

    /// The bytes collected so far.
    pub(in crate::archive) fn held(&self) -> &[u8] {
        &self.held
    }

    /// Where each complete field ends within [`Item::held`].
    pub(in crate::archive) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The bytes of one complete field, its length included.
    pub(in crate::archive) fn field(&self, number: usize) -> &[u8] {
        field(&self.held, &self.ends, number)
    }

    /// Takes from the front of `bytes` what belongs to this item; true when it is complete.
    pub(in crate::archive) fn fill(&mut self, bytes: &mut &[u8]) -> Result<bool, Damage> {
        while let Some(&shape) = self.shapes.get(self.ends.len()) {
            let missing = self.want.saturating_sub(self.held.len() as u64);
            let missing = usize::try_from(missing).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            self.held.extend_from_slice(now);
            *bytes = later;
            if now.len() < missing {
                return Ok(false);
            }
            self.advance(shape)?;
        }
        Ok(true)
    }

    /// Decides what the wanted bytes, now all there, lead to.
    fn advance(&mut self, shape: Shape) -> Result<(), Damage> {
        match (shape, self.in_text) {
            (Shape::Text | Shape::Texts, false) => {
                let length = self.held.last_chunk().copied().and_then(int);
                let length = length.ok_or_else(|| self.malformed("the length of a text cannot be read"))?;
                match u64::try_from(length) {
                    Ok(length) if length > MAX_TEXT => {
                        return Err(Damage::TooLarge { at: self.end(), what: "a text", limit: MAX_TEXT });
                    }
                    Ok(length) => {
                        self.in_text = true;
                        self.want += length;
                    }
                    Err(_) => self.close(),
                }
            }
            (Shape::Texts, true) => {
                self.in_text = false;
                self.want += INT as u64;
            }
            _ => self.close(),
        }
        if self.start + self.want > MAX_PREAMBLE {
            return Err(Damage::TooLarge {
                at: self.end(),
                what: "the table of contents",
                limit: MAX_PREAMBLE,
            });
        }
        Ok(())
    }

    fn close(&mut self) {
        self.in_text = false;
        // Cannot be cut: `held` stays below MAX_PREAMBLE.
        self.ends.push(u32::try_from(self.held.len()).unwrap_or(u32::MAX));
        self.want += self.shapes.get(self.ends.len()).map_or(0, |next| next.prefix());
    }

    /// Says that the item cannot be understood, where its collected bytes end.
    pub(in crate::archive) fn malformed(&self, what: &'static str) -> Damage {
        Damage::Malformed { at: self.end(), what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announced_length_allocates_nothing() {
        let mut item = Item::new(0, vec![Shape::Text]);
        let announced = [&[0][..], &50_000_000_u32.to_le_bytes(), b"only this"].concat();
        assert_eq!(item.fill(&mut announced.as_slice()), Ok(false));
        assert_eq!(item.held(), announced);
        assert!(item.held.capacity() < 100);
    }

    #[test]
    fn integers_are_sign_and_magnitude() {
        assert_eq!(int([0, 1, 2, 0, 0]), Some(513));
        assert_eq!(int([1, 1, 0, 0, 0]), Some(-1));
        assert_eq!(int([1, 0, 0, 0, 0x80]), Some(i32::MIN));
        assert_eq!(int([0, 0, 0, 0, 0x80]), None);
        assert_eq!(int([2, 0, 0, 0, 0]), None);
    }

    #[test]
    fn numbers_read_back() {
        for number in [0, 1, -1, 255, 65536, i32::MAX, i32::MIN] {
            assert_eq!(int(int_bytes(number)), Some(number));
        }
    }
}
