//! The stored object as a reader that can seek: ranges are fetched when they are needed.

use super::tally::{Digest, Tally};
use super::threads::dropped;
use crate::error::{Error, Result};
use bytes::{Buf, Bytes};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// No age header is longer, in bytes: a thousand recipients fit. age itself has no limit, and reads a header again
/// from its beginning with every line: at four times the length, somebody who can write to the store could make that
/// take minutes.
pub const LONGEST_HEADER: u64 = 128 << 10;

/// Bytes fetched if it is not known how far the reading goes: a header, or the last chunk.
const GLANCE: u64 = 64 << 10;

/// Fetches a range of the stored object: all of it, or an error.
pub type Fetch = Arc<dyn Fn(Range<u64>) -> BoxStream<'static, Result<Bytes>> + Send + Sync>;

/// What a window and its user share: how far the object was read, how far it will be read, and the checksum of what
/// passed.
#[derive(Default)]
pub struct Reach {
    at: AtomicU64,
    until: AtomicU64,
    /// Whether an encryption header is being read.
    in_header: AtomicBool,
    /// The bytes that were fetched for the header.
    header: Mutex<Vec<Bytes>>,
    passed: Mutex<Passed>,
}

/// The digest of all bytes up to an offset. Bytes that are read again count once.
#[derive(Clone, Default)]
struct Passed {
    wanted: bool,
    until: u64,
    digest: Digest,
}

/// A state of the digest, to return to.
pub struct Mark(Passed);

impl Reach {
    /// The offset of the next byte.
    pub fn at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }

    /// How far will be read, as it was announced last.
    pub fn until(&self) -> u64 {
        self.until.load(Ordering::Relaxed)
    }

    /// Announces how far will be read, so that it can be fetched ahead.
    pub fn go_on_until(&self, end: u64) {
        self.until.store(end, Ordering::Relaxed);
    }

    /// Announces an encryption header; it must not be endless.
    pub fn begin_header(&self) {
        self.in_header.store(true, Ordering::Relaxed);
        lock(&self.header).clear();
    }

    /// Ends the header; returns the bytes that were fetched for it.
    pub fn end_header(&self) -> Vec<u8> {
        self.in_header.store(false, Ordering::Relaxed);
        std::mem::take(&mut *lock(&self.header)).concat()
    }

    /// Begins to compute the digest.
    pub fn begin_digest(&self) {
        lock(&self.passed).wanted = true;
    }

    /// The state before the first byte.
    pub fn beginning(&self) -> Mark {
        Mark(Passed { wanted: lock(&self.passed).wanted, ..Passed::default() })
    }

    /// The state of the digest, to return to if the next bytes turn out to be wrong.
    pub fn mark(&self) -> Mark {
        Mark(lock(&self.passed).clone())
    }

    /// Returns to an earlier state of the digest.
    pub fn return_to(&self, mark: Mark) {
        *lock(&self.passed) = mark.0;
    }

    /// The tally of all bytes that passed.
    pub fn tally(&self) -> Tally {
        lock(&self.passed).digest.clone().finish()
    }

    fn pass(&self, at: u64, bytes: &[u8]) {
        let mut passed = lock(&self.passed);
        let Some(known) = passed.until.checked_sub(at).filter(|_| passed.wanted) else { return };
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        if let Some(new @ [_, ..]) = bytes.get(known..) {
            passed.digest.look(new);
            passed.until += new.len() as u64;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stored object as a reader that can seek.
pub struct Window {
    fetch: Fetch,
    len: u64,
    reach: Arc<Reach>,
    stop: CancellationToken,
    at: u64,
    buffer: Bytes,
    coming: Option<BoxStream<'static, Result<Bytes>>>,
}

impl Window {
    /// Creates a reader of an object of `len` bytes; nothing is fetched yet. Waiting for bytes ends when `stop` is
    /// cancelled.
    pub fn new(fetch: Fetch, len: u64, reach: Arc<Reach>, stop: CancellationToken) -> Self {
        Self { fetch, len, reach, stop, at: 0, buffer: Bytes::new(), coming: None }
    }

    fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(coming) = &mut self.coming else { return Ok(None) };
        Handle::current().block_on(async {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => Err(dropped()),
                next = coming.try_next() => next,
            }
        })
    }
}

impl BufRead for Window {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let in_header = self.reach.in_header.load(Ordering::Relaxed);
        while self.buffer.is_empty() && self.at < self.len {
            // age itself would read it all into memory.
            if in_header && self.at > LONGEST_HEADER {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "its encryption header does not end"));
            }
            let begins = self.coming.is_none();
            if begins {
                let until = self.reach.until();
                let until = if until > self.at { until } else { self.at.saturating_add(GLANCE) };
                self.coming = Some((self.fetch)(self.at..until.min(self.len)));
            }
            match self.next().map_err(Error::into_io)? {
                Some(bytes) => self.buffer = bytes,
                None if begins => return Err(io::ErrorKind::UnexpectedEof.into()),
                None => self.coming = None,
            }
            if in_header {
                lock(&self.reach.header).push(self.buffer.clone());
            }
        }
        Ok(&self.buffer)
    }

    fn consume(&mut self, count: usize) {
        let passing = self.buffer.split_to(count.min(self.buffer.len()));
        self.reach.pass(self.at, &passing);
        self.at += passing.len() as u64;
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
            // This is also the case for the end of a frame in the middle of a chunk.
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
