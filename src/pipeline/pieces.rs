//! Pieces from the middle of a dump: only the frames that hold them are fetched, opened and decompressed.
//!
//! Nobody can check the digest of a whole object of which only parts were read. Instead every frame is
//! compared with its own digest before anything looks into it, and age vouches for every chunk.

use super::blocking;
use super::compress::decompress;
use super::decode::{LONGEST_HEADER, damaged, passphrase_at_hand, refused};
use super::keys::Identities;
use super::{FrameSpan, Tally};
use crate::error::{Error, Result};
use age::secrecy::ExposeSecret;
use age::{DecryptError, Decryptor};
use age_core::format::{FileKey, Stanza};
use bytes::{Buf, Bytes};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use std::future::Future;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Bytes of plaintext in one of age's chunks, and what it adds to them: age's specification, "payload".
const CHUNK: (u64, u64) = (64 << 10, 16);
/// Bytes fetched where nobody said how far the reading goes: a header, or the last chunk.
const GLANCE: u64 = 64 << 10;
/// No frame is larger, compressed or not; anything that is, was not written by pgstow.
const LARGEST_FRAME: u64 = 64 << 20;

/// Fetches a stretch of the stored object: all of it, or an error.
pub type Fetch = Arc<dyn Fn(Range<u64>) -> BoxStream<'static, Result<Bytes>> + Send + Sync>;

/// Wanted bytes of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The frame.
    pub frame: FrameSpan,
    /// Which bytes of its plaintext.
    pub wanted: Range<u64>,
}

/// What opens one object however often it is read: passphrases and plugins are asked once.
pub struct Key {
    identities: Option<Arc<Identities>>,
    opened: Mutex<Option<FileKey>>,
}

impl Key {
    /// The key to one object; `None` where it was never encrypted.
    pub fn new(identities: Option<Arc<Identities>>) -> Self {
        Self { identities, opened: Mutex::default() }
    }
}

fn copy(key: &FileKey) -> FileKey {
    FileKey::new(Box::new(*key.expose_secret()))
}

/// The identities, of which only the first success is asked for.
struct Once<'a>(&'a Identities, &'a Mutex<Option<FileKey>>);

impl age::Identity for Once<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        // Held while somebody is asked, so that nobody is asked twice.
        let mut opened = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*opened {
            return Some(Ok(copy(key)));
        }
        let found = self.0.iter().find_map(|identity| identity.unwrap_stanzas(stanzas))?;
        if let Ok(key) = &found {
            *opened = Some(copy(key));
        }
        Some(found)
    }
}

/// Sends the plaintext of `wanted`, in that order, from a thread of its own.
///
/// `stored_len` is the length of the object that `fetch` reads. At most one frame is in memory,
/// compressed and not, besides what `fetch` reads ahead.
///
/// # Errors
/// `fetch`'s own; [`Kind::Settings`](crate::error::Kind::Settings) where the key does not open the
/// object; [`Kind::Verify`](crate::error::Kind::Verify) where a frame is not what it was.
pub fn pieces(
    fetch: Fetch,
    stored_len: u64,
    key: Arc<Key>,
    wanted: Vec<Piece>,
    plain: mpsc::Sender<Bytes>,
) -> impl Future<Output = Result<()>> {
    blocking(move || {
        let reach = Arc::new(Reach::default());
        let mut compressed = open(Window::new(fetch, stored_len, Arc::clone(&reach)), &key)?;
        let payload = reach.at.load(Ordering::Relaxed);
        let mut last: Option<(u64, Bytes)> = None;
        for (number, piece) in wanted.iter().enumerate() {
            let frame = &piece.frame;
            let bytes = match last.take() {
                Some((offset, bytes)) if offset == frame.compressed_offset => bytes,
                _ => {
                    let end = run_end(wanted.get(number..).unwrap_or_default());
                    let chunks = end.div_ceil(CHUNK.0);
                    let stored = if key.identities.is_some() { chunks * (CHUNK.0 + CHUNK.1) } else { end };
                    reach.until.store(payload.saturating_add(stored), Ordering::Relaxed);
                    read_frame(&mut *compressed, frame)?
                }
            };
            last = Some((frame.compressed_offset, bytes.clone()));
            let index = |at: u64| usize::try_from(at).ok().filter(|at| *at <= bytes.len());
            let (Some(from), Some(to)) = (index(piece.wanted.start), index(piece.wanted.end)) else {
                return Err(Error::verify("the inventory asks for bytes that a frame does not have"));
            };
            // Where nobody listens any more, they know why.
            if from < to && plain.blocking_send(bytes.slice(from..to)).is_err() {
                return Ok(());
            }
        }
        Ok(())
    })
}

