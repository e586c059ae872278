//! The way of the bytes: from a dump to encrypted parts, and back. Bytes only: this leaf knows no
//! database and no store.
//!
//! [`pack`]: watch → frames → plain tally and compress → encrypt → stored tally → parts.
//! [`unpack`]: stored tally → decrypt → decompress → watch → plain tally → hold back → sink.
//! [`pieces()`]: seek → decrypt → frame tally → decompress → only the wanted bytes.
//!
//! # Memory
//!
//! Packing takes at most
//!
//! ```text
//! (workers + 1) × frame          plaintext: one frame being filled, the others being compressed
//! (workers + 1) × frame          compressed: usually a third of that or less
//!  workers      × encoder        zstd's own state: about 12 MiB at level 3, its window of one frame included
//! (channel + uploads) × part      one being filled or in the channel, those with the uploader
//! ```
//!
//! whatever the size of the dump. With 2 workers, 8 MiB frames and parts, a channel of 1 and 4 uploads:
//! 24 + ~8 + 24 + 40 MiB. The buffers are made once and used again ([`buffers`]). Unpacking holds a few
//! megabytes. Every reader of pieces holds one compressed frame, zstd's window of one frame, and what it
//! reads ahead.
//!
//! # Threads
//!
//! Reading from the source and writing into the sink happen in the caller's task; they wait much and
//! compute little. Work that keeps a processor busy (digests, zstd, age) runs on blocking threads
//! joined by short channels, so a busy stage never keeps the next bytes from being read, from the
//! database or from the network. Dropping the future closes the channels, which ends the threads.

mod buffers;
mod compress;
mod decode;
mod encrypt;
mod frames;
mod hold_back;
pub mod keys;
mod parts;
mod pieces;
mod small;
mod tally;
#[cfg(test)]
mod tests;
mod window;

pub use frames::FRAME;
pub use hold_back::HELD_BACK;
pub use pieces::{Key, pieces};
pub use small::{open, seal};
pub use tally::Tally;
pub use window::Fetch;

use crate::error::{Error, Kind, Result};
use crate::layout::FrameSpan;
use buffers::Pool;
use bytes::{Bytes, BytesMut};
use compress::Compressed;
use encrypt::Encrypt;
use frames::Frames;
use futures_util::{Stream, StreamExt, TryStreamExt, stream, try_join};
use hold_back::HoldBack;
use keys::{Identities, Recipients};
use parts::Parts;
use std::future::Future;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tally::TallyWriter;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Bytes of a dump that are passed on together.
const PASSED_ON: usize = 256 << 10;

/// Looks at plaintext on its way.
pub trait Watch: Send {
    /// Looks at the next bytes; they come in order and without gaps. A failure ends the run.
    fn look(&mut self, bytes: &[u8]) -> Result<()>;

    /// The plaintext offset of the newest good place to cut a frame, such as the end of a row.
    fn boundary(&self) -> Option<u64>;

    /// A second look at the same bytes, taken on a thread of its own, where computing keeps nobody waiting.
    ///
    /// It sees every byte some time after [`Watch::look`], and has seen all when the run is done.
    fn second_look(&self) -> Option<SecondLook> {
        None
    }
}

/// Looks at plaintext again; see [`Watch::second_look`].
pub type SecondLook = Box<dyn FnMut(&[u8]) -> Result<()> + Send>;

/// Looks at nothing.
impl Watch for () {
    fn look(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn boundary(&self) -> Option<u64> {
        None
    }
}

/// A number of bytes that a stage raises and others read.
pub type Counter = Arc<AtomicU64>;

/// How to pack.
#[derive(Debug, Clone)]
pub struct Pack {
    /// zstd's level, 1 to 22.
    pub level: i32,
    /// For whom to encrypt; `None` leaves the bytes readable for everyone.
    pub recipients: Option<Arc<Recipients>>,
    /// Bytes of every part but the last.
    pub part_size: usize,
    /// Most bytes of plaintext in a frame: [`FRAME`], unless a test wants less.
    pub frame_size: usize,
    /// Frames compressed at the same time.
    pub workers: usize,
    /// Raised by the plaintext bytes read.
    pub progress: Counter,
}

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The bytes as they came from the source.
    pub plain: Tally,
    /// The bytes as they went into the parts.
    pub stored: Tally,
    /// Where each frame lies, in order.
    pub frames: Vec<FrameSpan>,
}

