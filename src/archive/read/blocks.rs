//! The blocks of data as they pass: counted, digested, and not kept.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::inflate::Inflate;
use super::unordered::Unordered;
use crate::archive::format::damage::{Damage, Place};
use crate::archive::format::header::{Compression, Header};
use crate::archive::format::item::{INT, int, leading_int};
use crate::archive::format::toc::{Toc, TocEntry};

/// What `pg_dump` writes behind the last row: COPY's end mark, then two empty lines.
pub const COPY_END: &[u8] = b"\\.\n\n\n";

/// [`COPY_END`] behind another line. With the newline before it there is no row it can be taken for:
/// inside a row a backslash is always doubled.
const END_LINE: [u8; 6] = *b"\n\\.\n\n\n";

/// Type and dump id, at the head of a block.
pub(in crate::archive) const BLOCK_HEAD: usize = 1 + INT;

/// Bytes digested at once, where chunks are shorter; they stay in the processor's nearest cache.
const GATHERED: usize = 8 << 10;

/// One block of data that has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The entry it belongs to.
    pub dump_id: i32,
    /// Where it lies in the archive, in bytes: from its type to its last empty chunk.
    pub range: Range<u64>,
    /// Bytes of data in it, without the format's own and with gzip undone; for rows with [`COPY_END`].
    pub raw_bytes: u64,
    /// Rows, where the data are COPY text, and not compressed inside the archive unless by gzip.
    pub rows: Option<u64>,
    /// Large objects, where the block holds such.
    pub objects: Option<u64>,
    /// SHA-256 of the raw bytes, where digests were asked for. For rows this is the digest of what
    /// `COPY … TO STDOUT` sends, followed by [`COPY_END`].
    pub sha256: Option<[u8; 32]>,
    /// What the rows, or the large objects with their oids, come to in any order, where that was asked
    /// for: their SHA-256, each cut to 128 bits, added up modulo 2^128. Several blocks of the same rows
    /// add up to the same ([`COPY_END`] counts as three lines in each).
    pub unordered: Option<u128>,
}

/// How closely the data is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Rows are counted.
    #[default]
    Counts,
    /// Each block is digested too.
    Blocks,
    /// Each row is digested too, so that blocks can be compared whatever their order.
    Rows,
}

/// What is to come next.
#[derive(Debug, Clone, Copy)]
enum State {
    /// A block's type and dump id.
    BlockHead,
    /// The oid of a large object, or 0.
    ObjectHead,
    /// The length of a chunk.
    ChunkHead,
    /// So many bytes of a chunk.
    Chunk { left: usize },
    /// Nothing: every block has passed.
    End,
}

/// The block that is passing.
#[derive(Debug)]
struct Tally {
    start: u64,
    raw_bytes: u64,
    /// Newlines, counted only where they end rows.
    newlines: Option<u64>,
    /// The last bytes of counted rows. Before the first row it looks as if a line had just ended.
    tail: [u8; END_LINE.len()],
    objects: Option<u64>,
    digest: Option<Gathering>,
    unordered: Option<Unordered>,
}

/// A SHA-256 that takes rows together: each alone is too short to be digested at full speed.
#[derive(Debug, Default)]
struct Gathering {
    sha256: Sha256,
    gathered: Vec<u8>,
}

impl Gathering {
    fn update(&mut self, data: &[u8]) {
        if self.gathered.len() + data.len() > GATHERED {
            self.sha256.update(&self.gathered);
            self.gathered.clear();
        }
        if data.len() > GATHERED {
            self.sha256.update(data);
        } else {
            self.gathered.extend_from_slice(data);
        }
    }

    fn finalize(mut self) -> [u8; 32] {
        self.sha256.update(&self.gathered);
        self.sha256.finalize().into()
    }
}

impl Tally {
    fn add(&mut self, data: &[u8]) {
        self.raw_bytes += data.len() as u64;
        if let Some(newlines) = &mut self.newlines {
            *newlines += memchr::memchr_iter(b'\n', data).count() as u64;
            match data.last_chunk() {
                Some(last) => self.tail = *last,
                None => {
                    self.tail.rotate_left(data.len());
                    for (to, from) in self.tail.iter_mut().rev().zip(data.iter().rev()) {
                        *to = *from;
                    }
                }
            }
        }
        if let Some(digest) = &mut self.digest {
            digest.update(data);
        }
        match &mut self.unordered {
            Some(unordered) if self.objects.is_some() => unordered.add(data),
            Some(unordered) => unordered.add_lines(data),
            None => {}
        }
    }

