//! What is counted and digested of one block while it passes.

use std::ops::Range;

use super::unordered::Unordered;
use crate::sha256::Sha256;

/// [`COPY_END`](crate::archive::COPY_END) after another line. With the newline before it there is no row it can be taken for:
/// inside a row a backslash is always doubled.
const END_LINE: [u8; 6] = *b"\n\\.\n\n\n";

/// Bytes digested at once, if chunks are shorter; they stay in the processor's nearest cache.
const GATHERED: usize = 8 << 10;

/// After each stretch of this many bytes, a digest of all data up to there is kept.
pub const PREFIX: u64 = 4 << 20;

/// One block of data that has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The entry it belongs to.
    pub dump_id: i32,
    /// Where it lies in the archive, in bytes: from its type to its last empty chunk.
    pub range: Range<u64>,
    /// Bytes of data in it, without the format's own and with gzip undone; for rows with [`COPY_END`](crate::archive::COPY_END).
    pub raw_bytes: u64,
    /// Rows, if the data are COPY text, and not compressed inside the archive unless by gzip.
    pub rows: Option<u64>,
    /// Large objects, if the block holds such.
    pub objects: Option<u64>,
    /// SHA-256 of the raw bytes, if digests were asked for. For rows this is the digest of what
    /// `COPY … TO STDOUT` sends, followed by its end marker.
    pub sha256: Option<[u8; 32]>,
    /// If digests were asked for, those of the first [`PREFIX`] raw bytes, of the first two times as many, and so on: a
    /// difference is found in the first that differs.
    pub prefixes: Vec<Prefix>,
    /// A digest of the rows, or of the large objects with their oids, that is the same in any order, if that
    /// was asked for: the SHA-256 of each, cut to 128 bits, added up modulo 2^128. Several blocks of the same
    /// rows add up to the same (the end marker counts as three lines in each).
    pub unordered: Option<u128>,
}

/// The beginning of a block's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// Rows that end in it, if they are counted.
    pub rows: Option<u64>,
    /// Its SHA-256.
    pub sha256: [u8; 32],
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

/// The block that is passing.
#[derive(Debug)]
pub struct Tally {
    start: u64,
    raw_bytes: u64,
    /// Newlines, counted only where they end rows.
    newlines: Option<u64>,
    /// The last bytes of counted rows. Before the first row it looks as if a line had just ended.
    tail: [u8; END_LINE.len()],
    objects: Option<u64>,
    digest: Option<Gathering>,
    prefixes: Vec<Prefix>,
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
        self.sha256.finish()
    }

    /// The digest of all bytes so far.
    fn so_far(&mut self) -> [u8; 32] {
        self.sha256.update(&self.gathered);
        self.gathered.clear();
        self.sha256.clone().finish()
    }
}

/// The last bytes after `data` has come, if `before` were the last ones until then.
fn tail(mut before: [u8; END_LINE.len()], data: &[u8]) -> [u8; END_LINE.len()] {
    if let Some(last) = data.last_chunk() {
        return *last;
    }
    before.rotate_left(data.len());
    for (to, from) in before.iter_mut().rev().zip(data.iter().rev()) {
        *to = *from;
    }
    before
}

/// Whether these bytes, which end with a line, are the end mark or some of its lines.
fn is_end_mark(tail: [u8; END_LINE.len()]) -> bool {
    const LINE: [u8; 4] = *b"\n\\.\n";
    let [a, b, c, d, e, f] = tail;
    [a, b, c, d] == LINE || [b, c, d, e] == LINE || [c, d, e, f] == LINE
}

impl Tally {
    /// Begins at `start` in the archive. Rows are counted if `counted`; `objects` is 0 in a block of large objects.
    pub fn new(start: u64, counted: bool, objects: Option<u64>, depth: Depth) -> Self {
        let unordered = depth >= Depth::Rows && (counted || objects.is_some());
        Self {
            start,
            raw_bytes: 0,
            newlines: counted.then_some(0),
            tail: [b'\n'; END_LINE.len()],
            objects,
            digest: (depth >= Depth::Blocks).then(Gathering::default),
            prefixes: Vec::new(),
            unordered: unordered.then(Unordered::default),
        }
    }

    /// Takes the next bytes of data; returns how many of them lie before the end of the last row that ends in them.
    pub fn add(&mut self, data: &[u8]) -> Option<usize> {
        let (mut row_end, mut rest) = (None, data);
        loop {
            let room = usize::try_from(PREFIX - self.raw_bytes % PREFIX).unwrap_or(usize::MAX);
            let Some((now, later)) = rest.split_at_checked(room) else { break };
            let before = data.len() - rest.len();
            row_end = self.add_within(now).map(|end| before + end).or(row_end);
            let sha256 = self.digest.as_mut().map(Gathering::so_far);
            self.prefixes.extend(sha256.map(|sha256| Prefix { rows: self.newlines, sha256 }));
            rest = later;
        }
        let before = data.len() - rest.len();
        self.add_within(rest).map(|end| before + end).or(row_end)
    }

    fn add_within(&mut self, data: &[u8]) -> Option<usize> {
        self.raw_bytes += data.len() as u64;
        let row_end = self.count(data);
        if let Some(digest) = &mut self.digest {
            digest.update(data);
        }
        match &mut self.unordered {
            Some(unordered) if self.objects.is_some() => unordered.add(data),
            Some(unordered) => unordered.add_lines(data),
            None => {}
        }
        row_end
    }

    /// Counts rows, if that is wanted. A newline always ends one: within a value it is escaped, and no encoding has its
    /// byte in another character. Only the lines of the end mark are no rows.
    fn count(&mut self, data: &[u8]) -> Option<usize> {
        let newlines = self.newlines.as_mut()?;
        *newlines += memchr::memchr_iter(b'\n', data).count() as u64;
        let end = memchr::memrchr(b'\n', data).map(|at| at + 1);
        let row_end = end.filter(|end| !is_end_mark(tail(self.tail, data.get(..*end).unwrap_or(data))));
        self.tail = tail(self.tail, data);
        row_end
    }

    /// Whether the data are large objects.
    pub fn has_objects(&self) -> bool {
        self.objects.is_some()
    }

    /// Begins the large object of this oid, as the archive writes it.
    pub fn begin_object(&mut self, oid: &[u8]) {
        self.objects = self.objects.map(|objects| objects + 1);
        self.unordered.iter_mut().for_each(|unordered| unordered.add(oid));
    }

    /// Ends a large object.
    pub fn end_object(&mut self) {
        self.unordered.iter_mut().for_each(Unordered::end_item);
    }

    /// The block of this entry, which ends at `end` in the archive; nothing if it lacks COPY's end marker.
    pub fn finish(self, dump_id: i32, end: u64) -> Option<Block> {
        let rows = match self.newlines {
            // COPY_END holds three of the newlines.
            Some(newlines) if self.tail == END_LINE => newlines.checked_sub(3),
            Some(_) => return None,
            None => None,
        };
        Some(Block {
            dump_id,
            range: self.start..end,
            raw_bytes: self.raw_bytes,
            rows,
            objects: self.objects,
            sha256: self.digest.map(Gathering::finalize),
            prefixes: self.prefixes,
            unordered: self.unordered.map(|unordered| unordered.sum()),
        })
    }
}
