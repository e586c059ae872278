//! Headers of a request: the checksum of its bytes, and an object's metadata.

use crate::store::error::{Result, Situation, StoreError};
use crate::store::object::Metadata;
use crate::store::profiles::Checksums;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::collections::HashMap;

/// The beginning of the names of our metadata, after `x-amz-meta-`.
const OURS: &str = "pgstow-";

/// What a metadata value cannot contain unencoded: headers are US-ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// A CRC64NVME as S3 writes it.
pub(super) fn crc64(value: u64) -> String {
    BASE64_STANDARD.encode(value.to_be_bytes())
}

/// The checksum sent with a body: CRC64NVME in one mode, Content-MD5 in the other.
#[derive(Default)]
pub(super) struct BodySum {
    pub(super) crc: Option<u64>,
    pub(super) md5: Option<String>,
}

impl BodySum {
    pub(super) async fn of(mode: Checksums, bytes: &Bytes) -> Result<Self> {
        match mode {
            Checksums::Full => {
                Ok(Self { crc: Some(crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes)), md5: None })
            }
            Checksums::Compat => {
                let bytes = bytes.clone();
                // MD5 is slow enough to delay everything else on this thread.
                let digest = tokio::task::spawn_blocking(move || Md5::digest(&bytes)).await;
                let digest = digest.map_err(|e| {
                    StoreError::new(Situation::Other, "computing a checksum ended unexpectedly").because(e)
                })?;
                Ok(Self { crc: None, md5: Some(BASE64_STANDARD.encode(digest)) })
            }
        }
    }
}

/// Metadata as S3 keeps it.
pub(super) fn to_headers(metadata: &Metadata, limit: usize) -> Result<HashMap<String, String>> {
    let mut headers = HashMap::new();
    let mut size = 0;
    for (name, value) in metadata {
        let header = format!("{OURS}{name}");
        if !header.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(StoreError::new(Situation::Other, format!("{name:?} cannot be a name of metadata")));
        }
        let value = utf8_percent_encode(value, ENCODED).to_string();
        size += header.len() + value.len();
        headers.insert(header, value);
    }
    if size > limit {
        let message = format!("the object's metadata has {size} bytes; the store accepts {limit}");
        return Err(StoreError::new(Situation::Unsupported, message).hint("use fewer or shorter values"));
    }
    Ok(headers)
}

/// Our metadata from an answer of S3.
pub(super) fn from_headers(headers: Option<&HashMap<String, String>>) -> Metadata {
    let ours = |(name, value): (&String, &String)| {
        let name = name.to_ascii_lowercase().strip_prefix(OURS)?.to_owned();
        Some((name, percent_decode_str(value).decode_utf8_lossy().into_owned()))
    };
    headers.into_iter().flatten().filter_map(ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_survives_headers() {
        let metadata: Metadata =
            [("name", "ü 100%\n"), ("id", "x")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let headers = to_headers(&metadata, 2048).unwrap();
        assert!(headers.iter().all(|(k, v)| k.starts_with(OURS) && v.is_ascii()));
        assert_eq!(from_headers(Some(&headers)), metadata);
        assert!(to_headers(&metadata, 10).is_err());
        assert!(to_headers(&[("Na me".to_owned(), String::new())].into(), 2048).is_err());
    }

    #[tokio::test]
    async fn checksums_are_written_as_s3_writes_them() {
        let bytes = Bytes::from_static(b"123456789");
        let full = BodySum::of(Checksums::Full, &bytes).await.unwrap();
        assert_eq!(full.crc, Some(0xae8b_1486_0a79_9888));
        assert_eq!(crc64(0xae8b_1486_0a79_9888), "rosUhgp5mIg=");
        let compat = BodySum::of(Checksums::Compat, &bytes).await.unwrap();
        assert_eq!(compat.md5.as_deref(), Some("JfnnlDI7RTiF9RgfG2JNCw=="));
    }
}
