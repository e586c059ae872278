//! From stored bytes to a sink, which gets the last bytes only after every check; and a source passed on the same way.

use super::background::Background;
use super::decode;
use super::hold_back::{HELD_BACK, HoldBack};
use super::keys::Identities;
use super::stored::{Key, Object};
use super::tally::Tally;
use super::watch::{Counter, Watch};
use super::window::Fetch;
use crate::error::{Error, Kind, Result};
use bytes::{Bytes, BytesMut};
use futures_util::try_join;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The most bytes of a dump that are passed on at once.
const PASSED_ON: usize = 256 << 10;

/// Options for unpacking.
#[derive(Debug, Clone)]
pub struct Unpack {
    /// The identities that decrypt the bytes; `None` if they were never encrypted.
    pub identities: Option<Arc<Identities>>,
    /// The expected length of the plaintext, if it is known. More bytes are refused while the end of the expected ones
    /// is still held back.
    pub expected: Option<u64>,
    /// Whether the plaintext is digested as a whole.
    pub digest: bool,
    /// Counts the plaintext bytes written into the sink.
    pub progress: Counter,
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// The number of bytes in the sink.
    pub plain_bytes: u64,
    /// Their SHA-256, if that was wanted.
    pub plain_sha256: Option<[u8; 32]>,
    /// The stored bytes.
    pub stored: Tally,
}

/// Decrypts and decompresses the object of `stored_len` bytes that `fetch` reads, into `sink`.
///
/// A frame that arrives damaged is fetched once more before that is a failure. The last [`HELD_BACK`] bytes are written
/// only when the object ended, age and zstd have confirmed that they are complete, and `check` has agreed. The sink is
/// flushed, not shut down.
///
/// # Errors
/// Those of `fetch`, unchanged; [`Kind::Settings`] if no identity opens the object; [`Kind::Verify`] if it is damaged;
/// [`Kind::LocalFile`] if the sink failed, with the `io::Error` as its source; those of `watch` and `check`.
pub async fn unpack(
    fetch: Fetch,
    stored_len: u64,
    how: Unpack,
    watch: &mut dyn Watch,
    sink: &mut (impl AsyncWrite + Unpin + Send),
    check: impl FnOnce(&Unpacked) -> Result<()>,
) -> Result<Unpacked> {
    let stop = CancellationToken::new();
    let _stops_when_dropped = stop.clone().drop_guard();
    let (to_deliver, mut plain_bytes) = mpsc::channel(decode::QUEUE);
    let (to_tally, plain) = Background::tally_if(how.digest);
    let (background, looked) = Background::look(watch.second_look());
    let mut held = HoldBack::new(HELD_BACK);

    let key = Arc::new(Key::new(how.identities));
    let object = Object { fetch, len: stored_len, key, again: true };
    let decode = decode::in_background(object, to_deliver, stop);
    let deliver = async {
        let mut seen = 0;
        while let Some(bytes) = plain_bytes.recv().await {
            seen += bytes.len() as u64;
            if how.expected.is_some_and(|expected| seen > expected) {
                return Err(Error::verify("the backup has more bytes than its manifest says"));
            }
            watch.look(&bytes)?;
            if !to_tally.show(bytes.clone()).await || !background.show(bytes.clone()).await {
                break;
            }
            held.push(bytes);
            while let Some(bytes) = held.ready() {
                hand_over(sink, &bytes, &how.progress).await?;
            }
        }
        drop((to_tally, background));
        Ok(seen)
    };
    let (stored, plain_bytes, plain, _) = try_join!(decode, deliver, plain, looked)?;
    let unpacked = Unpacked { plain_bytes, plain_sha256: plain.map(|plain| plain.sha256), stored };
    check(&unpacked)?;
    for bytes in held.rest() {
        hand_over(sink, &bytes, &how.progress).await?;
    }
    sink.flush().await.map_err(cannot_deliver)?;
    Ok(unpacked)
}

/// Reads `source` to its end and passes it on unchanged, except for the last [`HELD_BACK`] bytes: it returns those, to
/// be written when all is known to be complete. The sink is flushed, not shut down.
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

fn cannot_deliver(error: std::io::Error) -> Error {
    Error::from_io(error, Kind::LocalFile, "write the output")
}
