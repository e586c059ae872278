//! What is not read in ranges: a second `pg_dump`, without the rows of the tables that are.

use super::plan::Plan;
use crate::archive::{Preamble, Reader, Toc, TocEntry, rows_begin};
use crate::consistent::{Dumping, impatient};
use crate::error::{Error, Kind, Result};
use crate::postgres::{ChildOutput, DumpOptions, Snapshot};
use bytes::{Buf, Bytes, BytesMut};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use tokio::io::AsyncReadExt;

/// Bytes read at once.
const AT_ONCE: usize = 256 << 10;

/// The second `pg_dump`, whose blocks are taken one after the other.
pub struct Others {
    pg_dump: ChildOutput,
    reader: Reader,
    /// What was read and not taken yet.
    bytes: BytesMut,
    /// Where that begins in its archive.
    at: u64,
    /// How many blocks were taken.
    taken: usize,
}

impl Others {
    /// Starts it, without the rows of the tables that these patterns match, and reads its table of contents.
    ///
    /// # Errors
    /// `pg_dump`'s own.
    pub async fn start(
        dumping: Dumping<'_>,
        without: impl IntoIterator<Item = Vec<u8>>,
        snapshot: &Snapshot,
    ) -> Result<Self> {
        // The first `pg_dump` holds all locks, so only somebody who waits for it is in the way.
        let mut options = DumpOptions { snapshot: Some(snapshot.id.clone()), ..impatient(dumping.options) };
        options.exclude_rows.extend(without.into_iter().map(OsString::from_vec));
        let mut reader = Reader::new();
        let dumping = Dumping { options: &options, ..dumping };
        let (pg_dump, head) = dumping.read_definitions(&mut reader).await?;
        let start = reader.preamble().map(|preamble| preamble.to_bytes().len()).unwrap_or_default();
        let bytes = BytesMut::from(head.get(start..).unwrap_or_default());
        Ok(Self { pg_dump, reader, bytes, at: start as u64, taken: 0 })
    }

    /// Whether it has what the first `pg_dump` has and the plan leaves over, and no more.
    pub fn is_rest_of(&self, first: &Preamble, plan: &Plan) -> bool {
        let there = self.reader.toc().into_iter().flat_map(Toc::with_data);
        there.map(TocEntry::identity).eq(plan.left_over(first).map(TocEntry::identity))
    }

    /// Ends it.
    pub async fn stop(self) {
        self.pg_dump.stop().await;
    }

    /// The next bytes of the block that is its turn, as the block of this entry; `None` at its end.
    ///
    /// `begun` says whether some of the block was taken.
    pub async fn next(&mut self, entry: &TocEntry, begun: bool) -> Result<Option<Bytes>> {
        loop {
            let mut head = rows_begin(entry.dump_id());
            if !begun && self.bytes.len() >= head.len() {
                // The number is the first one's; the type, rows or large objects, stays.
                if let (Some(to), Some(from)) = (head.first_mut(), self.bytes.first()) {
                    *to = *from;
                }
                self.bytes.advance(head.len());
                self.at += head.len() as u64;
                return Ok(Some(head.into()));
            }
            let end = self.reader.blocks().get(self.taken).map(|block| block.range.end);
            if begun && end == Some(self.at) {
                self.taken += 1;
                return Ok(None);
            }
            if begun && !self.bytes.is_empty() {
                let left =
                    end.map_or(self.bytes.len(), |end| usize::try_from(end - self.at).unwrap_or(usize::MAX));
                let now = self.bytes.split_to(left.min(self.bytes.len())).freeze();
                self.at += now.len() as u64;
                return Ok(Some(now));
            }
            if !self.read().await? {
                return Err(Error::postgres("the second pg_dump ended before its last table"));
            }
        }
    }

    /// Reads to its end: it must have exited with 0, and its archive must be complete.
    pub async fn finish(mut self) -> Result<()> {
        while self.read().await? {}
        self.reader.finish()?;
        Ok(())
    }

    /// Reads more; returns `false` at its end.
    async fn read(&mut self) -> Result<bool> {
        self.bytes.reserve(AT_ONCE);
        let before = self.bytes.len();
        let read = self.pg_dump.read_buf(&mut self.bytes).await;
        let read = read.map_err(|e| Error::from_io(e, Kind::Postgres, "read what pg_dump writes"))?;
        self.reader.feed(self.bytes.get(before..).unwrap_or_default())?;
        Ok(read > 0)
    }
}
