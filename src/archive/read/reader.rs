//! The reader itself: fed with an archive in pieces of any size, it reports what passes and whether it was whole.

use super::blocks::Blocks;
use super::digests::Digests;
use super::preamble::PreambleReader;
use super::tally::{Block, Depth};
use crate::archive::format::damage::Damage;
use crate::archive::format::entry::TocEntry;
use crate::archive::format::header::Header;
use crate::archive::format::preamble::Preamble;
use crate::archive::format::toc::Toc;
use crate::error;
use crate::layout::Cut;
use crate::sql::EntryKind;

/// Reads an archive from its passing bytes.
///
/// Having fed everything you **must** call [`Reader::finish`]: only it knows whether the archive was
/// whole. A stream that merely ended without an error may have been cut.
#[derive(Debug)]
pub struct Reader {
    depth: Depth,
    preamble: PreambleReader,
    /// From the end of the table of contents on.
    blocks: Option<Blocks>,
    /// The first damage; nothing is read after it.
    damage: Option<Damage>,
}

/// What a whole archive held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The header.
    pub header: Header,
    /// The table of contents.
    pub toc: Toc,
    /// The blocks of data, one for each entry of [`Toc::with_data`], in the same order.
    pub blocks: Vec<Block>,
    /// Length of the archive, in bytes.
    pub length: u64,
}

impl Contents {
    /// Header and table of contents.
    pub fn preamble(&self) -> Preamble {
        Preamble { header: self.header.clone(), toc: self.toc.clone() }
    }

    /// How many rows its data has; `None` if those of some table cannot be counted.
    pub fn rows(&self) -> Option<u64> {
        let data = self.toc.with_data().zip(&self.blocks);
        data.filter(|(entry, _)| entry.kind() == EntryKind::TableData).map(|(_, block)| block.rows).sum()
    }
}

impl Preamble {
    /// Reads the bytes before an archive's first block.
    ///
    /// # Errors
    /// `Kind::Verify` if they are damaged, or end too early.
    pub fn read(bytes: &[u8]) -> error::Result<Self> {
        let mut reader = Reader::new();
        reader.feed(bytes)?;
        Ok(reader.into_preamble()?)
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader at the beginning of an archive.
    pub fn new() -> Self {
        Self { depth: Depth::Counts, preamble: PreambleReader::new(), blocks: None, damage: None }
    }

    /// A reader that also takes a SHA-256 of each block's data, at the price of that computation.
    pub fn with_digests() -> Self {
        Self::looking(Depth::Blocks)
    }

    /// A reader that looks this closely at the data.
    pub fn looking(depth: Depth) -> Self {
        Self { depth, ..Self::new() }
    }

    /// A second look at the blocks, to be taken elsewhere, which digests them; once the table of
    /// contents has passed.
    pub fn digests(&self) -> Option<Digests> {
        self.blocks.as_ref()?;
        Some(Digests::new(self.preamble.header()?, self.preamble.toc()?, self.preamble.end()))
    }

    /// Reads the next bytes of the archive, however they were cut.
    ///
    /// # Errors
    /// What is wrong with the archive, as soon as it is certain, and the same again in every later call.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        let outcome = match &self.damage {
            Some(damage) => Err(damage.clone()),
            None => self.read(bytes),
        };
        if let Err(damage) = &outcome {
            self.damage = Some(damage.clone());
        }
        outcome
    }

    fn read(&mut self, mut bytes: &[u8]) -> Result<(), Damage> {
        if self.blocks.is_none() && self.preamble.feed(&mut bytes)? {
            let start = self.preamble.end();
            self.blocks = match (self.preamble.header(), self.preamble.toc()) {
                (Some(header), Some(toc)) => Some(Blocks::new(header, toc, start, self.depth)),
                _ => None,
            };
        }
        match (&mut self.blocks, self.preamble.toc()) {
            (Some(blocks), Some(toc)) => blocks.feed(toc, bytes),
            _ => Ok(()),
        }
    }

    /// Ends the reading before the data: header and table of contents.
    ///
    /// # Errors
    /// The stream ended before they did, or they are damaged.
    pub fn into_preamble(self) -> Result<Preamble, Damage> {
        match self.preamble() {
            Some(preamble) => Ok(preamble),
            None => Ok(self.finish()?.preamble()),
        }
    }

    /// Ends the reading at the end of the stream.
    ///
    /// # Errors
    /// The archive is not whole: it ended too early, or was damaged before.
    pub fn finish(self) -> Result<Contents, Damage> {
        if let Some(damage) = self.damage {
            return Err(damage);
        }
        let length = self.position();
        let Preamble { header, toc } = self.preamble.finish()?;
        let blocks = match self.blocks {
            Some(blocks) => blocks.finish(&toc)?,
            None => Vec::new(),
        };
        Ok(Contents { header, toc, blocks, length })
    }

    /// The header, once it has passed.
    pub fn header(&self) -> Option<&Header> {
        self.preamble.header()
    }

    /// The table of contents, once it has passed.
    pub fn toc(&self) -> Option<&Toc> {
        self.preamble.toc()
    }

    /// Header and table of contents, once they have passed.
    pub fn preamble(&self) -> Option<Preamble> {
        Some(Preamble { header: self.header()?.clone(), toc: self.toc()?.clone() })
    }

    /// The entry whose data passes.
    pub fn current(&self) -> Option<&TocEntry> {
        self.blocks.as_ref()?.current(self.preamble.toc()?)
    }

    /// The blocks that have passed.
    pub fn blocks(&self) -> &[Block] {
        self.blocks.as_ref().map(Blocks::passed).unwrap_or_default()
    }

    /// The newest good place to cut the stream: the end of the table of contents, of a block, or of a row. If the row
    /// ends inside a chunk, that becomes two.
    pub fn boundary(&self) -> Option<Cut> {
        self.blocks.as_ref().map(Blocks::boundary)
    }

    /// Notes that the stream was cut at the boundary. If that has a seam, the archive is a little longer from now on,
    /// and so are all places in it.
    pub fn cut(&mut self) {
        self.blocks.iter_mut().for_each(Blocks::cut);
    }

    /// The bytes of the archive understood so far.
    pub fn position(&self) -> u64 {
        self.blocks.as_ref().map_or_else(|| self.preamble.end(), Blocks::position)
    }
}
