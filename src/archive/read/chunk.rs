//! A chunk of data, by its place, and how it is cut in two.

use crate::archive::format::fields::{INT, int_bytes};
use crate::layout::{Cut, Seam};

/// A chunk of data.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chunk {
    /// Where its head begins in the archive.
    pub head_at: u64,
    /// Bytes of data in it.
    pub length: usize,
}

impl Chunk {
    /// Where it ends.
    pub fn end(self) -> u64 {
        self.head_at + (INT + self.length) as u64
    }

    /// The cut at this place in its data, or at its end.
    pub fn cut(self, at: u64) -> Cut {
        let after = self.end().saturating_sub(at);
        let before = self.length as u64 - after;
        let seam =
            (after > 0).then(|| Seam { head_at: self.head_at, before: head(before), after: head(after) });
        Cut { at, seam }
    }

    /// What it is once something was cut at this place: the second of two, or the same a little later.
    #[must_use]
    pub fn after_cut(self, at: u64) -> Self {
        if self.head_at < at {
            Self { head_at: at, length: usize::try_from(self.end() - at).unwrap_or(self.length) }
        } else {
            Self { head_at: self.head_at + INT as u64, ..self }
        }
    }
}

/// The head of a chunk of this length.
fn head(length: u64) -> [u8; INT] {
    // Fits: it is a part of a chunk, whose length had such a head too.
    int_bytes(i32::try_from(length).unwrap_or(i32::MAX))
}
