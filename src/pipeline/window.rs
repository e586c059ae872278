//! The stored object as something that can be read from anywhere, by ranges fetched when they are needed.

use super::tally::{Digest, Tally};
use super::threads::given_up;
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

/// No age header is longer: hundreds of recipients fit. age itself would read on, and keep it all.
const LONGEST_HEADER: u64 = 512 << 10;

/// Bytes fetched if nobody said how far the reading goes: a header, or the last chunk.
const GLANCE: u64 = 64 << 10;

/// Fetches a stretch of the stored object: all of it, or an error.
pub type Fetch = Arc<dyn Fn(Range<u64>) -> BoxStream<'static, Result<Bytes>> + Send + Sync>;

/// What the reader of an object and whoever wrapped it share: how far the reading has come and will go on,
/// and the digest of what passed.
#[derive(Default)]
pub struct Reach {
    at: AtomicU64,
    until: AtomicU64,
    /// Whether what is read now is an encryption header.
    in_header: AtomicBool,
    /// The first bytes, as they came while the header was read.
    header: Mutex<Vec<Bytes>>,
    passed: Mutex<Passed>,
}

/// The digest of all bytes up to an offset. Bytes that are read again are digested once.
#[derive(Clone, Default)]
struct Passed {
    wanted: bool,
    until: u64,
    digest: Digest,
}

/// The digest at some moment, to return to.
pub struct Mark(Passed);

impl Reach {
    /// Where the next byte will come from.
    pub fn at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }

    /// How far the reading will go, as it was said last.
    pub fn until(&self) -> u64 {
        self.until.load(Ordering::Relaxed)
    }

    /// Says how far the reading will go, so that more than a glance is fetched at once.
    pub fn go_on_until(&self, end: u64) {
        self.until.store(end, Ordering::Relaxed);
    }

    /// Says that an encryption header comes next; it must not be endless.
    pub fn begin_header(&self) {
        self.in_header.store(true, Ordering::Relaxed);
        lock(&self.header).clear();
    }

    /// Says that the header was read, or is given up; the bytes that came for it.
    pub fn end_header(&self) -> Vec<u8> {
        self.in_header.store(false, Ordering::Relaxed);
        std::mem::take(&mut *lock(&self.header)).concat()
    }

    /// Digests what passes from now on.
    pub fn begin_digest(&self) {
        lock(&self.passed).wanted = true;
    }

    /// Where the digest began.
    pub fn beginning(&self) -> Mark {
        Mark(Passed { wanted: lock(&self.passed).wanted, ..Passed::default() })
    }

    /// Where the digest stands, to return to if what follows turns out wrong.
    pub fn mark(&self) -> Mark {
        Mark(lock(&self.passed).clone())
    }

    /// Forgets what was digested since then.
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

/// The stored object as a reader that can go anywhere; what it fetches it reads to the end.
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
    /// Nothing is fetched yet; `len` is the length of the whole object. Waiting for bytes ends when `stop` is
    /// cancelled.
    pub fn new(fetch: Fetch, len: u64, reach: Arc<Reach>, stop: CancellationToken) -> Self {
        Self { fetch, len, reach, stop, at: 0, buffer: Bytes::new(), coming: None }
    }

    fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(coming) = &mut self.coming else { return Ok(None) };
        Handle::current().block_on(async {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => Err(given_up()),
                next = coming.try_next() => next,
            }
        })
    }
}

impl BufRead for Window {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let in_header = self.reach.in_header.load(Ordering::Relaxed);
        while self.buffer.is_empty() && self.at < self.len {
            // age itself would read on, and keep it all.
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
