//! Cuts the plaintext into frames, at the places that the watch recommends.
//!
//! A frame that begins between rows can later be fetched and used alone. If there is no such place in a whole buffer,
//! for example in one huge row, the cut is anywhere: memory is limited.

use super::buffers::{Buffer, Pool};
use super::watch::{Counter, Watch};
use crate::error::{Error, Kind, Result};
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
        buffer.extend_from_slice(&std::mem::take(&mut self.rest));
        while buffer.len() < self.size && !self.ended {
            self.ended = self.read(&mut buffer).await? == 0;
        }
        if self.ended && buffer.is_empty() && self.offset > 0 {
            return Ok(None);
        }
        let good = if self.ended { None } else { self.good_cut(buffer.len()) };
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

    /// How many of the buffer's `len` bytes belong into the frame, so that the next one begins at a recommended place.
    fn good_cut(&self, len: usize) -> Option<usize> {
        let within = |boundary: u64| {
            let bytes = usize::try_from(boundary.checked_sub(self.offset)?).ok()?;
            (1..=len).contains(&bytes).then_some(bytes)
        };
        self.watch.boundary().and_then(within)
    }
}
