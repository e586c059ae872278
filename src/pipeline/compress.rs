//! Compresses one frame of plaintext into one independent zstd frame.
//!
//! Every frame contains a checksum of its content, and any zstd decoder reads their concatenation.

use super::buffers::{Buffer, Pool};
use super::frames::{FRAME, Frame};
use super::tally::Tally;
use super::threads::blocking;
use crate::error::{Error, Result};
use async_compression::Level;
use async_compression::tokio::bufread::ZstdDecoder;
use async_compression::tokio::write::ZstdEncoder;
use async_compression::zstd::{CParameter, DParameter};
use futures_util::FutureExt;
use tokio::io::{AsyncBufRead, AsyncWriteExt};

/// Logarithm of the largest window; one larger than the frame would find nothing more.
pub const WINDOW_LOG: u32 = FRAME.trailing_zeros();

/// No frame written by pgstow is larger, compressed or not, in bytes.
pub const FRAME_LIMIT: u64 = 64 << 20;

/// The most bytes that `plain` bytes can be compressed to.
pub const fn bound(plain: usize) -> usize {
    // zstd's own bound for one frame, with room for its header and checksum.
    plain + plain / 256 + 1024
}

/// A frame, compressed.
pub struct Compressed {
    /// The compressed bytes.
    pub bytes: Buffer,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// The length of its plaintext, in bytes.
    pub plain_len: usize,
    /// Whether it begins at a good place to cut.
    pub clean: bool,
}

/// Compresses a frame on a blocking thread.
pub async fn in_background(frame: Frame, level: i32, outputs: &Pool) -> Result<Compressed> {
    let mut bytes = outputs.take().await;
    blocking(move || {
        compress(&frame.plain, level, &mut bytes)?;
        let sha256 = Tally::of(&bytes).sha256;
        Ok(Compressed { bytes, sha256, plain_len: frame.plain.len(), clean: frame.clean })
    })
    .await
}

/// Compresses `plain` as one frame, appended to `output`.
pub fn compress(plain: &[u8], level: i32, output: &mut Vec<u8>) -> Result<()> {
    // A window as large as the frame: with a smaller one zstd's own buffer wraps around within the
    // frame, and it falls back to a slower way of matching that looks across the seam.
    let parameters = [CParameter::checksum_flag(true), CParameter::window_log(WINDOW_LOG)];
    let mut encoder = ZstdEncoder::with_quality_and_params(output, Level::Precise(level), &parameters);
    // Memory is always ready, so the future never waits.
    let written = async {
        encoder.write_all(plain).await?;
        encoder.shutdown().await
    };
    match written.now_or_never() {
        Some(Ok(())) => Ok(()),
        Some(Err(e)) => Err(Error::unexpected(format!("zstd could not compress: {e}")).because(e)),
        None => Err(Error::unexpected("zstd waited for memory")),
    }
}

/// Decompresses one frame; no larger window is accepted than [`compress`] uses.
pub fn decompress<R: AsyncBufRead>(compressed: R) -> ZstdDecoder<R> {
    ZstdDecoder::with_params(compressed, &[DParameter::window_log_max(WINDOW_LOG)])
}
