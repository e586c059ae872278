//! Compresses one frame of plaintext into one independent zstd frame.
//!
//! Every frame contains a checksum of its content, and any zstd decoder reads their concatenation.

use super::buffers::{Buffer, Pool};
use super::frames::{FRAME, Frame};
use super::tally::Tally;
use super::threads::computing;
use crate::error::{Error, Result};
use async_compression::tokio::bufread::ZstdDecoder;
use async_compression::zstd::DParameter;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncBufRead;
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, Strategy};

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
    /// Their SHA-256, if that is wanted.
    pub sha256: Option<[u8; 32]>,
    /// The length of its plaintext, in bytes.
    pub plain_len: usize,
    /// Whether it begins at a good place to cut.
    pub clean: bool,
}

/// Compressors of one level; clones share them.
///
/// Each compresses a frame at a time, whole and where it lies: then zstd needs no window of its own, and its tables are
/// made once. A stream would copy everything into a window of 8 MiB, which is a new one for each frame.
#[derive(Clone)]
pub struct Compressors {
    level: i32,
    free: Arc<Mutex<Vec<Compressor<'static>>>>,
}

impl Compressors {
    /// None is made yet.
    pub fn new(level: i32) -> Self {
        Self { level, free: Arc::default() }
    }

    /// Compresses a frame on a thread of its own, and computes its `digest` if that is wanted.
    pub async fn in_background(&self, frame: Frame, outputs: &Pool, digest: bool) -> Result<Compressed> {
        let (this, mut bytes) = (self.clone(), outputs.take().await);
        computing(move || {
            this.compress(&frame.plain, &mut bytes)?;
            let sha256 = digest.then(|| Tally::of(&bytes).sha256);
            Ok(Compressed { bytes, sha256, plain_len: frame.plain.len(), clean: frame.clean })
        })
        .await
    }

    /// Compresses `plain` as one frame; `output` holds nothing else then.
    pub fn compress(&self, plain: &[u8], output: &mut Vec<u8>) -> Result<()> {
        let failed =
            |e: std::io::Error| Error::unexpected(format!("zstd could not compress: {e}")).because(e);
        let used = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut compressor = match used {
            Some(used) => used,
            None => self.another().map_err(failed)?,
        };
        output.clear();
        output.reserve(bound(plain.len()));
        compressor.compress_to_buffer(plain, output).map_err(failed)?;
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(compressor);
        Ok(())
    }

    fn another(&self) -> std::io::Result<Compressor<'static>> {
        let mut compressor = Compressor::new(self.level)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        for parameter in for_rows(self.level) {
            compressor.set_parameter(parameter)?;
        }
        Ok(compressor)
    }
}

/// What is set besides the level.
///
/// Most levels of zstd look for matches of 5 bytes. Rows of a table have many of these by chance, and each costs time, and
/// often more bytes than it saves; whole values that come again are what counts. docs/performance.md has the figures.
fn for_rows(level: i32) -> Vec<CParameter> {
    use CParameter::{HashLog, MinMatch, WindowLog};

    // As far back as a frame goes.
    let window = WindowLog(WINDOW_LOG);
    match level {
        // Instead of two tables one of 512 KiB, which fits into the cache of a core.
        3 => vec![window, CParameter::Strategy(Strategy::ZSTD_fast), MinMatch(7), HashLog(17)],
        4 => vec![window, MinMatch(7)],
        // These strategies can look for no more.
        5..=15 => vec![window, MinMatch(6)],
        // The lowest levels look for 6 and 7 already, and the highest weigh every match.
        _ => vec![window],
    }
}

/// Decompresses one frame; no larger window is accepted than [`Compressors`] use.
pub fn decompress<R: AsyncBufRead>(compressed: R) -> ZstdDecoder<R> {
    ZstdDecoder::with_params(compressed, &[DParameter::window_log_max(WINDOW_LOG)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// Rows with numbers, a time, a name that comes again, and a token that does not.
    fn rows(count: u64) -> Vec<u8> {
        let mut rows = String::new();
        for n in 0..count {
            let random = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let (price, who, token) = (random >> 48, random >> 54, random.rotate_left(29) ^ n);
            let time = format!(
                "2026-{:02}-{:02} {:02}:{:02}:{:02}",
                1 + n / 80_000,
                1 + n / 3000 % 28,
                n / 120 % 24,
                n / 2 % 60,
                n % 60
            );
            writeln!(
                rows,
                "{n}\t{time}\t{}.{:02}\tcustomer{who}@example.org\t{token:x}",
                price / 100,
                price % 100
            )
            .unwrap();
        }
        rows.into_bytes()
    }

    #[test]
    fn rows_become_no_larger_than_by_the_levels_of_zstd_itself() {
        let rows = rows(60_000);
        for level in [1, 2, 3, 4, 5, 6, 9, 12, 16] {
            let (mut ours, theirs) = (Vec::new(), zstd::bulk::compress(&rows, level).unwrap());
            Compressors::new(level).compress(&rows, &mut ours).unwrap();
            // The default may be a little larger, as it is much faster.
            let more = theirs.len() / if level == 3 { 100 } else { 1000 };
            assert!(ours.len() <= theirs.len() + more, "level {level}: {} and {}", ours.len(), theirs.len());
            assert!(zstd::bulk::decompress(&ours, rows.len()).unwrap() == rows);
        }
    }
}
