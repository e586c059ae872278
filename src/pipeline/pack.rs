//! From a source to encrypted parts.

use super::background::Background;
use super::buffers::Pool;
use super::compress::{self, Compressed, Compressors};
use super::encrypt::{Encrypt, cannot_pack};
use super::frames::Frames;
use super::keys::Recipients;
use super::parts::Parts;
use super::tally::{Tally, TallyWriter};
use super::threads::{blocking, dropped};
use super::watch::{Counter, Watch};
use crate::error::Result;
use crate::layout::FrameSpan;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream, try_join};
use std::io::Write;
use std::sync::Arc;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Options for packing.
#[derive(Debug, Clone)]
pub struct Pack {
    /// zstd's level, 1 to 22.
    pub level: i32,
    /// The recipients to encrypt to; `None` leaves the bytes unencrypted.
    pub recipients: Option<Arc<Recipients>>,
    /// The size of every part but the last, in bytes.
    pub part_size: usize,
    /// The most bytes of plaintext in a frame: [`FRAME`](super::FRAME), unless a test wants less.
    pub frame_size: usize,
    /// How many frames are compressed at the same time.
    pub workers: usize,
    /// Whether every frame has a position and a digest, as the watch digests what is in the plaintext; else that is
    /// digested as a whole.
    pub frames: bool,
    /// Counts the plaintext bytes read.
    pub progress: Counter,
}

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The number of bytes of plaintext.
    pub plain_bytes: u64,
    /// Their SHA-256, unless each frame has one.
    pub plain_sha256: Option<[u8; 32]>,
    /// The bytes in the parts.
    pub stored: Tally,
    /// The position of each frame, in order, if they have one.
    pub frames: Vec<FrameSpan>,
}

/// Reads `source` to its end and sends it, compressed and encrypted, as `parts`.
///
/// The channel of parts simply ends; only `Ok` means that the stream was complete. All parts have been
/// sent by then. Parts must be received while this runs. The first failure is returned. If the receiver of
/// the parts is gone, the failure is of kind [`Kind::Unexpected`](crate::error::Kind::Unexpected), and the receiver's own failure is the one to report.
pub async fn pack(
    source: impl AsyncRead + Unpin + Send,
    watch: &mut dyn Watch,
    how: Pack,
    parts: mpsc::Sender<Bytes>,
) -> Result<Packed> {
    let stop = CancellationToken::new();
    let _stops_when_dropped = stop.clone().drop_guard();
    let (to_tally, plain) = Background::tally_if(!how.frames);
    let (background, looked) = Background::look(watch.second_look());
    let (to_compress, mut frames) = mpsc::channel(1);
    let (to_encrypt, mut compressed) = mpsc::channel(1);
    let workers = how.workers.max(1);

    // A stage whose neighbour is gone ends without a failure: the neighbour reports one.
    let read = async move {
        let mut cut = Frames::new(source, watch, how.frame_size, workers + 1, how.progress);
        while let Some(frame) = cut.next().await? {
            if !to_tally.show(frame.plain.clone()).await
                || !background.show(frame.plain.clone()).await
                || to_compress.send(frame).await.is_err()
            {
                break;
            }
        }
        Ok(())
    };
    let compress = async move {
        let outputs = Pool::new(compress::bound(how.frame_size), workers + 1);
        let compressors = Compressors::new(how.level);
        let mut spans = Spans::default();
        let mut ready = stream::poll_fn(move |context| frames.poll_recv(context))
            .map(|frame| compressors.in_background(frame, &outputs, how.frames))
            .buffered(workers);
        while let Some(frame) = ready.try_next().await? {
            spans.push(&frame);
            if to_encrypt.send(Some(frame.bytes)).await.is_err() {
                break;
            }
        }
        let _ = to_encrypt.send(None).await;
        Ok(spans)
    };
    let encrypt = blocking(move || {
        let parts = Parts::new(how.part_size, parts, stop);
        let mut encrypt = Encrypt::new(how.recipients.as_deref(), TallyWriter::new(parts))?;
        // A closed channel means that the run was dropped; only `None` means that the stream is complete.
        while let Some(frame) = compressed.blocking_recv().ok_or_else(dropped)? {
            encrypt.write_all(&frame).map_err(cannot_pack)?;
        }
        let (stored, parts) = encrypt.finish().map_err(cannot_pack)?.finish();
        parts.finish().map_err(cannot_pack)?;
        Ok(stored)
    });
    let ((), plain, _, Spans { plain_bytes, frames, .. }, stored) =
        try_join!(read, plain, looked, compress, encrypt)?;
    Ok(Packed { plain_bytes, plain_sha256: plain.map(|plain| plain.sha256), stored, frames })
}

/// Collects the positions of the frames that have a digest.
#[derive(Default)]
struct Spans {
    plain_bytes: u64,
    compressed_bytes: u64,
    frames: Vec<FrameSpan>,
}

impl Spans {
    fn push(&mut self, frame: &Compressed) {
        let (plain_len, compressed_len) = (frame.plain_len as u64, frame.bytes.len() as u64);
        self.frames.extend(frame.sha256.map(|sha256| FrameSpan {
            plain_offset: self.plain_bytes,
            plain_len,
            compressed_offset: self.compressed_bytes,
            compressed_len,
            sha256,
            clean: frame.clean,
        }));
        self.plain_bytes += plain_len;
        self.compressed_bytes += compressed_len;
    }
}
