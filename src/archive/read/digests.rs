//! A second look at the blocks, which digests them and may lag behind the reader.
//!
//! Digests take long; where to cut the stream must be known at once. So the reader looks first, and
//! this looks again on another thread, sharing the table of contents.

use super::blocks::Blocks;
use super::tally::{Block, Depth};
use crate::archive::format::damage::Damage;
use crate::archive::format::header::Header;
use crate::archive::format::toc::Toc;

/// Takes a SHA-256 of each block's data; made by [`Reader::digests`](super::reader::Reader::digests).
#[derive(Debug)]
pub struct Digests {
    toc: Toc,
    blocks: Blocks,
}

impl Digests {
    pub(in crate::archive) fn new(header: &Header, toc: &Toc, start: u64) -> Self {
        Self { toc: toc.clone(), blocks: Blocks::new(header, toc, start, Depth::Blocks) }
    }

    /// Reads the bytes of the archive that begin at `offset`; what lies before the blocks is passed
    /// over. The bytes come in order and without gaps.
    ///
    /// # Errors
    /// What is wrong with the archive, as the reader reports it.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Damage> {
        let passed_over = self.blocks.position().saturating_sub(offset);
        let from = usize::try_from(passed_over).unwrap_or(usize::MAX).min(bytes.len());
        self.blocks.feed(&self.toc, bytes.get(from..).unwrap_or_default())
    }

    /// Every block with its digest, as [`Contents::blocks`](super::reader::Contents::blocks).
    ///
    /// # Errors
    /// The archive is not whole.
    pub fn finish(self) -> Result<Vec<Block>, Damage> {
        self.blocks.finish(&self.toc)
    }
}
