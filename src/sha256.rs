//! SHA-256 of many bytes, or of many documents.
//!
//! The crate `sha2`, which digests what is short, is as fast if the processor has instructions for it. Many servers' have
//! none; there AWS-LC, which TLS needs anyway, takes little more than half the time.

use aws_lc_rs::digest::{Context, SHA256};
use std::fmt;

/// A SHA-256 that is still being computed.
#[derive(Clone)]
pub struct Sha256(Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sha256")
    }
}

impl Sha256 {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of all bytes.
    pub fn finish(self) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.0.finish().as_ref());
        digest
    }
}

/// Returns the digest of these bytes.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut all = Sha256::default();
    all.update(bytes);
    all.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest as _;

    #[test]
    fn it_is_that_of_the_crate_sha2() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        for piece in [1, 63, 64, 65, 1000, 65_536] {
            let mut ours = Sha256::default();
            bytes.chunks(piece).for_each(|piece| ours.update(piece));
            let so_far = ours.clone().finish();
            assert_eq!(so_far, <[u8; 32]>::from(sha2::Sha256::digest(&bytes)), "{piece}");
            ours.update(b"more");
            assert_ne!(ours.finish(), so_far);
        }
    }
}
