//! Cuts the plaintext into frames, at the places that the watch recommends.
//!
//! A frame that begins between rows can later be fetched and used alone. If rows end inside the chunks of the archive, the
//! chunk at the cut becomes two. If there is no such place in a whole buffer, for example in one huge row, the cut is
//! anywhere: memory is limited.

use super::buffers::{Buffer, Pool};
use super::watch::{Counter, Watch};
use crate::error::{Error, Kind, Result};
use crate::layout::{Cut, Seam};
use bytes::{BufMut, Bytes};
use std::sync::atomic::Ordering;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The most bytes of plaintext in a frame.
///
/// This is also the largest zstd window: a decoder never needs more.
pub const FRAME: usize = 1 << 23;

/// The most bytes read from the source at once; some readers clear a buffer before they fill it.
const READ: usize = 256 << 10;

/// The plaintext of one frame.
#[derive(Debug)]
pub struct Frame {
    /// Its bytes.
    pub plain: Bytes,
    /// Whether it begins at a place that the watch recommended.
    pub clean: bool,
}

/// Reads a source as frames.
pub struct Frames<'w, S> {
    source: S,
    watch: &'w mut dyn Watch,
    size: usize,
    pool: Pool,
    progress: Counter,
    /// What comes first in the next frame, if the last cut had a seam.
    head: Vec<u8>,
    /// What was read after the last cut.
    rest: Bytes,
    /// The plaintext offset of the next frame.
    offset: u64,
    /// Whether the last cut was at a recommended place.
    clean: bool,
    ended: bool,
}

impl<'w, S: AsyncRead + Unpin> Frames<'w, S> {
    /// Prepares frames of at most `size` bytes; at most `count` of them exist at the same time.
    pub fn new(source: S, watch: &'w mut dyn Watch, size: usize, count: usize, progress: Counter) -> Self {
        let (size, count) = (size.max(1), count.max(2));
        Self {
            source,
            watch,
            size,
            pool: Pool::new(size, count),
            progress,
            head: Vec::new(),
            rest: Bytes::new(),
            offset: 0,
            clean: true,
            ended: false,
        }
    }

    /// Reads the next frame; `None` after the last one. An empty source gives one empty frame.
    pub async fn next(&mut self) -> Result<Option<Frame>> {
        if self.ended {
            return Ok(None);
        }
        let mut buffer = self.pool.take().await;
        buffer.append(&mut self.head);
        buffer.extend_from_slice(&std::mem::take(&mut self.rest));
        while buffer.len() < self.size && !self.ended {
            self.ended = self.read(&mut buffer).await? == 0;
        }
        if self.ended && buffer.is_empty() && self.offset > 0 {
            return Ok(None);
        }
        let good = if self.ended { None } else { self.good_cut(&mut buffer) };
        let cut = good.unwrap_or(buffer.len());
        let clean = std::mem::replace(&mut self.clean, good.is_some());
        let mut plain = buffer.freeze();
        self.rest = plain.split_off(cut);
        self.offset += cut as u64;
        Ok(Some(Frame { plain, clean }))
    }

    async fn read(&mut self, buffer: &mut Buffer) -> Result<usize> {
        let filled = buffer.len();
        let room = (self.size - filled).min(READ);
        let read = self
            .source
            .read_buf(&mut (&mut **buffer).limit(room))
            .await
            .map_err(|e| Error::from_io(e, Kind::LocalFile, "read the input"))?;
        self.watch.look(buffer.get(filled..).unwrap_or_default())?;
        self.progress.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    /// Cuts at the recommended place, so that the next frame begins there; returns how many bytes of the buffer belong
    /// into this one.
    fn good_cut(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let place = |offset: u64| usize::try_from(offset.checked_sub(self.offset)?).ok();
        let Cut { at, seam } = self.watch.boundary()?;
        let bytes = place(at).filter(|bytes| (1..=buffer.len()).contains(bytes))?;
        if let Some(Seam { head_at, before, after }) = seam {
            // The head is out of reach if the chunk began in an earlier frame, which ended in the middle of a row.
            let head = buffer.get_mut(place(head_at)?..bytes)?.first_chunk_mut()?;
            *head = before;
            self.head.extend(after);
        }
        self.watch.cut();
        Some(bytes)
    }
}
