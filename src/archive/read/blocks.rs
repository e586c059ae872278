//! The blocks of data as they pass: each is that of the entry whose turn it is, and none is kept.

use super::chunk::Chunk;
use super::inflate::Inflate;
use super::tally::{Block, Depth, Tally};
use crate::archive::format::block::{BLOCK_HEAD, DATA, LARGE_OBJECTS};
use crate::archive::format::damage::{ArchivePart, Damage};
use crate::archive::format::entry::{Offset, TocEntry};
use crate::archive::format::fields::{INT, int, leading_int};
use crate::archive::format::header::{Compression, Header};
use crate::archive::format::toc::Toc;
use crate::layout::Cut;

/// What is to come next.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// A block's type and dump id.
    BlockHead,
    /// The oid of a large object, or 0.
    ObjectHead,
    /// The length of a chunk.
    ChunkHead,
    /// This many bytes of a chunk.
    Chunk { left: usize },
    /// Nothing: every block has passed.
    End,
}

/// The reader of everything after the table of contents.
#[derive(Debug)]
pub struct Blocks {
    depth: Depth,
    /// If the data are compressed by gzip.
    inflate: Option<Inflate>,
    /// Whether they are compressed in another way.
    opaque: bool,
    /// Whether a byte may be inserted: not if the table of contents says where the blocks lie.
    movable: bool,
    expected: Expected,
    /// Bytes of a head that was cut by the end of what was fed.
    carry: Vec<u8>,
    position: u64,
    /// The chunk that passes, or the last one that did.
    chunk: Chunk,
    boundary: Cut,
    /// Index of the entry whose data passes or comes next.
    due: usize,
    tally: Option<Tally>,
    passed: Vec<Block>,
}

