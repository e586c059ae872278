//! The stored object as something that can be read from anywhere, by ranges fetched when they are needed.

use super::decode::LONGEST_HEADER;
use crate::error::{Error, Result};
use bytes::{Buf, Bytes};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Handle;

/// Bytes fetched where nobody said how far the reading goes: a header, or the last chunk.
const GLANCE: u64 = 64 << 10;

/// Fetches a stretch of the stored object: all of it, or an error.
pub type Fetch = Arc<dyn Fn(Range<u64>) -> BoxStream<'static, Result<Bytes>> + Send + Sync>;

/// How far the reading has come in the stored object, and how far it will go on from there.
#[derive(Default)]
pub struct Reach {
    at: AtomicU64,
    until: AtomicU64,
}

/// The stored object as a reader that can go anywhere; what it fetches it reads to the end.
pub struct Window {
    fetch: Fetch,
    len: u64,
    reach: Arc<Reach>,
    at: u64,
    buffer: Bytes,
    coming: Option<BoxStream<'static, Result<Bytes>>>,
}

impl Window {
    /// Nothing is fetched yet; `len` is the length of the whole object.
    pub fn new(fetch: Fetch, len: u64, reach: Arc<Reach>) -> Self {
        Self { fetch, len, reach, at: 0, buffer: Bytes::new(), coming: None }
    }
}

impl Reach {
    /// Where the next byte will come from.
    pub fn at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }

    /// Says how far the reading will go, so that more than a glance is fetched at once.
    pub fn go_on_until(&self, end: u64) {
        self.until.store(end, Ordering::Relaxed);
    }
}

impl BufRead for Window {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.buffer.is_empty() && self.at < self.len {
            let until = self.reach.until.load(Ordering::Relaxed);
            // Before anything is wanted only the header is read; age itself would read on, and keep it all.
            if until == 0 && self.at > LONGEST_HEADER as u64 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "its encryption header does not end"));
            }
            let Some(coming) = &mut self.coming else {
                let until = if until > self.at { until } else { self.at.saturating_add(GLANCE) };
                self.coming = Some((self.fetch)(self.at..until.min(self.len)));
                continue;
            };
            match Handle::current().block_on(coming.try_next()).map_err(Error::into_io)? {
                Some(bytes) => self.buffer = bytes,
                None => self.coming = None,
            }
        }
        Ok(&self.buffer)
    }

    fn consume(&mut self, count: usize) {
        self.buffer.advance(count.min(self.buffer.len()));
        self.at += count as u64;
        self.reach.at.store(self.at, Ordering::Relaxed);
    }
}

impl Read for Window {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = Read::read(&mut self.fill_buf()?, out)?;
        self.consume(count);
        Ok(count)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(target) => Some(target),
            SeekFrom::End(offset) => self.len.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        let target = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        match target.checked_sub(self.at) {
            // Also what the end of a frame in the middle of a chunk comes to.
            Some(ahead) if ahead <= self.buffer.len() as u64 => {
                self.buffer.advance(usize::try_from(ahead).unwrap_or_default());
            }
            _ => {
                self.buffer.clear();
                self.coming = None;
            }
        }
        self.at = target;
        Ok(target)
    }
}
