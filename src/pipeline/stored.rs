//! The compressed stream inside a stored object: opened with its key, readable from any offset, and fetched once more
//! if it arrived damaged.

use super::failures::{damaged, passphrase_at_hand, refused};
use super::keys::Identities;
use super::tally::Tally;
use super::window::{Fetch, Reach, Window};
use crate::error::{Kind, Result};
use age::secrecy::ExposeSecret;
use age::{DecryptError, Decryptor};
use age_core::format::{FileKey, Stanza};
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

/// Bytes of plaintext in a chunk of age, and the bytes age adds to them: age's specification, "payload".
const CHUNK: (u64, u64) = (64 << 10, 16);

/// The key to one object, however often it is read: passphrases and plugins are asked for once.
pub struct Key {
    identities: Option<Arc<Identities>>,
    opened: Mutex<Option<FileKey>>,
}

impl Key {
    /// The key to one object; `None` if it was never encrypted.
    pub fn new(identities: Option<Arc<Identities>>) -> Self {
        Self { identities, opened: Mutex::default() }
    }
}

fn copy(key: &FileKey) -> FileKey {
    FileKey::new(Box::new(*key.expose_secret()))
}

/// The identities; they are tried until one of them opens the object, and never again.
struct Once<'a>(&'a Identities, &'a Mutex<Option<FileKey>>);

impl age::Identity for Once<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        // Locked while a user is asked, so that nobody is asked twice.
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

/// An object to read.
#[derive(Clone)]
pub struct Object {
    /// Fetches its stored bytes.
    pub fetch: Fetch,
    /// Its stored length in bytes.
    pub len: u64,
    /// Its key.
    pub key: Arc<Key>,
    /// Whether damaged bytes are fetched again; for bytes in memory that would be useless.
    pub again: bool,
}

trait Source: BufRead + Seek {}
impl<T: BufRead + Seek> Source for T {}

/// The compressed bytes of an object, at some offset.
pub struct Stored {
    object: Object,
    reach: Arc<Reach>,
    stop: CancellationToken,
    compressed: Box<dyn Source>,
    /// Where the compressed bytes begin in the stored object.
    payload: u64,
    at: u64,
}

impl Stored {
    /// Opens the object. With `whole` all of it will be read: it is fetched ahead, and its checksum is computed.
    ///
    /// Waiting for bytes ends when `stop` is cancelled. A header that cannot be opened is fetched again, and tried
    /// again only if its bytes differ then: nobody is asked twice for a key that does not match.
    pub fn open(object: Object, whole: bool, stop: CancellationToken) -> Result<Self> {
        let reach = Arc::new(Reach::default());
        if whole {
            reach.begin_digest();
            reach.go_on_until(object.len);
        }
        let compressed = match open(&object, &reach, &stop) {
            Err(error) if object.again && matches!(error.kind(), Kind::Verify | Kind::Settings) => {
                let first = reach.end_header();
                let mut second = vec![0; first.len()];
                let mut again =
                    Window::new(Arc::clone(&object.fetch), object.len, Arc::default(), stop.clone());
                again.read_exact(&mut second).map_err(damaged)?;
                if first == second {
                    return Err(error);
                }
                reach.return_to(reach.beginning());
                let compressed = open(&object, &reach, &stop)?;
                tracing::warn!(
                    "the encryption header arrived damaged ({error}), and intact when it was read again"
                );
                compressed
            }
            opened => opened?,
        };
        let payload = reach.at();
        Ok(Self { object, reach, stop, compressed, payload, at: 0 })
    }

    /// The offset in the compressed bytes.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Goes to another offset.
    pub fn go_to(&mut self, at: u64) -> Result<()> {
        match at.checked_sub(self.at) {
            Some(0) => {}
            // A seek would drop the chunk in memory.
            Some(ahead) if ahead < CHUNK.0 => {
                io::copy(&mut self.compressed.by_ref().take(ahead), &mut io::sink()).map_err(damaged)?;
            }
            _ => {
                self.compressed.seek(SeekFrom::Start(at)).map_err(damaged)?;
            }
        }
        self.at = at;
        Ok(())
    }

    /// Announces up to which offset will be read without a gap, so that it can be fetched ahead.
    pub fn go_on_until(&self, end: u64) {
        let stored = match self.object.key.identities {
            Some(_) => end.div_ceil(CHUNK.0).saturating_mul(CHUNK.0 + CHUNK.1),
            None => end,
        };
        self.reach.go_on_until(self.payload.saturating_add(stored));
    }

    /// Does `work`; if it finds damage, does it again on bytes that are fetched again.
    ///
    /// `work` must begin with [`go_to`](Self::go_to), and must not have passed anything on when it fails. `what` names
    /// its bytes for a warning.
    pub fn twice<T>(
        &mut self,
        what: impl fmt::Display,
        mut work: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<T> {
        // Before the first frame nothing is verified, not even the bytes after the header.
        let mark = if self.at == 0 { self.reach.beginning() } else { self.reach.mark() };
        match work(self) {
            Err(error) if error.kind() == Kind::Verify && self.object.again => {
                let until = self.reach.until();
                self.reach.go_on_until(0);
                self.reach.return_to(mark);
                self.compressed = open(&self.object, &self.reach, &self.stop)?;
                self.at = 0;
                self.reach.go_on_until(until);
                let done = work(self).map_err(|error| error.and("it was read twice"))?;
                tracing::warn!("{what} arrived damaged ({error}), and intact when it was read again");
                Ok(done)
            }
            done => done,
        }
    }

    /// Reads the next bytes.
    pub fn read(&mut self, count: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.compressed.by_ref().take(count).read_to_end(&mut bytes).map_err(damaged)?;
        self.at += read as u64;
        Ok(bytes)
    }

    /// The bytes at hand; if there are none, the next ones.
    pub fn buffered(&mut self) -> io::Result<&[u8]> {
        self.compressed.fill_buf()
    }

    /// Whether there are no more bytes.
    pub fn is_at_end(&mut self) -> Result<bool> {
        self.buffered().map(<[u8]>::is_empty).map_err(damaged)
    }

    /// The tally of the stored bytes, if the whole object was read.
    pub fn tally(&self) -> Tally {
        self.reach.tally()
    }
}

/// The compressed stream, from its beginning.
fn open(object: &Object, reach: &Arc<Reach>, stop: &CancellationToken) -> Result<Box<dyn Source>> {
    let stored = Window::new(Arc::clone(&object.fetch), object.len, Arc::clone(reach), stop.clone());
    let Some(identities) = &object.key.identities else { return Ok(Box::new(stored)) };
    let refused = |e| refused(e, identities);
    reach.begin_header();
    let age = Decryptor::new_buffered(stored).map_err(refused)?;
    passphrase_at_hand(age.is_scrypt(), identities)?;
    let once = Once(identities, &object.key.opened);
    let compressed = age.decrypt(std::iter::once(&once as &dyn age::Identity)).map_err(refused)?;
    reach.end_header();
    Ok(Box::new(BufReader::with_capacity(CHUNK.0 as usize, compressed)))
}

/// For asynchronous decoders; it never returns `Pending`, because the thread that reads it may wait.
impl AsyncRead for Stored {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let count = this.compressed.read(into.initialize_unfilled())?;
        into.advance(count);
        this.at += count as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for Stored {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Poll::Ready(self.get_mut().buffered())
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        let this = self.get_mut();
        this.compressed.consume(count);
        this.at += count as u64;
    }
}
