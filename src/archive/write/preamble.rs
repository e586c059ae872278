//! A preamble with fewer or other entries, and the bytes it is in an archive.

use super::writer::Writer;
use crate::archive::format::entry::TocEntry;
use crate::archive::format::preamble::Preamble;
use crate::archive::format::toc::Toc;

impl Preamble {
    /// The same with only the entries to be kept, and those that say how all others are to be read.
    #[must_use]
    pub fn keep(&self, keep: impl Fn(&TocEntry) -> bool) -> Self {
        let kept = |entry: &&TocEntry| entry.kind().is_setting() || keep(entry);
        let entries = self.toc.entries().iter().filter(kept).cloned().collect();
        Self { header: self.header.clone(), toc: Toc::new(entries) }
    }

    /// The same with some entries changed.
    #[must_use]
    pub fn with(&self, change: impl FnMut(&TocEntry) -> TocEntry) -> Self {
        let entries = self.toc.entries().iter().map(change).collect();
        Self { header: self.header.clone(), toc: Toc::new(entries) }
    }

    /// The same with some entries after all others.
    #[must_use]
    pub fn with_last(&self, last: impl Fn(&TocEntry) -> bool) -> Self {
        let (last, mut entries): (Vec<TocEntry>, Vec<TocEntry>) =
            self.toc.entries().iter().cloned().partition(last);
        entries.extend(last);
        Self { header: self.header.clone(), toc: Toc::new(entries) }
    }

    /// The same with its entries in the order of these numbers; those of the same number stay as they were.
    #[must_use]
    pub fn in_order(&self, number: impl Fn(&TocEntry) -> usize) -> Self {
        let mut entries = self.toc.entries().to_vec();
        entries.sort_by_key(number);
        Self { header: self.header.clone(), toc: Toc::new(entries) }
    }

    /// The bytes before an archive's first block. Their number grows with that of the objects in the database.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Writer::default();
        bytes.raw(self.header.raw());
        // Fits: no more entries than were read, and those were counted so too.
        bytes.int(i32::try_from(self.toc.entries().len()).unwrap_or(i32::MAX));
        self.toc.entries().iter().for_each(|entry| bytes.raw(entry.raw()));
        bytes.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::format::fields::{INT, leading_int};
    use crate::archive::read::reader::Reader;
    use crate::archive::write::rows::{rows_begin, rows_end};

    const DUMP: &[u8] = include_bytes!("../../../tests/data/pg18.dump");

    #[test]
    fn one_table_alone_is_an_archive() {
        let mut reader = Reader::with_digests();
        reader.feed(DUMP).unwrap();
        let whole = reader.finish().unwrap();
        let preamble = whole.preamble();
        assert_eq!(Preamble::read(&preamble.to_bytes()).unwrap(), preamble);
        assert!(DUMP.starts_with(&preamble.to_bytes()));

        let block = whole.blocks.iter().find(|block| block.rows.is_some_and(|rows| rows > 1)).unwrap();
        let at = |range: std::ops::Range<u64>| &DUMP[range.start as usize..range.end as usize];
        let alone = preamble.keep(|entry| entry.dump_id() == block.dump_id).to_bytes();
        let mut reader = Reader::with_digests();
        reader.feed(&[&alone, at(block.range.clone())].concat()).unwrap();
        let again = reader.finish().unwrap();
        assert_eq!((again.blocks.len(), again.blocks[0].sha256), (1, block.sha256));

        // Its first chunk is its first row.
        let head = rows_begin(block.dump_id);
        let bytes = at(block.range.clone());
        assert!(bytes.starts_with(&head));
        let row = leading_int(&bytes[head.len()..]).unwrap() as usize;
        let first = &bytes[..head.len() + INT + row];
        let mut reader = Reader::new();
        reader.feed(&[&alone, first, &rows_end()].concat()).unwrap();
        assert_eq!(reader.finish().unwrap().blocks[0].rows, Some(1));
        let mut reader = Reader::new();
        reader.feed(&[&alone, head.as_slice(), &bytes[first.len()..]].concat()).unwrap();
        assert_eq!(reader.finish().unwrap().blocks[0].rows, Some(block.rows.unwrap() - 1));
    }
}