/// Reads `source` to its end and sends it, compressed and encrypted, as `parts`.
///
/// The channel of parts simply ends; only `Ok` means that the stream was complete. All parts have been
/// sent by then. Parts must be received while this runs. The first failure wins. Where the receiver of
/// the parts is gone the failure is of kind [`Kind::Unexpected`], and the receiver's own is the one to show.
pub async fn pack(
    source: impl AsyncRead + Unpin + Send,
    watch: &mut dyn Watch,
    how: Pack,
    parts: mpsc::Sender<Bytes>,
) -> Result<Packed> {
    let stop = CancellationToken::new();
    let _stops_when_dropped = stop.clone().drop_guard();
    let (to_tally, plain) = tally::in_background();
    let (onlooker, looked) = Onlooker::begin(watch.second_look());
    let (to_compress, mut frames) = mpsc::channel(1);
    let (to_encrypt, mut compressed) = mpsc::channel(1);
    let workers = how.workers.max(1);

    // A stage whose neighbour is gone ends quietly: the neighbour says why.
    let read = async move {
        let mut cut = Frames::new(source, watch, how.frame_size, workers + 1, how.progress);
        while let Some(frame) = cut.next().await? {
            if to_tally.send(frame.plain.clone()).await.is_err()
                || !onlooker.show(&frame.plain).await
                || to_compress.send(frame).await.is_err()
            {
                break;
            }
        }
        Ok(())
    };
    let compress = async move {
        let outputs = Pool::new(compress::bound(how.frame_size), workers + 1);
        let mut spans = Spans::default();
        let mut ready = stream::poll_fn(move |context| frames.poll_recv(context))
            .map(|frame| compress::in_background(frame, how.level, &outputs))
            .buffered(workers);
        while let Some(frame) = ready.try_next().await? {
            spans.push(&frame);
            if to_encrypt.send(Some(frame.bytes)).await.is_err() {
                break;
            }
        }
        let _ = to_encrypt.send(None).await;
        Ok(spans.0)
    };
    let encrypt = blocking(move || {
        let parts = Parts::new(how.part_size, parts, stop);
        let mut encrypt = Encrypt::new(how.recipients.as_deref(), TallyWriter::new(parts))?;
        // A closed channel is a run that was given up; only `None` says that the stream is whole.
        while let Some(frame) = compressed.blocking_recv().ok_or_else(given_up)? {
            encrypt.write_all(&frame).map_err(cannot_pack)?;
        }
        let (stored, parts) = encrypt.finish().map_err(cannot_pack)?.finish();
        parts.finish().map_err(cannot_pack)?;
        Ok(stored)
    });
    let ((), plain, (), frames, stored) = try_join!(read, plain, looked, compress, encrypt)?;
    Ok(Packed { plain, stored, frames })
}

/// How to unpack.
#[derive(Debug, Clone)]
pub struct Unpack {
    /// What opens the bytes; `None` where they were never encrypted.
    pub identities: Option<Arc<Identities>>,
    /// How many bytes of plaintext to expect, where that is known. The first one more is refused, while the
    /// end of the expected ones is still held back.
    pub expected: Option<u64>,
    /// Raised by the plaintext bytes written into the sink.
    pub progress: Counter,
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// The bytes as they went into the sink.
    pub plain: Tally,
    /// The bytes as they came from the source.
    pub stored: Tally,
}

/// Decrypts and decompresses `source` into `sink`, which gets the last bytes only when all is proven.
///
/// The last [`HELD_BACK`] bytes are written after the source ended well, age and zstd confirmed their
/// ends, and `check` agreed. The sink is flushed, not shut down.
///
/// Failures: the source's own, as they came; [`Kind::Settings`] where no identity opens the bytes;
/// [`Kind::Verify`] where they are damaged; [`Kind::LocalFile`] where the sink failed, with the
/// `io::Error` as its source; `watch`'s and `check`'s own.
pub async fn unpack(
    source: impl Stream<Item = Result<Bytes>> + Send,
    how: Unpack,
    watch: &mut dyn Watch,
    sink: &mut (impl AsyncWrite + Unpin + Send),
    check: impl FnOnce(&Unpacked) -> Result<()>,
) -> Result<Unpacked> {
    let (to_decode, stored_bytes) = mpsc::channel(decode::QUEUE);
    let (to_deliver, mut plain_bytes) = mpsc::channel(decode::QUEUE);
    let (to_tally, plain) = tally::in_background();
    let (onlooker, looked) = Onlooker::begin(watch.second_look());
    let mut held = HoldBack::new(HELD_BACK);

    let fetch = async move {
        let mut source = std::pin::pin!(source);
        let mut stored = tally::Digest::default();
        while let Some(mut bytes) = source.try_next().await? {
            stored.look(&bytes);
            while !bytes.is_empty() {
                let piece = bytes.split_to(bytes.len().min(decode::PIECE));
                if to_decode.send(piece).await.is_err() {
                    return Ok(stored.finish());
                }
            }
        }
        Ok(stored.finish())
    };
    let decode = decode::in_background(stored_bytes, how.identities, to_deliver);
    let deliver = async {
        let mut seen = 0;
        while let Some(bytes) = plain_bytes.recv().await {
            seen += bytes.len() as u64;
            if how.expected.is_some_and(|expected| seen > expected) {
                return Err(Error::verify("the backup holds more bytes than it should"));
            }
            watch.look(&bytes)?;
            if to_tally.send(bytes.clone()).await.is_err() || !onlooker.show(&bytes).await {
                break;
            }
            held.push(bytes);
            while let Some(bytes) = held.ready() {
                hand_over(sink, &bytes, &how.progress).await?;
            }
        }
        drop((to_tally, onlooker));
        Ok(())
    };
    let (stored, (), (), plain, ()) = try_join!(fetch, decode, deliver, plain, looked)?;
    let unpacked = Unpacked { plain, stored };
    check(&unpacked)?;
    for bytes in held.rest() {
        hand_over(sink, &bytes, &how.progress).await?;
    }
    sink.flush().await.map_err(cannot_deliver)?;
    Ok(unpacked)
}