impl Blocks {
    /// Begins at `start`, where the table of contents ends.
    pub fn new(header: &Header, toc: &Toc, start: u64, depth: Depth) -> Self {
        let mut blocks = Self {
            depth,
            inflate: (header.compression == Compression::Gzip).then(Inflate::new),
            opaque: matches!(header.compression, Compression::Lz4 | Compression::Zstd),
            movable: toc.with_data().all(|entry| entry.offset() == Offset::NotSet),
            expected: Expected::BlockHead,
            carry: Vec::with_capacity(BLOCK_HEAD),
            position: start,
            chunk: Chunk::default(),
            boundary: Cut::clean(start),
            due: 0,
            tally: None,
            passed: Vec::new(),
        };
        blocks.seek_due(toc);
        blocks
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    pub fn boundary(&self) -> Cut {
        self.boundary
    }

    /// Notes that the archive was cut at the boundary: what comes after it has moved.
    pub fn cut(&mut self) {
        let Cut { at, seam: Some(_) } = self.boundary else { return };
        self.position += INT as u64;
        self.chunk = self.chunk.after_cut(at);
        self.boundary = Cut::clean(at);
    }

    pub fn passed(&self) -> &[Block] {
        &self.passed
    }

    /// The entry whose data passes.
    pub fn current<'t>(&self, toc: &'t Toc) -> Option<&'t TocEntry> {
        self.tally.is_some().then(|| toc.entries().get(self.due)).flatten()
    }

    /// Every block, or what is missing.
    pub fn finish(self, toc: &Toc) -> Result<Vec<Block>, Damage> {
        let inside = self.tally.is_some() || !self.carry.is_empty();
        match self.expected {
            Expected::End => Ok(self.passed),
            _ if inside => Err(Damage::Truncated(ArchivePart::DataOf(self.due_label(toc)))),
            _ => {
                let rest = toc.entries().get(self.due..).unwrap_or_default();
                let missing = rest.iter().filter(|entry| entry.has_data()).count();
                Err(Damage::MissingData { next: self.due_label(toc), missing })
            }
        }
    }

    pub fn feed(&mut self, toc: &Toc, mut bytes: &[u8]) -> Result<(), Damage> {
        while !bytes.is_empty() {
            match self.expected {
                Expected::Chunk { left } => {
                    let (now, later) = bytes.split_at(left.min(bytes.len()));
                    self.add(toc, now)?;
                    bytes = later;
                    self.expected = match left - now.len() {
                        0 => Expected::ChunkHead,
                        left => Expected::Chunk { left },
                    };
                }
                Expected::ChunkHead => {
                    if self.carry.is_empty() {
                        bytes = self.whole_chunks(toc, bytes)?;
                    }
                    if let Some(head) = self.head::<INT>(&mut bytes) {
                        self.chunk(toc, head)?;
                    }
                }
                Expected::BlockHead => {
                    if let Some(head) = self.head::<BLOCK_HEAD>(&mut bytes) {
                        self.block(toc, head)?;
                    }
                }
                Expected::ObjectHead => {
                    if let Some(head) = self.head::<INT>(&mut bytes) {
                        self.object(toc, head)?;
                    }
                }
                Expected::End => return Err(Damage::Trailing(self.position)),
            }
        }
        Ok(())
    }

    /// Passes the chunks that lie in `bytes` as a whole, and returns what follows them.
    ///
    /// This is the way nearly every byte takes; the last chunk, a broken one and one that is cut by
    /// the end of `bytes` are left to the caller.
    fn whole_chunks<'b>(&mut self, toc: &Toc, mut bytes: &'b [u8]) -> Result<&'b [u8], Damage> {
        while let Some((head, rest)) = bytes.split_first_chunk() {
            let Some(length @ 1..) = int(*head) else { break };
            let Some((data, rest)) = rest.split_at_checked(length as usize) else { break };
            self.begin_chunk(data.len(), self.position);
            self.position += INT as u64;
            self.add(toc, data)?;
            bytes = rest;
        }
        Ok(bytes)
    }

    /// Takes a head of N bytes off the front of `bytes`, with what was carried from before; nothing
    /// while it is not complete.
    fn head<const N: usize>(&mut self, bytes: &mut &[u8]) -> Option<[u8; N]> {
        let missing = N.saturating_sub(self.carry.len());
        let (now, later) = bytes.split_at(missing.min(bytes.len()));
        *bytes = later;
        self.position += now.len() as u64;
        self.carry.extend_from_slice(now);
        let head = self.carry.as_slice().try_into().ok()?;
        self.carry.clear();
        Some(head)
    }

    fn block(&mut self, toc: &Toc, head: [u8; BLOCK_HEAD]) -> Result<(), Damage> {
        let at = self.position - BLOCK_HEAD as u64;
        let [kind, id @ ..] = head;
        let objects = match kind {
            DATA => None,
            LARGE_OBJECTS => Some(0),
            _ => return Err(Damage::Malformed { at, what: "unknown type of block" }),
        };
        let dump_id = int(id).ok_or(Damage::Malformed { at, what: "the id of a block is invalid" })?;
        let Some(entry) = toc.entries().get(self.due).filter(|entry| entry.dump_id() == dump_id) else {
            return Err(Damage::WrongBlock { at, due: self.due_label(toc), dump_id });
        };
        let counted = entry.is_copy() && !self.opaque && objects.is_none();
        self.tally = Some(Tally::new(at, counted, objects, self.depth));
        self.expected = if objects.is_some() { Expected::ObjectHead } else { Expected::ChunkHead };
        Ok(())
    }

    fn object(&mut self, toc: &Toc, head: [u8; INT]) -> Result<(), Damage> {
        match leading_int(&head) {
            None => Err(self.malformed("the oid of a large object is invalid")),
            Some(0) => self.end_block(toc),
            // An oid above i32::MAX is written as a negative number.
            Some(_) => {
                self.tally.iter_mut().for_each(|tally| tally.begin_object(&head));
                self.expected = Expected::ChunkHead;
                Ok(())
            }
        }
    }

    fn chunk(&mut self, toc: &Toc, head: [u8; INT]) -> Result<(), Damage> {
        match int(head).map(usize::try_from) {
            Some(Ok(0)) if self.tally.as_ref().is_some_and(Tally::has_objects) => {
                self.end_data(toc)?;
                self.tally.iter_mut().for_each(Tally::end_object);
                self.expected = Expected::ObjectHead;
                Ok(())
            }
            Some(Ok(0)) => {
                self.end_data(toc)?;
                self.end_block(toc)
            }
            Some(Ok(left)) => {
                self.begin_chunk(left, self.position - INT as u64);
                self.expected = Expected::Chunk { left };
                Ok(())
            }
            _ => Err(self.malformed("the length of a chunk is invalid")),
        }
    }

    fn begin_chunk(&mut self, length: usize, head_at: u64) {
        self.chunk = Chunk { head_at, length };
    }

    fn add(&mut self, toc: &Toc, data: &[u8]) -> Result<(), Damage> {
        let begin = self.position;
        self.position += data.len() as u64;
        let Some(tally) = &mut self.tally else { return Ok(()) };
        let Some(inflate) = &mut self.inflate else {
            if let Some(end) = tally.add(data) {
                let cut = self.chunk.cut(begin + end as u64);
                if self.movable || cut.seam.is_none() {
                    self.boundary = cut;
                }
            }
            return Ok(());
        };
        // No stream of gzip can be cut.
        let inflated = inflate.feed(data, |data| _ = tally.add(data));
        inflated.map_err(|_| Damage::NotInflated(self.due_label(toc)))
    }

    /// Ends the data of a table or of a large object.
    fn end_data(&mut self, toc: &Toc) -> Result<(), Damage> {
        let (Some(inflate), Some(tally)) = (&mut self.inflate, &mut self.tally) else { return Ok(()) };
        let ended = inflate.end(|data| _ = tally.add(data));
        ended.map_err(|_| Damage::NotInflated(self.due_label(toc)))
    }

    fn end_block(&mut self, toc: &Toc) -> Result<(), Damage> {
        let (Some(tally), Some(entry)) = (self.tally.take(), toc.entries().get(self.due)) else {
            return Err(self.malformed("a block ends that has not begun"));
        };
        let Some(block) = tally.finish(entry.dump_id(), self.position) else {
            return Err(Damage::NoCopyEnd(entry.label()));
        };
        self.passed.push(block);
        self.boundary = Cut::clean(self.position);
        self.due += 1;
        self.seek_due(toc);
        Ok(())
    }

    /// Moves `due` on to the next entry with data, from the one it points at.
    fn seek_due(&mut self, toc: &Toc) {
        let rest = toc.entries().get(self.due..).unwrap_or_default();
        match rest.iter().position(TocEntry::has_data) {
            Some(ahead) => {
                self.due += ahead;
                self.expected = Expected::BlockHead;
            }
            None => {
                self.due = toc.entries().len();
                self.expected = Expected::End;
            }
        }
    }

    fn due_label(&self, toc: &Toc) -> String {
        toc.entries().get(self.due).map(TocEntry::label).unwrap_or_default()
    }

    /// Reports that the head just taken cannot be understood.
    fn malformed(&self, what: &'static str) -> Damage {
        Damage::Malformed { at: self.position - INT as u64, what }
    }
}
