//! Checksums: those that services keep over whole objects, which can be combined from those of the parts, and MD5.

use crate::store::contract::error::{Result, Situation, StoreError};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use md5::{Digest, Md5};

/// A checksum over a whole object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Sum {
    /// CRC64NVME, S3's.
    Crc64Nvme,
    /// CRC32C, Google's.
    #[cfg_attr(not(feature = "gcs"), allow(dead_code, reason = "only Google's store has it"))]
    Crc32c,
}

impl Sum {
    const fn algorithm(self) -> CrcAlgorithm {
        match self {
            Self::Crc64Nvme => CrcAlgorithm::Crc64Nvme,
            Self::Crc32c => CrcAlgorithm::Crc32Iscsi,
        }
    }

    /// The checksum of these bytes.
    pub(in crate::store) fn of(self, bytes: &[u8]) -> u64 {
        crc_fast::checksum(self.algorithm(), bytes)
    }

    /// The checksum of bytes with the checksum `first`, and `length` bytes with the checksum `next` after them.
    pub(in crate::store) fn add(self, first: u64, next: u64, length: u64) -> u64 {
        crc_fast::checksum_combine(self.algorithm(), first, next, length)
    }

    /// The checksum in base64, as headers have it.
    pub(in crate::store) fn base64(self, value: u64) -> String {
        match self {
            Self::Crc64Nvme => BASE64_STANDARD.encode(value.to_be_bytes()),
            Self::Crc32c => BASE64_STANDARD.encode((value as u32).to_be_bytes()),
        }
    }

    /// The checksum with its name, as pgstow writes it down.
    pub(in crate::store) fn text(self, value: u64) -> String {
        self.named(&self.base64(value))
    }

    /// The name before a checksum that is in base64 already.
    pub(in crate::store) fn named(self, base64: &str) -> String {
        let name = match self {
            Self::Crc64Nvme => "CRC64NVME",
            Self::Crc32c => "CRC32C",
        };
        format!("{name}:{base64}")
    }
}

/// The MD5 of these bytes in base64, as `Content-MD5` has it.
pub(in crate::store) async fn md5_of(bytes: &Bytes) -> Result<String> {
    let bytes = bytes.clone();
    // MD5 is slow enough to delay everything else on this thread.
    let digest = tokio::task::spawn_blocking(move || Md5::digest(&bytes)).await;
    let digest = digest.map_err(|e| {
        StoreError::new(Situation::Other, "computing a checksum ended unexpectedly").because(e)
    })?;
    Ok(BASE64_STANDARD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of both, from the catalogue of parametrised CRC algorithms.
    #[test]
    fn checksums_are_the_known_ones_and_combine() {
        for (sum, check, text) in [
            (Sum::Crc64Nvme, 0xae8b_1486_0a79_9888, "CRC64NVME:rosUhgp5mIg="),
            (Sum::Crc32c, 0xe306_9283, "CRC32C:4waSgw=="),
        ] {
            let whole = sum.of(b"123456789");
            assert_eq!((whole, sum.text(whole).as_str()), (check, text));
            assert_eq!(sum.add(sum.of(b"1234"), sum.of(b"56789"), 5), whole);
            assert_eq!(sum.add(0, whole, 9), whole);
        }
    }
}
