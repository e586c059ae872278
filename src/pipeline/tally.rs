//! Counts the bytes that pass, and computes their SHA-256.

use crate::sha256::Sha256;
use std::fmt;
use std::io::{self, Write};

/// A number of bytes, and their SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// The number of bytes.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
}

impl Tally {
    /// The tally of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut digest = Digest::default();
        digest.look(bytes);
        digest.finish()
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, sha256 {}", self.bytes, hex::encode(self.sha256))
    }
}

/// A tally that is still being computed.
#[derive(Clone, Default)]
pub struct Digest {
    bytes: u64,
    sha256: Sha256,
}

impl Digest {
    /// Adds the next bytes.
    pub fn look(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.sha256.update(bytes);
    }

    /// Returns the tally of all bytes.
    pub fn finish(self) -> Tally {
        Tally { bytes: self.bytes, sha256: self.sha256.finish() }
    }
}

/// Computes the tally of what is written through it into the stage it wraps; must be finished.
pub struct TallyWriter<W> {
    digest: Digest,
    next: W,
}

impl<W: Write> TallyWriter<W> {
    /// Wraps the next stage.
    pub fn new(next: W) -> Self {
        Self { digest: Digest::default(), next }
    }

    /// Returns the tally and the wrapped stage.
    pub fn finish(self) -> (Tally, W) {
        (self.digest.finish(), self.next)
    }
}

impl<W: Write> Write for TallyWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.next.write(bytes)?;
        self.digest.look(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.next.flush()
    }
}