    /// Whether the bytes so far end a row.
    fn at_row_end(&self) -> bool {
        self.newlines.is_some() && self.tail.ends_with(b"\n")
    }
}

/// The reader of everything behind the table of contents.
#[derive(Debug)]
pub(in crate::archive) struct Blocks {
    depth: Depth,
    /// Where the data are compressed by gzip.
    inflate: Option<Inflate>,
    /// Whether they are compressed otherwise.
    opaque: bool,
    state: State,
    /// Bytes of a head that was cut by the end of what was fed.
    carry: Vec<u8>,
    position: u64,
    boundary: u64,
    /// Index of the entry whose data passes or comes next.
    due: usize,
    tally: Option<Tally>,
    passed: Vec<Block>,
}

impl Blocks {
    /// Begins at `start`, where the table of contents ends.
    pub(in crate::archive) fn new(header: &Header, toc: &Toc, start: u64, depth: Depth) -> Self {
        let mut blocks = Self {
            depth,
            inflate: (header.compression == Compression::Gzip).then(Inflate::new),
            opaque: matches!(header.compression, Compression::Lz4 | Compression::Zstd),
            state: State::BlockHead,
            carry: Vec::with_capacity(BLOCK_HEAD),
            position: start,
            boundary: start,
            due: 0,
            tally: None,
            passed: Vec::new(),
        };
        blocks.seek_due(toc);
        blocks
    }

    pub(in crate::archive) fn position(&self) -> u64 {
        self.position
    }

    pub(in crate::archive) fn boundary(&self) -> u64 {
        self.boundary
    }

    pub(in crate::archive) fn passed(&self) -> &[Block] {
        &self.passed
    }

