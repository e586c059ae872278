//! A digest of rows that does not depend on their order.
//!
//! The SHA-256 of every row is cut to 128 bits, and these are added up. Rows that come in another
//! order, or in several blocks, add up to the same. It finds what went wrong by accident; an attacker who
//! chooses all rows can make two sets with one sum, so it does not protect against forgery.

use sha2::{Digest, Sha256};

/// Adds up the digests of rows, or of large objects.
#[derive(Debug, Default)]
pub struct Unordered {
    item: Sha256,
    sum: u128,
}

impl Unordered {
    /// Adds text in which every line is an item; the last may go on in the next call.
    pub fn add_lines(&mut self, mut text: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', text) {
            let (line, rest) = text.split_at(end + 1);
            self.add(line);
            self.end_item();
            text = rest;
        }
        self.add(text);
    }

    /// Adds to the item that has begun.
    pub fn add(&mut self, bytes: &[u8]) {
        self.item.update(bytes);
    }

    /// Ends the item.
    pub fn end_item(&mut self) {
        let digest: [u8; 32] = self.item.finalize_reset().into();
        let first = digest.first_chunk().copied().map_or(0, u128::from_le_bytes);
        self.sum = self.sum.wrapping_add(first);
    }

    /// The sum of all items that have ended, modulo 2^128.
    pub fn sum(&self) -> u128 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(pieces: &[&str]) -> u128 {
        let mut unordered = Unordered::default();
        pieces.iter().for_each(|piece| unordered.add_lines(piece.as_bytes()));
        unordered.sum()
    }

    #[test]
    fn order_and_cuts_do_not_matter_and_rows_do() {
        let all = sum(&["a\tb\nc\td\n\n"]);
        assert_eq!(sum(&["c\td\n\na\tb\n"]), all);
        assert_eq!(sum(&["a", "\tb", "\nc\td", "\n", "\n"]), all);
        assert_eq!(sum(&["a\tb\n"]).wrapping_add(sum(&["c\td\n\n"])), all);
        for other in
            ["a\tb\nc\te\n\n", "a\tb\nc\td\n", "a\tb\nc\td\n\n\n", "a\td\nc\tb\n\n", "a\tbc\n\td\n\n"]
        {
            assert_ne!(sum(&[other]), all, "{other:?}");
        }
    }
}
