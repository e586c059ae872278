//! Smaller archives out of a whole one: fewer entries, fewer blocks, or some of a table's rows.
//!
//! Stock `pg_restore` reads them. It does not mind that entries are missing which others depend on;
//! every entry that has data needs its block, in the table's order. Nor does it mind that the entries
//! are missing that say how all others are to be read, and then reads them wrongly: those always stay.

use crate::archive::format::header::Header;
use crate::archive::format::item::int_bytes;
use crate::archive::format::toc::{Section, Toc, TocEntry};
use crate::archive::read::blocks::COPY_END;
use crate::archive::read::reader::Reader;
use crate::error::{Error, Result};
use std::sync::Arc;

/// The type of a block of rows.
const DATA: u8 = 1;

/// Header and table of contents of an archive, without its blocks.
#[derive(Debug, Clone)]
pub struct Front {
    /// The header.
    pub header: Header,
    /// The table of contents.
    pub toc: Toc,
}

impl Front {
    /// Whether nothing is restored from it.
    pub fn is_empty(&self) -> bool {
        self.toc.entries().iter().all(TocEntry::is_setting)
    }

    /// Reads the bytes before an archive's first block.
    ///
    /// # Errors
    /// `Kind::Verify` where they are damaged, or end too early.
    pub fn read(preamble: &[u8]) -> Result<Self> {
        let mut reader = Reader::new();
        reader.feed(preamble)?;
        Self::of(&reader).ok_or_else(|| Error::verify("the table of contents ends too early"))
    }

    /// What a reader has read of an archive, once that is so much.
    pub fn of(reader: &Reader) -> Option<Self> {
        Some(Self { header: reader.header()?.clone(), toc: reader.toc()?.clone() })
    }

    /// The same with only the entries to be kept, and those that all others are read by.
    #[must_use]
    pub fn keep(&self, keep: impl Fn(&TocEntry) -> bool) -> Self {
        let kept = |entry: &&TocEntry| entry.is_setting() || keep(entry);
        let entries: Vec<_> = self.toc.entries().iter().filter(kept).cloned().collect();
        // Not more than there were.
        let count = i32::try_from(entries.len()).unwrap_or(i32::MAX);
        Self { header: self.header.clone(), toc: Toc { count: int_bytes(count), entries: Arc::new(entries) } }
    }

    /// The same with some entries changed.
    #[must_use]
    pub fn with(&self, change: impl FnMut(&TocEntry) -> TocEntry) -> Self {
        let entries = Arc::new(self.toc.entries().iter().map(change).collect());
        Self { header: self.header.clone(), toc: Toc { count: self.toc.count, entries } }
    }

    /// As it stands in an archive.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.header.raw().to_vec();
        self.toc.raw().for_each(|piece| bytes.extend_from_slice(piece));
        bytes
    }
}

impl Toc {
    /// Every entry with the section it is restored in: one without a section of its own follows the
    /// entry before it, as `pg_restore` has it.
    pub fn sections(&self) -> impl Iterator<Item = (Section, &TocEntry)> {
        let mut current = Section::PreData;
        self.entries().iter().map(move |entry| {
            if entry.section() != Section::None {
                current = entry.section();
            }
            (current, entry)
        })
    }
}

impl TocEntry {
    /// Whether it says how all others are to be read: their encoding, their strings, their names.
    pub fn is_setting(&self) -> bool {
        matches!(self.desc(), Some(b"ENCODING" | b"STDSTRINGS" | b"SEARCHPATH"))
    }

    /// Whether it makes a table.
    pub fn is_table(&self) -> bool {
        self.desc() == Some(b"TABLE")
    }

    /// Whether it grants or revokes; `pg_restore` leaves these until everything else is there.
    pub fn is_grant(&self) -> bool {
        matches!(self.desc(), Some(b"ACL" | b"ACL LANGUAGE" | b"DEFAULT ACL"))
    }

    /// Whether it comes behind the grants: what may need them, and what would watch them being made.
    pub fn is_last(&self) -> bool {
        matches!(self.desc(), Some(b"MATERIALIZED VIEW DATA" | b"EVENT TRIGGER"))
            || self.tag().is_some_and(|tag| tag.starts_with(b"EVENT TRIGGER "))
    }
}

/// What comes before a table's rows.
pub fn rows_begin(dump_id: i32) -> Vec<u8> {
    let mut bytes = vec![DATA];
    bytes.extend(int_bytes(dump_id));
    bytes
}

/// What comes behind a table's rows, where they stop before the block's own end.
pub fn rows_end() -> Vec<u8> {
    let mut bytes = int_bytes(i32::try_from(COPY_END.len()).unwrap_or_default()).to_vec();
    bytes.extend(COPY_END);
    bytes.extend(int_bytes(0));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::format::item::{self, INT};

    const DUMP: &[u8] = include_bytes!("../../../tests/data/pg18.dump");

    #[test]
    fn one_table_alone_is_an_archive() {
        let mut reader = Reader::with_digests();
        reader.feed(DUMP).unwrap();
        let whole = reader.finish().unwrap();
        let front = Front::read(&whole.preamble()).unwrap();
        assert_eq!(front.to_bytes(), whole.preamble());

        let block = whole.blocks.iter().find(|block| block.rows.is_some_and(|rows| rows > 1)).unwrap();
        let at = |range: std::ops::Range<u64>| &DUMP[range.start as usize..range.end as usize];
        let alone = front.keep(|entry| entry.dump_id() == block.dump_id).to_bytes();
        let mut reader = Reader::with_digests();
        reader.feed(&[&alone, at(block.range.clone())].concat()).unwrap();
        let again = reader.finish().unwrap();
        assert_eq!((again.blocks.len(), again.blocks[0].sha256), (1, block.sha256));

        // Its first chunk is its first row.
        let head = rows_begin(block.dump_id);
        let bytes = at(block.range.clone());
        assert!(bytes.starts_with(&head));
        let row = item::leading_int(&bytes[head.len()..]).unwrap() as usize;
        let first = &bytes[..head.len() + INT + row];
        let mut reader = Reader::new();
        reader.feed(&[&alone, first, &rows_end()].concat()).unwrap();
        assert_eq!(reader.finish().unwrap().blocks[0].rows, Some(1));
        let mut reader = Reader::new();
        reader.feed(&[&alone, head.as_slice(), &bytes[first.len()..]].concat()).unwrap();
        assert_eq!(reader.finish().unwrap().blocks[0].rows, Some(block.rows.unwrap() - 1));
    }
}
