//! Pieces from the middle of a dump: only the frames that hold them are fetched, opened and decompressed.
//!
//! The checksum of the whole object cannot be checked if only parts of it are read. Instead every frame is compared
//! with its own checksum before it is decompressed, and age authenticates every chunk.

use super::compress::{FRAME_LIMIT, decompress};
use super::stored::{Key, Object, Stored};
use super::tally::Tally;
use super::threads::blocking;
use super::window::Fetch;
use crate::error::{Error, Result};
use crate::layout::{FrameSpan, Piece};
use async_compression::tokio::bufread::ZstdDecoder;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::FutureExt;
use std::future::Future;
use std::io::Cursor;
use std::ops::Range;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The most bytes of plaintext sent at once.
const PIECE: usize = 256 << 10;

/// Sends the plaintext of `wanted`, in that order, from a thread of its own.
///
/// `stored_len` is the length of the object that `fetch` reads; the pieces are in ascending order. One compressed frame
/// and zstd's window are in memory, plus what `fetch` reads ahead and a few pieces in the channel. A frame that arrives
/// damaged is fetched once more before that is a failure.
///
/// # Errors
/// Those of `fetch`; [`Kind::Settings`](crate::error::Kind::Settings) if the key does not open the object;
/// [`Kind::Verify`](crate::error::Kind::Verify) if a frame is not what the inventory says.
pub fn pieces(
    fetch: Fetch,
    stored_len: u64,
    key: Arc<Key>,
    wanted: Vec<Piece>,
    plain: mpsc::Sender<Bytes>,
) -> impl Future<Output = Result<()>> {
    let stop = CancellationToken::new();
    let stops_when_dropped = stop.clone().drop_guard();
    let sending = blocking(move || {
        let mut stored = Stored::open(Object { fetch, len: stored_len, key, again: true }, false, stop)?;
        let mut opened: Option<Opened> = None;
        for (number, Piece { frame, wanted: range }) in wanted.iter().enumerate() {
            let frame = match opened.take() {
                // Pieces of the same frame share the work of opening it.
                Some(before) if before.is(frame) => before,
                _ => {
                    stored.go_on_until(run_end(wanted.get(number..).unwrap_or_default()));
                    let what = format!("the frame at byte {} of the dump", frame.plain_offset);
                    stored.twice(what, |stored| Opened::read(stored, frame))?
                }
            };
            let frame = opened.insert(frame);
            while let Some(bytes) = frame.next(range)? {
                // If the receiver is gone, it knows why.
                if plain.blocking_send(bytes).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    });
    async move {
        let _stops_when_dropped = stops_when_dropped;
        sending.await
    }
}

/// The end of the frames that follow each other without a gap.
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

/// A frame with the right checksum, and how far its plaintext has been read.
struct Opened {
    span: FrameSpan,
    plain: ZstdDecoder<Cursor<Vec<u8>>>,
    at: u64,
}

impl Opened {
    fn read(stored: &mut Stored, span: &FrameSpan) -> Result<Self> {
        if span.compressed_len.max(span.plain_len) > FRAME_LIMIT {
            return Err(Error::verify("the inventory has a frame of impossible size"));
        }
        stored.go_to(span.compressed_offset)?;
        let bytes = stored.read(span.compressed_len)?;
        if Tally::of(&bytes).sha256 != span.sha256 {
            return Err(not_said(span));
        }
        Ok(Self { span: *span, plain: decompress(Cursor::new(bytes)), at: 0 })
    }

    fn is(&self, span: &FrameSpan) -> bool {
        self.span.compressed_offset == span.compressed_offset
    }

    /// The next bytes of this range of its plaintext; `None` at the end of the range.
    fn next(&mut self, range: &Range<u64>) -> Result<Option<Bytes>> {
        while self.at < range.end {
            let target = if self.at < range.start { range.start } else { range.end };
            let room = usize::try_from(target - self.at).map_or(PIECE, |left| left.min(PIECE));
            let mut piece = BytesMut::with_capacity(room).limit(room);
            while piece.has_remaining_mut() {
                // Memory is always ready, so the future never waits.
                match self.plain.read_buf(&mut piece).now_or_never() {
                    Some(Ok(1..)) => {}
                    Some(Err(e)) => return Err(not_said(&self.span).because(e)),
                    _ => return Err(not_said(&self.span)),
                }
            }
            let skipped = self.at < range.start;
            self.at += room as u64;
            if !skipped {
                return Ok(Some(piece.into_inner().freeze()));
            }
        }
        Ok(None)
    }
}

fn not_said(span: &FrameSpan) -> Error {
    let at = span.plain_offset;
    Error::verify(format!("the frame at byte {at} of the dump differs from what the inventory says"))
}

#[cfg(test)]
mod tests {
    use super::super::Pack;
    use super::super::keys::Identities;
    use super::super::tests::{how, key_pair, packed, runtime, text};
    use super::*;
    use crate::error::Kind;
    use futures_util::{StreamExt, stream};
    use proptest::prelude::*;
    use std::slice::from_ref;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Reads these stretches of the plaintext; what was given, and how many bytes were fetched.
    async fn read(
        stored: Bytes,
        frames: &[FrameSpan],
        identities: Option<Arc<Identities>>,
        stretches: &[Range<u64>],
    ) -> Result<(Vec<u8>, u64)> {
        let (length, fetched) = (stored.len() as u64, Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&fetched);
        let fetch: Fetch = Arc::new(move |range: Range<u64>| {
            count.fetch_add(range.end - range.start, Ordering::Relaxed);
            let bytes = stored.slice(range.start as usize..range.end as usize);
            let halves = [bytes.slice(..bytes.len() / 2), bytes.slice(bytes.len() / 2..)];
            stream::iter(halves.map(Ok)).boxed()
        });
        let mut wanted = Vec::new();
        for stretch in stretches {
            for &frame in frames {
                let within = |at: u64| at.saturating_sub(frame.plain_offset).min(frame.plain_len);
                let range = within(stretch.start)..within(stretch.end);
                wanted.extend((!range.is_empty()).then_some(Piece { frame, wanted: range }));
            }
        }
        let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
        let taking = async {
            let mut all = Vec::new();
            while let Some(bytes) = receiver.recv().await {
                all.extend_from_slice(&bytes);
            }
            all
        };
        let reading = pieces(fetch, length, Arc::new(Key::new(identities)), wanted, sender);
        let (done, all) = tokio::join!(reading, taking);
        done.map(|()| (all, fetched.load(Ordering::Relaxed)))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn stretches_are_what_they_were(
            len in 1..900_000usize, frame_size in 500..300_000usize, encrypted in any::<bool>(),
            noise in any::<bool>(), cuts in prop::collection::vec(0..900_000u64, 2..9),
        ) {
            let plain = if noise { (0..len as u64).map(|n| ((n * n) >> 3) as u8).collect() } else { text(len) };
            let mut cuts: Vec<u64> = cuts.into_iter().map(|cut| cut % (len as u64 + 1)).collect();
            cuts.sort_unstable();
            let stretches: Vec<Range<u64>> = cuts.chunks_exact(2).map(|ends| ends[0]..ends[1]).collect();
            let expected: Vec<u8> =
                stretches.iter().flat_map(|one| &plain[one.start as usize..one.end as usize]).copied().collect();
            runtime().block_on(async {
                let (identities, recipients) = key_pair();
                let how = Pack { frame_size, ..how(encrypted.then_some(recipients)) };
                let (packed, parts) = packed(&plain, 9000, &mut (), how).await;
                let stored = Bytes::from(parts.concat());
                let identities = encrypted.then_some(identities);
                let (read, _) = read(stored, &packed.frames, identities, &stretches).await.unwrap();
                assert!(read == expected, "{stretches:?}");
            });
        }
    }

    #[test]
    fn little_is_fetched_for_little_and_damage_elsewhere_is_not_seen() {
        // Nothing makes digests smaller.
        let plain: Vec<u8> = (0..93_750_u64).flat_map(|n| Tally::of(&n.to_le_bytes()).sha256).collect();
        runtime().block_on(async {
            let (identities, recipients) = key_pair();
            let how = Pack { frame_size: 100_000, ..how(Some(recipients)) };
            let (packed, parts) = packed(&plain, 9000, &mut (), how).await;
            let mut stored = parts.concat();
            let at = stored.len() / 2;
            let wanted = 2_500_000..2_500_010_u64;
            let read = async |stored: &[u8], wanted: &Range<u64>| {
                let stored = Bytes::copy_from_slice(stored);
                read(stored, &packed.frames, Some(Arc::clone(&identities)), from_ref(wanted)).await
            };
            let (given, fetched) = read(&stored, &wanted).await.unwrap();
            assert_eq!(given, plain[2_500_000..2_500_010]);
            // A header, the frame in chunks, and perhaps the last chunk.
            assert!(fetched < 500_000, "{fetched} of {}", stored.len());
            stored[at] ^= 1;
            assert!(read(&stored, &wanted).await.is_ok());
            assert_eq!(read(&stored, &(0..3_000_000)).await.unwrap_err().kind(), Kind::Verify);
        });
    }

    #[test]
    fn a_frame_that_is_not_the_one_is_refused_though_it_opens() {
        let (one, other) = (text(50_000), text(60_000).split_off(10_000));
        runtime().block_on(async {
            let (packed_one, _) = packed(&one, 9000, &mut (), how(None)).await;
            let (packed_other, parts) = packed(&other, 9000, &mut (), how(None)).await;
            // The other's lengths, so that only the digest can tell.
            let mut frames = packed_other.frames.clone();
            for (frame, before) in frames.iter_mut().zip(&packed_one.frames) {
                frame.sha256 = before.sha256;
            }
            let stored = Bytes::from(parts.concat());
            let whole = from_ref(&(0..50_000));
            assert!(read(stored.clone(), &packed_other.frames, None, whole).await.is_ok());
            assert_eq!(read(stored, &frames, None, whole).await.unwrap_err().kind(), Kind::Verify);
        });
    }
}