/// Reads `source` to its end and hands it on as it is, but for the last [`HELD_BACK`] bytes: those it
/// returns, for when all is known to be whole. The sink is flushed, not shut down.
pub async fn pass_on(
    mut source: impl AsyncRead + Unpin,
    watch: &mut dyn Watch,
    sink: &mut (impl AsyncWrite + Unpin),
    progress: &Counter,
) -> Result<Vec<Bytes>> {
    let mut held = HoldBack::new(HELD_BACK);
    loop {
        let mut piece = BytesMut::with_capacity(PASSED_ON);
        let read = source.read_buf(&mut piece).await;
        if read.map_err(|e| Error::from_io(e, Kind::Unexpected, "read the dump"))? == 0 {
            break;
        }
        watch.look(&piece)?;
        held.push(piece.freeze());
        while let Some(bytes) = held.ready() {
            hand_over(sink, &bytes, progress).await?;
        }
    }
    sink.flush().await.map_err(cannot_deliver)?;
    Ok(held.rest().collect())
}

async fn hand_over(sink: &mut (impl AsyncWrite + Unpin), bytes: &[u8], progress: &Counter) -> Result<()> {
    sink.write_all(bytes).await.map_err(cannot_deliver)?;
    progress.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    Ok(())
}

/// A second look at what passes, on a thread of its own; nothing at all where nobody wants one.
struct Onlooker(Option<mpsc::Sender<Bytes>>);

impl Onlooker {
    /// Begins; the future is done when the onlooker is dropped, or has seen what it objects to.
    fn begin(look: Option<SecondLook>) -> (Self, impl Future<Output = Result<()>>) {
        let (to_thread, looking) = look
            .map(|mut look| {
                let (to_thread, mut bytes) = mpsc::channel::<Bytes>(1);
                let looking = blocking(move || {
                    while let Some(bytes) = bytes.blocking_recv() {
                        look(&bytes)?;
                    }
                    Ok(())
                });
                (to_thread, looking)
            })
            .unzip();
        let looked = async move {
            match looking {
                Some(looking) => looking.await,
                None => Ok(()),
            }
        };
        (Self(to_thread), looked)
    }

    /// Shows it the next bytes; false when it has ended, and its future says why.
    async fn show(&self, bytes: &Bytes) -> bool {
        match &self.0 {
            Some(to_thread) => to_thread.send(bytes.clone()).await.is_ok(),
            None => true,
        }
    }
}

/// Counts the frames' places.
#[derive(Default)]
struct Spans(Vec<FrameSpan>);

impl Spans {
    fn push(&mut self, frame: &Compressed) {
        let (plain_offset, compressed_offset) = self.0.last().map_or((0, 0), |last| {
            (last.plain_offset + last.plain_len, last.compressed_offset + last.compressed_len)
        });
        self.0.push(FrameSpan {
            plain_offset,
            plain_len: frame.plain_len as u64,
            compressed_offset,
            compressed_len: frame.bytes.len() as u64,
            sha256: frame.sha256,
            clean: frame.clean,
        });
    }
}

/// Runs `work` on a thread where it may wait and compute; it starts at once.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> {
    let running = tokio::task::spawn_blocking(work);
    async move { running.await.unwrap_or_else(|panic| Err(Error::unexpected("a stage panicked").because(panic))) }
}

fn given_up() -> Error {
    Error::unexpected("the run was given up")
}

fn cannot_pack(error: std::io::Error) -> Error {
    Error::from_io(error, Kind::Unexpected, "pack")
}

fn cannot_deliver(error: std::io::Error) -> Error {
    Error::from_io(error, Kind::LocalFile, "write what was unpacked")
}
