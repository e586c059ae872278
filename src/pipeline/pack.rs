//! From a source to encrypted parts.

use super::buffers::Pool;
use super::compress::{self, Compressed};
use super::encrypt::{Encrypt, cannot_pack};
use super::frames::Frames;
use super::keys::Recipients;
use super::parts::Parts;
use super::tally::{self, Tally, TallyWriter};
use super::threads::{blocking, given_up};
use super::watch::{BackgroundWatch, Counter, Watch};
use crate::error::Result;
use crate::layout::FrameSpan;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream, try_join};
use std::io::Write;
use std::sync::Arc;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How to pack.
#[derive(Debug, Clone)]
pub struct Pack {
    /// zstd's level, 1 to 22.
    pub level: i32,
    /// For whom to encrypt; `None` leaves the bytes readable for everyone.
    pub recipients: Option<Arc<Recipients>>,
    /// Bytes of every part but the last.
    pub part_size: usize,
    /// Most bytes of plaintext in a frame: [`FRAME`](super::FRAME), unless a test wants less.
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
/// the parts is gone the failure is of kind [`Kind::Unexpected`](crate::error::Kind::Unexpected), and the receiver's own is the one to show.
pub async fn pack(
    source: impl AsyncRead + Unpin + Send,
    watch: &mut dyn Watch,
    how: Pack,
    parts: mpsc::Sender<Bytes>,
) -> Result<Packed> {
    let stop = CancellationToken::new();
    let _stops_when_dropped = stop.clone().drop_guard();
    let (to_tally, plain) = tally::in_background();
    let (onlooker, looked) = BackgroundWatch::begin(watch.second_look());
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
