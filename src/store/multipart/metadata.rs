//! An object's metadata as headers carry it: names with our prefix, values in US-ASCII.

use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::contract::object::Metadata;
use crate::store::multipart::protocol::Headers;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// The beginning of the names of our metadata, after `x-amz-meta-` or `x-goog-meta-`.
const OURS: &str = "pgstow-";

/// What a metadata value cannot contain unencoded: headers are US-ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// Metadata as a store keeps it.
pub(in crate::store) fn to_headers(metadata: &Metadata, limit: usize) -> Result<Headers> {
    let mut headers = Headers::new();
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

/// Our metadata from an answer.
pub(in crate::store) fn from_headers(headers: &Headers) -> Metadata {
    let ours = |(name, value): (&String, &String)| {
        let name = name.to_ascii_lowercase().strip_prefix(OURS)?.to_owned();
        Some((name, percent_decode_str(value).decode_utf8_lossy().into_owned()))
    };
    headers.iter().filter_map(ours).collect()
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
        assert_eq!(from_headers(&headers), metadata);
        assert!(to_headers(&metadata, 10).is_err());
        assert!(to_headers(&[("Na me".to_owned(), String::new())].into(), 2048).is_err());
    }
}