    /// The entry whose data passes.
    pub(in crate::archive) fn current<'t>(&self, toc: &'t Toc) -> Option<&'t TocEntry> {
        self.tally.is_some().then(|| toc.entries.get(self.due)).flatten()
    }

    /// Every block, or what is missing.
    pub(in crate::archive) fn finish(self, toc: &Toc) -> Result<Vec<Block>, Damage> {
        let inside = self.tally.is_some() || !self.carry.is_empty();
        match self.state {
            State::End => Ok(self.passed),
            _ if inside => Err(Damage::Truncated(Place::DataOf(self.due_label(toc)))),
            _ => {
                let rest = toc.entries.get(self.due..).unwrap_or_default();
                let missing = rest.iter().filter(|entry| entry.has_data()).count();
                Err(Damage::NeverCame { next: self.due_label(toc), missing })
            }
        }
    }

    pub(in crate::archive) fn feed(&mut self, toc: &Toc, mut bytes: &[u8]) -> Result<(), Damage> {
        while !bytes.is_empty() {
            match self.state {
                State::Chunk { left } => {
                    let (now, later) = bytes.split_at(left.min(bytes.len()));
                    self.add(toc, now)?;
                    bytes = later;
                    if now.len() == left {
                        self.end_chunk();
                    } else {
                        self.state = State::Chunk { left: left - now.len() };
                    }
                }
                State::ChunkHead => {
                    if self.carry.is_empty() {
                        bytes = self.whole_chunks(toc, bytes)?;
                    }
                    if let Some(head) = self.head::<INT>(&mut bytes) {
                        self.chunk(toc, head)?;
                    }
                }
                State::BlockHead => {
                    if let Some(head) = self.head::<BLOCK_HEAD>(&mut bytes) {
                        self.block(toc, head)?;
                    }
                }
                State::ObjectHead => {
                    if let Some(head) = self.head::<INT>(&mut bytes) {
                        self.object(toc, head)?;
                    }
                }
                State::End => return Err(Damage::Trailing(self.position)),
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
            self.position += INT as u64;
            self.add(toc, data)?;
            self.end_chunk();
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
            1 => None,
            3 => Some(0),
            _ => return Err(Damage::Malformed { at, what: "a block of an unknown type" }),
        };
        let dump_id = int(id).ok_or(Damage::Malformed { at, what: "the id of a block cannot be read" })?;
        let Some(entry) = toc.entries.get(self.due).filter(|entry| entry.dump_id() == dump_id) else {
            return Err(Damage::WrongBlock { at, due: self.due_label(toc), dump_id });
        };
        let counted = entry.is_copy() && !self.opaque && objects.is_none();
        self.tally = Some(Tally {
            start: at,
            raw_bytes: 0,
            newlines: counted.then_some(0),
            tail: [b'\n'; END_LINE.len()],
            objects,
            digest: (self.depth >= Depth::Blocks).then(Gathering::default),
            unordered: (self.depth >= Depth::Rows && (counted || objects.is_some())).then(Unordered::default),
        });
        self.state = if objects.is_some() { State::ObjectHead } else { State::ChunkHead };
        Ok(())
    }

    fn object(&mut self, toc: &Toc, head: [u8; INT]) -> Result<(), Damage> {
        match leading_int(&head) {
            None => Err(self.malformed("the oid of a large object cannot be read")),
            Some(0) => self.end_block(toc),
            // An oid above i32::MAX is written as a negative number.
            Some(_) => {
                if let Some(tally) = &mut self.tally {
                    tally.objects = tally.objects.map(|objects| objects + 1);
                    tally.unordered.iter_mut().for_each(|unordered| unordered.add(&head));
                }
                self.state = State::ChunkHead;
                Ok(())
            }
        }
    }

    fn chunk(&mut self, toc: &Toc, head: [u8; INT]) -> Result<(), Damage> {
        match int(head).map(usize::try_from) {
            Some(Ok(0)) if self.tally.as_ref().is_some_and(|tally| tally.objects.is_some()) => {
                self.end_data(toc)?;
                let unordered = self.tally.as_mut().and_then(|tally| tally.unordered.as_mut());
                unordered.into_iter().for_each(Unordered::end_piece);
                self.state = State::ObjectHead;
                Ok(())
            }
            Some(Ok(0)) => {
                self.end_data(toc)?;
                self.end_block(toc)
            }
            Some(Ok(left)) => {
                self.state = State::Chunk { left };
                Ok(())
            }
            _ => Err(self.malformed("the length of a chunk is impossible")),
        }
    }

    fn add(&mut self, toc: &Toc, data: &[u8]) -> Result<(), Damage> {
        self.position += data.len() as u64;
        let Some(tally) = &mut self.tally else { return Ok(()) };
        match &mut self.inflate {
            None => tally.add(data),
            Some(inflate) => {
                let inflated = inflate.feed(data, |data| tally.add(data));
                inflated.map_err(|_| Damage::NotInflated(self.due_label(toc)))?;
            }
        }
        Ok(())
    }

    /// Ends the data of a table or of a large object.
    fn end_data(&mut self, toc: &Toc) -> Result<(), Damage> {
        let (Some(inflate), Some(tally)) = (&mut self.inflate, &mut self.tally) else { return Ok(()) };
        let ended = inflate.end(|data| tally.add(data));
        ended.map_err(|_| Damage::NotInflated(self.due_label(toc)))
    }

    fn end_chunk(&mut self) {
        self.state = State::ChunkHead;
        // No stream of gzip can be cut.
        if self.inflate.is_none() && self.tally.as_ref().is_some_and(Tally::at_row_end) {
            self.boundary = self.position;
        }
    }

    fn end_block(&mut self, toc: &Toc) -> Result<(), Damage> {
        let (Some(tally), Some(entry)) = (self.tally.take(), toc.entries.get(self.due)) else {
            return Err(self.malformed("a block ends that did not begin"));
        };
        // COPY_END holds three of the newlines.
        let rows = match tally.newlines {
            Some(newlines) if tally.tail == END_LINE => newlines.checked_sub(3),
            Some(_) => return Err(Damage::NoCopyEnd(entry.label())),
            None => None,
        };
        self.passed.push(Block {
            dump_id: entry.dump_id(),
            range: tally.start..self.position,
            raw_bytes: tally.raw_bytes,
            rows,
            objects: tally.objects,
            sha256: tally.digest.map(Gathering::finalize),
            unordered: tally.unordered.map(|unordered| unordered.sum()),
        });
        self.boundary = self.position;
        self.due += 1;
        self.seek_due(toc);
        Ok(())
    }

    /// Moves `due` on to the next entry with data, from the one it points at.
    fn seek_due(&mut self, toc: &Toc) {
        let rest = toc.entries.get(self.due..).unwrap_or_default();
        match rest.iter().position(TocEntry::has_data) {
            Some(ahead) => {
                self.due += ahead;
                self.state = State::BlockHead;
            }
            None => {
                self.due = toc.entries.len();
                self.state = State::End;
            }
        }
    }

    fn due_label(&self, toc: &Toc) -> String {
        toc.entries.get(self.due).map(TocEntry::label).unwrap_or_default()
    }

    /// Says that the head just taken cannot be understood.
    fn malformed(&self, what: &'static str) -> Damage {
        Damage::Malformed { at: self.position - INT as u64, what }
    }
}
