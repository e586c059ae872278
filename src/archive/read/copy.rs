//! The rows of one block, as `COPY … TO STDOUT` writes them.

use super::inflate::Inflate;
use crate::archive::format::block::{BLOCK_HEAD, COPY_END};
use crate::archive::format::fields::{INT, int};
use crate::archive::format::header::{Compression, Header};

/// Takes the rows out of a block that passes: the format's own bytes and COPY's end marker are dropped.
#[derive(Debug)]
pub struct CopyText {
    /// Bytes of the head that is passing: a block's, then a chunk's.
    head: Vec<u8>,
    head_length: usize,
    /// Bytes that are left of the chunk.
    chunk: usize,
    /// Bytes of rows that are to come.
    rows: u64,
    /// If the rows are compressed by gzip.
    inflate: Option<Inflate>,
}

impl CopyText {
    /// For a block of this archive that holds `raw_bytes` of data.
    ///
    /// The block itself is taken to be right: the caller compares its digest.
    pub fn new(header: &Header, raw_bytes: u64) -> Self {
        let rows = raw_bytes.saturating_sub(COPY_END.len() as u64);
        let inflate = (header.compression == Compression::Gzip).then(Inflate::new);
        Self { head: Vec::new(), head_length: BLOCK_HEAD, chunk: 0, rows, inflate }
    }

    /// Reads the next bytes of the block, and passes the rows among them on.
    pub fn feed(&mut self, mut bytes: &[u8], mut rows: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            if self.chunk == 0 {
                let missing = self.head_length.saturating_sub(self.head.len());
                let (now, later) = bytes.split_at(missing.min(bytes.len()));
                self.head.extend_from_slice(now);
                bytes = later;
                if self.head.len() < self.head_length {
                    return;
                }
                if self.head_length == INT {
                    let length = self.head.first_chunk().copied().and_then(int);
                    self.chunk = length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
                }
                self.head_length = INT;
                self.head.clear();
                continue;
            }
            let (now, later) = bytes.split_at(self.chunk.min(bytes.len()));
            self.chunk -= now.len();
            bytes = later;
            let mut wanted = |bytes: &[u8]| {
                let wanted = usize::try_from(self.rows).unwrap_or(usize::MAX).min(bytes.len());
                self.rows -= wanted as u64;
                rows(bytes.get(..wanted).unwrap_or_default());
            };
            match &mut self.inflate {
                None => wanted(now),
                // A block that cannot be inflated has another digest.
                Some(inflate) => {
                    let _ = inflate.feed(now, wanted);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::read::reader::Reader;

    const DUMP: &[u8] = include_bytes!("../../../tests/data/pg18.dump");

    #[test]
    fn the_rows_come_out_of_a_block_however_it_is_cut() {
        let mut reader = Reader::with_digests();
        reader.feed(DUMP).unwrap();
        let whole = reader.finish().unwrap();
        let all = whole.toc.with_data().zip(&whole.blocks).filter(|(_, block)| block.rows.is_some());
        for (entry, block) in all {
            let bytes = &DUMP[block.range.start as usize..block.range.end as usize];
            for size in [1, 2, 7, 100, bytes.len()] {
                let (mut copy, mut rows) = (CopyText::new(&whole.header, block.raw_bytes), Vec::new());
                bytes.chunks(size).for_each(|piece| copy.feed(piece, |found| rows.extend_from_slice(found)));
                assert_eq!(rows.len() as u64, block.raw_bytes - COPY_END.len() as u64, "{entry:?}");
                let lines = rows.iter().filter(|byte| **byte == b'\n').count() as u64;
                assert_eq!(Some(lines), block.rows, "{entry:?}");
                rows.extend_from_slice(COPY_END);
                use sha2::Digest;
                assert_eq!(Some(sha2::Sha256::digest(&rows).into()), block.sha256, "{entry:?}");
            }
            let columns = String::from_utf8(entry.columns().to_vec()).unwrap();
            let names = entry.column_names();
            assert_eq!(names.is_empty(), columns.is_empty());
            assert!(
                names.iter().all(|name| columns.contains(std::str::from_utf8(name).unwrap())),
                "{columns}"
            );
        }
    }
}
