//! Opens a whole stored object, frame after frame: the plaintext of a frame is passed on only when its end is confirmed.

use super::compress::{FRAME_LIMIT, decompress};
use super::failures::damaged;
use super::stored::{Object, Stored};
use super::tally::Tally;
use super::threads::blocking;
use crate::error::Result;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::FutureExt;
use std::future::Future;
use std::io;
use tokio::io::{AsyncBufRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Pieces in a channel between threads.
pub const QUEUE: usize = 8;

/// Bytes in a piece: enough to be worth waking the other thread.
const PIECE: usize = 128 << 10;

/// Opens `object` into `plain` on a thread of its own; the tally is of its stored bytes.
///
/// There it does not block the runtime's network tasks while it computes, while scrypt takes its second, or while a
/// plugin waits for a touch.
pub fn in_background(
    object: Object,
    plain: mpsc::Sender<Bytes>,
    stop: CancellationToken,
) -> impl Future<Output = Result<Tally>> {
    // If the receiver is gone, it knows why.
    blocking(move || decode(object, stop, &mut |bytes| Ok(plain.blocking_send(bytes).is_ok())))
}

/// Passes all plaintext of `object` to `give`, until that returns `false`; call it on a thread that may wait.
///
/// Reading to the end proves that both formats are complete.
pub fn decode(
    object: Object,
    stop: CancellationToken,
    give: &mut dyn FnMut(Bytes) -> Result<bool>,
) -> Result<Tally> {
    let mut stored = Stored::open(object, true, stop)?;
    let mut began = false;
    loop {
        let from = stored.at();
        let what = format_args!("the frame at byte {from} of the compressed stream").to_string();
        let frame = stored.twice(what, |stored| {
            stored.go_to(from)?;
            // Even an empty stream has one frame.
            if began && stored.is_at_end()? { Ok(Frame::None) } else { Frame::read(stored, give) }
        })?;
        let held = match frame {
            Frame::Held(held) => held,
            Frame::Broken(error) => return Err(error),
            Frame::None => return Ok(stored.tally()),
        };
        for bytes in held {
            if !give(bytes)? {
                return Ok(stored.tally());
            }
        }
        began = true;
    }
}

/// The result of reading a frame.
enum Frame {
    /// Its plaintext, or the rest of it.
    Held(Vec<Bytes>),
    /// It failed after some of it had been passed on.
    Broken(crate::error::Error),
    /// There is none, or the receiver is gone.
    None,
}

impl Frame {
    /// Reads one frame. If it is larger than any frame of pgstow, it is passed on before its end is confirmed.
    fn read(stored: &mut Stored, give: &mut dyn FnMut(Bytes) -> Result<bool>) -> Result<Self> {
        let mut decoder = decompress(stored);
        let (mut held, mut size, mut given) = (Vec::new(), 0, false);
        loop {
            let piece = match piece(&mut decoder).map_err(damaged) {
                Err(error) if given => return Ok(Self::Broken(error)),
                piece => piece?,
            };
            if piece.is_empty() {
                return Ok(Self::Held(held));
            }
            size += piece.len() as u64;
            held.push(piece);
            if size > FRAME_LIMIT {
                given = true;
                for bytes in held.drain(..) {
                    match give(bytes) {
                        Ok(true) => {}
                        Ok(false) => return Ok(Self::None),
                        Err(error) => return Ok(Self::Broken(error)),
                    }
                }
            }
        }
    }
}

/// The next plaintext; empty at the end of the frame.
pub fn piece<R: AsyncBufRead + Unpin>(
    decoder: &mut async_compression::tokio::bufread::ZstdDecoder<R>,
) -> io::Result<Bytes> {
    let mut piece = BytesMut::with_capacity(PIECE).limit(PIECE);
    while piece.has_remaining_mut() {
        // Its source is always ready, so the future never waits.
        match decoder.read_buf(&mut piece).now_or_never() {
            Some(Ok(0)) => break,
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error),
            None => return Err(io::ErrorKind::WouldBlock.into()),
        }
    }
    Ok(piece.into_inner().freeze())
}
