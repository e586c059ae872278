//! The checksum of a request's bytes, as its headers carry it.

use crate::store::contract::error::Result;
use crate::store::multipart::sum::{Sum, md5_of};
use crate::store::url::profiles::Checksums;
use bytes::Bytes;

/// The checksum sent with a body: CRC64NVME in one mode, Content-MD5 in the other.
#[derive(Default)]
pub(super) struct BodySum {
    pub(super) crc: Option<u64>,
    pub(super) md5: Option<String>,
}

impl BodySum {
    pub(super) async fn of(mode: Checksums, bytes: &Bytes) -> Result<Self> {
        match mode {
            Checksums::Full => Ok(Self { crc: Some(Sum::Crc64Nvme.of(bytes)), md5: None }),
            Checksums::Compat => Ok(Self { crc: None, md5: Some(md5_of(bytes).await?) }),
        }
    }
}

impl BodySum {
    /// The CRC64NVME in base64.
    pub(super) fn crc64(&self) -> Option<String> {
        self.crc.map(|crc| Sum::Crc64Nvme.base64(crc))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn checksums_are_written_as_s3_writes_them() {
        let bytes = Bytes::from_static(b"123456789");
        let full = BodySum::of(Checksums::Full, &bytes).await.unwrap();
        assert_eq!(full.crc, Some(0xae8b_1486_0a79_9888));
        assert_eq!(full.crc64().as_deref(), Some("rosUhgp5mIg="));
        let compat = BodySum::of(Checksums::Compat, &bytes).await.unwrap();
        assert_eq!(compat.md5.as_deref(), Some("JfnnlDI7RTiF9RgfG2JNCw=="));
    }
}
