//! From stored bytes to parts that are encrypted for others: the compressed bytes stay as they are, and what they
//! decompress to is digested on the way.

use super::compress::decompress;
use super::decode::piece;
use super::encrypt::{Encrypt, cannot_pack};
use super::failures::damaged;
use super::keys::{Identities, Recipients};
use super::parts::Parts;
use super::stored::{Key, Object, Stored};
use super::tally::{self, Tally, TallyWriter};
use super::threads::{blocking, dropped};
use super::watch::Counter;
use super::window::Fetch;
use crate::error::Result;
use bytes::Bytes;
use futures_util::try_join;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Options for encrypting again.
#[derive(Debug, Clone)]
pub struct Reencrypt {
    /// The identities that decrypt the bytes; `None` if they were never encrypted.
    pub identities: Option<Arc<Identities>>,
    /// The recipients to encrypt to.
    pub recipients: Arc<Recipients>,
    /// The size of every part but the last, in bytes.
    pub part_size: usize,
    /// Counts the plaintext bytes that passed.
    pub progress: Counter,
}

/// What was encrypted again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reencrypted {
    /// The stored bytes that were read.
    pub before: Tally,
    /// What they decompress to.
    pub plain: Tally,
    /// The bytes in the parts.
    pub stored: Tally,
}

/// Decrypts the object of `stored_len` bytes that `fetch` reads, and sends it, encrypted for others, as `parts`.
///
/// Like [`pack`](super::pack()): only `Ok` means that the stream was complete, and the first failure is returned.
/// Whether the digests are the right ones is for the caller to know, before the upload is completed.
pub async fn reencrypt(
    fetch: Fetch,
    stored_len: u64,
    how: Reencrypt,
    parts: mpsc::Sender<Bytes>,
) -> Result<Reencrypted> {
    let stop = CancellationToken::new();
    let _stops_when_dropped = stop.clone().drop_guard();
    let (to_tally, plain) = tally::in_background();
    // What has passed was sent: damaged bytes cannot be fetched again.
    let object = Object { fetch, len: stored_len, key: Arc::new(Key::new(how.identities)), again: false };
    let progress = how.progress;
    let mut show = move |bytes: Bytes| {
        progress.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        to_tally.blocking_send(bytes).map_err(|_| dropped())
    };
    let passed = blocking(move || {
        let parts = Parts::new(how.part_size, parts, stop.clone());
        let mut encrypt = Encrypt::new(Some(&how.recipients), TallyWriter::new(parts))?;
        let before = pass(Stored::open(object, true, stop)?, &mut encrypt, &mut show)?;
        let (stored, parts) = encrypt.finish().map_err(cannot_pack)?.finish();
        parts.finish().map_err(cannot_pack)?;
        Ok((before, stored))
    });
    let ((before, stored), plain) = try_join!(passed, plain)?;
    Ok(Reencrypted { before, plain, stored })
}

/// Passes all compressed bytes on, frame after frame, and shows what they decompress to; the tally of the stored bytes.
fn pass(mut stored: Stored, to: &mut impl Write, show: &mut dyn FnMut(Bytes) -> Result<()>) -> Result<Tally> {
    // Even an empty stream has one frame.
    loop {
        let mut frame = decompress(Passing { stored: &mut stored, to, failed: None });
        loop {
            let piece = piece(&mut frame).map_err(damaged)?;
            if piece.is_empty() {
                break;
            }
            show(piece)?;
        }
        if let Some(error) = frame.into_inner().failed {
            return Err(cannot_pack(error));
        }
        if stored.is_at_end()? {
            return Ok(stored.tally());
        }
    }
}

/// The compressed stream, as a decoder reads it: what it consumes is written into the next stage.
struct Passing<'a, W> {
    stored: &'a mut Stored,
    to: &'a mut W,
    failed: Option<io::Error>,
}

impl<W: Write> AsyncBufRead for Passing<'_, W> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        match this.failed.take() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut *this.stored).poll_fill_buf(context),
        }
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        let this = self.get_mut();
        let passed =
            this.stored.buffered().and_then(|bytes| this.to.write_all(bytes.get(..count).unwrap_or(bytes)));
        this.failed = passed.err();
        Pin::new(&mut *this.stored).consume(count);
    }
}

impl<W: Write> AsyncRead for Passing<'_, W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = ready!(self.as_mut().poll_fill_buf(context))?;
        let count = bytes.len().min(into.remaining());
        into.put_slice(&bytes[..count]);
        self.consume(count);
        Poll::Ready(Ok(()))
    }
}
