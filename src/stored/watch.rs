//! Lets the archive reader look at the plaintext that passes, on either way.

use crate::archive::{Contents, Digests, Reader, TocEntry};
use crate::error::Result;
use crate::layout::Cut;
use crate::pipeline::{SecondLook, Watch};
use crate::progress::Progress;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The archive reader as a watch; tells the progress which table passes.
pub struct ArchiveWatch {
    reader: Reader,
    progress: Progress,
    passing: Option<i32>,
    /// Where digests are wanted: the second look, once the reader could make it.
    digests: Option<Shared>,
}

type Shared = Arc<Mutex<Option<Digests>>>;

impl ArchiveWatch {
    /// Begins to look on.
    pub fn new(progress: Progress) -> Self {
        Self { reader: Reader::new(), progress, passing: None, digests: None }
    }

    /// Begins to look on, and digests every block.
    pub fn with_digests(progress: Progress) -> Self {
        Self { digests: Some(Shared::default()), ..Self::new(progress) }
    }

    /// What the archive held, if it was complete to its last block.
    pub fn finish(self) -> Result<Contents> {
        let mut contents = self.reader.finish()?;
        if let Some(digests) = self.digests.and_then(|shared| lock(&shared).take()) {
            contents.blocks = digests.finish()?;
        }
        Ok(contents)
    }
}

impl Watch for ArchiveWatch {
    fn look(&mut self, bytes: &[u8]) -> Result<()> {
        let before = self.reader.toc().is_some();
        self.reader.feed(bytes)?;
        if let (false, Some(shared)) = (before, &self.digests) {
            *lock(shared) = self.reader.digests();
        }
        let current = self.reader.current();
        let passing = current.map(TocEntry::dump_id);
        if passing != self.passing {
            self.passing = passing;
            self.progress.now_passing(current.map(TocEntry::label).unwrap_or_default());
        }
        Ok(())
    }

    fn boundary(&self) -> Option<Cut> {
        self.reader.boundary()
    }

    fn cut(&mut self) {
        self.reader.cut();
    }

    fn second_look(&self) -> Option<SecondLook> {
        let shared = Arc::clone(self.digests.as_ref()?);
        let mut offset = 0;
        Some(Box::new(move |bytes| {
            if let Some(digests) = &mut *lock(&shared) {
                digests.feed(offset, bytes)?;
            }
            offset += bytes.len() as u64;
            Ok(())
        }))
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Option<Digests>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{COPY_END, chunk_head, rows_begin};
    use crate::layout::FrameSpan;
    use crate::pipeline::{Pack, open, pack};
    use tokio::sync::mpsc;

    /// An archive of one table with these rows, in chunks of `size` bytes that end wherever that is.
    fn archive(rows: &[u8], size: usize) -> Vec<u8> {
        let dump = include_bytes!("../../tests/data/pg18.dump");
        let mut reader = Reader::new();
        reader.feed(dump).unwrap();
        let whole = reader.finish().unwrap().preamble();
        let orders = whole.toc.with_data().find(|entry| entry.label() == "public.orders").unwrap().dump_id();
        let mut bytes = whole.keep(|entry| entry.dump_id() == orders).to_bytes();
        bytes.extend(rows_begin(orders));
        for chunk in [rows, COPY_END].concat().chunks(size) {
            bytes.extend([chunk_head(chunk.len()), chunk.to_vec()].concat());
        }
        bytes.extend(chunk_head(0));
        bytes
    }

    /// What was packed of it, and the plaintext that is stored.
    async fn stored(archive: &[u8], frame_size: usize) -> (Contents, Vec<FrameSpan>, Vec<u8>) {
        let (sender, mut receiver) = mpsc::channel::<bytes::Bytes>(1);
        let how = Pack {
            level: 1,
            recipients: None,
            part_size: 10_000,
            frame_size,
            workers: 2,
            frames: true,
            progress: Arc::default(),
        };
        let mut watch = ArchiveWatch::with_digests(Progress::default());
        let parts = async {
            let mut parts = Vec::new();
            while let Some(part) = receiver.recv().await {
                parts.extend_from_slice(&part);
            }
            parts
        };
        let (packed, parts) = tokio::join!(pack(archive, &mut watch, how, sender), parts);
        let plain = open(parts.into(), None, u64::MAX).await.unwrap();
        (watch.finish().unwrap(), packed.unwrap().frames, plain)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn frames_begin_between_rows_wherever_chunks_end() {
        let rows: Vec<u8> =
            (0..9000).flat_map(|n| format!("{n}\t{}\n", "x".repeat(n % 90)).into_bytes()).collect();
        // A row for each chunk, as pg_dump wrote it for long; chunks that end anywhere; one chunk for all rows.
        for size in [97, 1280, 50_000, rows.len() + COPY_END.len()] {
            let archive = archive(&rows, size);
            let (contents, frames, plain) = stored(&archive, 7000).await;
            assert!(frames.len() > 50 && frames.iter().all(|frame| frame.clean), "{size}: {frames:?}");
            let mut reader = Reader::with_digests();
            reader.feed(&plain).unwrap();
            assert_eq!(reader.finish().unwrap(), contents, "what is stored is not what was looked at");
            assert_eq!(frames.iter().map(|frame| frame.plain_len).sum::<u64>(), contents.length);
            let mut reader = Reader::with_digests();
            reader.feed(&archive).unwrap();
            let before = &reader.finish().unwrap().blocks[0];
            let after = &contents.blocks[0];
            assert_eq!((before.rows, before.sha256), (after.rows, after.sha256));
            assert_eq!(before.rows, Some(9000));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_archive_that_says_where_its_blocks_lie_stays_as_it_is() {
        let rows = b"1\tone\n".repeat(5000);
        let mut archive = archive(&rows, 1279);
        let mut reader = Reader::new();
        reader.feed(&archive).unwrap();
        let contents = reader.finish().unwrap();
        let start = contents.blocks[0].range.start;
        // The last field of the entry: the place is known, and which it is.
        let end = contents.toc.with_data().next().unwrap().range().end as usize;
        archive[end - 9] = 2;
        archive[end - 8..end].copy_from_slice(&start.to_le_bytes());
        let (contents, frames, plain) = stored(&archive, 7000).await;
        assert_eq!(contents.blocks[0].range.start, start);
        assert!(frames.iter().any(|frame| !frame.clean) && plain == archive);
    }
}
