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

#[cfg(test)]
mod tests {
    use super::super::tests::{how, key_pair, packed, runtime, stored_as, text};
    use super::*;
    use crate::error::Kind;
    use crate::pipeline::{Unpack, unpack};

    type Keys = (Arc<Identities>, Arc<Recipients>);

    /// Encrypts these bytes again; the new ones.
    async fn again(stored: &[u8], old: Option<&Keys>, new: &Keys) -> Result<(Reencrypted, Vec<u8>)> {
        let (fetch, len) = stored_as(stored, 777);
        let how = Reencrypt {
            identities: old.map(|(identities, _)| Arc::clone(identities)),
            recipients: Arc::clone(&new.1),
            part_size: 10_000,
            progress: Counter::default(),
        };
        let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
        let receive = async {
            let mut parts = Vec::new();
            while let Some(part) = receiver.recv().await {
                parts.extend_from_slice(&part);
            }
            parts
        };
        let (done, parts) = tokio::join!(reencrypt(fetch, len, how, sender), receive);
        Ok((done?, parts))
    }

    #[test]
    fn others_open_what_was_encrypted_again() {
        let (old, new) = (key_pair(), key_pair());
        runtime().block_on(async {
            for (length, keys) in [(0, Some(&old)), (1, None), (200_000, Some(&old)), (200_000, None)] {
                let plain = text(length);
                let recipients = keys.map(|(_, recipients)| Arc::clone(recipients));
                let (before, parts) = packed(&plain, 5000, &mut (), how(recipients)).await;
                let (done, stored) = again(&parts.concat(), keys, &new).await.unwrap();
                assert_eq!((done.before, done.plain), (before.stored, before.plain));
                assert_eq!(done.stored, Tally::of(&stored));
                let opening = |keys: &Keys| Unpack {
                    identities: Some(Arc::clone(&keys.0)),
                    expected: None,
                    progress: Counter::default(),
                };
                let mut sink = Vec::new();
                let (fetch, len) = stored_as(&stored, 1000);
                unpack(fetch, len, opening(&new), &mut (), &mut sink, |_| Ok(())).await.unwrap();
                assert!(sink == plain);
                let (fetch, len) = stored_as(&stored, 1000);
                let refused = unpack(fetch, len, opening(&old), &mut (), &mut sink, |_| Ok(())).await;
                assert_eq!(refused.unwrap_err().kind(), Kind::Settings);
            }
        });
    }

    #[test]
    fn damage_is_not_passed_on() {
        let (old, new) = (key_pair(), key_pair());
        runtime().block_on(async {
            let (_, parts) = packed(&text(200_000), 5000, &mut (), how(Some(Arc::clone(&old.1)))).await;
            let stored = parts.concat();
            for (at, kind) in [(stored.len() / 2, Kind::Verify), (stored.len() - 1, Kind::Verify)] {
                let mut damaged = stored.clone();
                damaged[at] ^= 1;
                assert_eq!(again(&damaged, Some(&old), &new).await.unwrap_err().kind(), kind, "byte {at}");
                assert_eq!(
                    again(&stored[..at], Some(&old), &new).await.unwrap_err().kind(),
                    kind,
                    "cut at {at}"
                );
            }
            assert_eq!(again(&stored, Some(&new), &new).await.unwrap_err().kind(), Kind::Settings);
        });
    }
}
