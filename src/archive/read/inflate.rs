//! Undoes the gzip compression inside an archive, so that rows can be counted and digested as they are.
//!
//! It is zlib's format, a stream for each table and each large object. LZ4 and zstd, which are rarely used
//! for dumps, are not undone: such rows pass uncounted.

use flate2::{Decompress, FlushDecompress, Status};

/// Bytes handed on at once.
const AT_ONCE: usize = 32 << 10;

/// The streams of an archive as they pass, one after the other.
#[derive(Debug)]
pub struct Inflate {
    zlib: Decompress,
    out: Box<[u8]>,
    ended: bool,
}

/// The bytes are not what zlib writes.
#[derive(Debug)]
pub struct Broken;

impl Inflate {
    /// At the beginning of a stream.
    pub fn new() -> Self {
        Self { zlib: Decompress::new(true), out: vec![0; AT_ONCE].into(), ended: false }
    }

    /// Reads the next bytes of the stream, and passes on what they hold.
    pub fn feed(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), Broken> {
        while !bytes.is_empty() {
            if self.ended {
                return Err(Broken);
            }
            self.step(&mut bytes, &mut take)?;
        }
        Ok(())
    }

    /// Ends the stream; the next one begins.
    pub fn end(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), Broken> {
        // If there was no data there may be no stream either.
        while !self.ended && self.zlib.total_in() > 0 {
            if self.step(&mut &[][..], &mut take)? == 0 && !self.ended {
                return Err(Broken);
            }
        }
        self.zlib.reset(true);
        self.ended = false;
        Ok(())
    }

    /// Fills the buffer once, and returns how many bytes it held.
    fn step(&mut self, bytes: &mut &[u8], take: &mut impl FnMut(&[u8])) -> Result<usize, Broken> {
        let (read, written) = (self.zlib.total_in(), self.zlib.total_out());
        let status = self.zlib.decompress(bytes, &mut self.out, FlushDecompress::None).map_err(|_| Broken)?;
        let many = |now: u64, before: u64| usize::try_from(now - before).unwrap_or_default();
        let (read, written) = (many(self.zlib.total_in(), read), many(self.zlib.total_out(), written));
        self.ended = status == Status::StreamEnd;
        if read + written == 0 && !self.ended && !bytes.is_empty() {
            return Err(Broken);
        }
        *bytes = bytes.get(read..).unwrap_or_default();
        take(self.out.get(..written).unwrap_or_default());
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn inflated(inflate: &mut Inflate, bytes: &[u8], size: usize) -> Result<Vec<u8>, Broken> {
        let mut out = Vec::new();
        for piece in bytes.chunks(size) {
            inflate.feed(piece, |bytes| out.extend_from_slice(bytes))?;
        }
        inflate.end(|bytes| out.extend_from_slice(bytes))?;
        Ok(out)
    }

    #[test]
    fn streams_come_back_however_they_are_cut() {
        // Hardly compressed, much compressed, empty, and no stream at all.
        let noise: Vec<u8> =
            (0..100_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()).collect();
        let zeros = vec![0; 1 << 20];
        for size in [1, 7, 4096, usize::MAX] {
            let mut inflate = Inflate::new();
            for bytes in [&noise[..], &zeros[..], b""] {
                assert!(inflated(&mut inflate, &deflated(bytes), size).unwrap() == bytes);
            }
            assert!(inflated(&mut inflate, b"", size).unwrap().is_empty());
        }
    }

    #[test]
    fn what_is_cut_changed_or_too_long_is_broken() {
        let whole = deflated(b"some rows\nand others\n");
        let (last, mut changed) = (whole.len() - 1, whole.clone());
        changed[last] ^= 1;
        for bytes in [&whole[..last], &changed, &[&whole[..], b"x"].concat(), b"1\tone\n"] {
            for size in [1, 1000] {
                assert!(inflated(&mut Inflate::new(), bytes, size).is_err());
            }
        }
    }
}