/// Where the frames end that follow each other without a gap.
fn run_end(pieces: &[Piece]) -> u64 {
    let mut end = None;
    for FrameSpan { compressed_offset: start, compressed_len: len, .. } in
        pieces.iter().map(|piece| piece.frame)
    {
        let next = start.saturating_add(len);
        match end {
            Some(end) if start > end => break,
            _ => end = Some(next),
        }
    }
    end.unwrap_or_default()
}

fn read_frame(compressed: &mut dyn Seekable, frame: &FrameSpan) -> Result<Bytes> {
    let sizes = [frame.compressed_len, frame.plain_len];
    let [Ok(compressed_len), Ok(plain_len)] = sizes.map(|size| usize::try_from(size.min(LARGEST_FRAME + 1)))
    else {
        return Err(Error::verify("the inventory speaks of a frame of impossible size"));
    };
    if sizes.iter().any(|size| *size > LARGEST_FRAME) {
        return Err(Error::verify("the inventory speaks of a frame of impossible size"));
    }
    // A seek to where it already is would forget the chunk at hand.
    if compressed.stream_position().map_err(damaged)? != frame.compressed_offset {
        compressed.seek(SeekFrom::Start(frame.compressed_offset)).map_err(damaged)?;
    }
    let mut bytes = Vec::new();
    compressed.take(compressed_len as u64).read_to_end(&mut bytes).map_err(damaged)?;
    if Tally::of(&bytes).sha256 != frame.sha256 {
        let at = frame.plain_offset;
        return Err(Error::verify(format!(
            "the frame at byte {at} of the dump is not what the inventory says"
        )));
    }
    decompress(&bytes, plain_len).map(Bytes::from)
}

trait Seekable: Read + Seek {}
impl<T: Read + Seek> Seekable for T {}

/// The compressed stream inside the stored object.
fn open<'a>(stored: Window, key: &Key) -> Result<Box<dyn Seekable + 'a>> {
    let Some(identities) = &key.identities else { return Ok(Box::new(stored)) };
    let refused = |e| refused(e, identities);
    let age = Decryptor::new_buffered(stored).map_err(refused)?;
    passphrase_at_hand(age.is_scrypt(), identities)?;
    let once = Once(identities, &key.opened);
    Ok(Box::new(age.decrypt(std::iter::once(&once as &dyn age::Identity)).map_err(refused)?))
}

/// How far the reading has come in the stored object, and how far it will go on from there.
#[derive(Default)]
struct Reach {
    at: AtomicU64,
    until: AtomicU64,
}

/// The stored object as a reader that can go anywhere; what it fetches it reads to the end.
struct Window {
    fetch: Fetch,
    len: u64,
    reach: Arc<Reach>,
    at: u64,
    buffer: Bytes,
    coming: Option<BoxStream<'static, Result<Bytes>>>,
}

impl Window {
    fn new(fetch: Fetch, len: u64, reach: Arc<Reach>) -> Self {
        Self { fetch, len, reach, at: 0, buffer: Bytes::new(), coming: None }
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
        let count = self.fill_buf()?.read(out)?;
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
