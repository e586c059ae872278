//! What the URLs of buckets have in common: a bucket, a prefix, and parameters.

use super::refused::credentials_in_url;
use crate::error::{Error, Result};
use crate::store::url::key::check_key;
use ::url::Url;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::fmt;

/// Characters that must be encoded in a prefix or a parameter's value.
const RESERVED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'?');

/// Words in the name of a parameter that has a secret.
const SECRET: [&str; 6] = ["key", "secret", "token", "password", "credential", "signature"];

/// The bucket, and the beginning of all keys without slashes at its ends.
pub(super) fn bucket_and_prefix(url: &Url) -> Result<(String, String)> {
    let bucket = url.host_str().unwrap_or_default().to_owned();
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if bucket.is_empty() || !bucket.chars().all(letters) || url.port().is_some() {
        return Err(Error::usage("the store's URL has no bucket").hint(format!(
            "write {}://bucket/prefix; the address of a service is a parameter: ?endpoint=https://…",
            url.scheme()
        )));
    }
    let prefix = percent_decode_str(url.path())
        .decode_utf8()
        .map_err(|e| Error::usage("the prefix in the store's URL is not UTF-8").because(e))?
        .trim_matches('/')
        .to_owned();
    if !prefix.is_empty() {
        check_key(&prefix).map_err(|_| {
            Error::usage("the prefix in the store's URL is invalid")
                .hint("a prefix is a list of names separated by single slashes, as in backups/production")
        })?;
    }
    Ok((bucket, prefix))
}

/// Takes each parameter, which must not come twice.
pub(super) fn each_parameter(url: &Url, mut take: impl FnMut(&str, &str) -> Result<()>) -> Result<()> {
    let mut seen = Vec::new();
    for (key, value) in url.query_pairs() {
        take(&key, &value)?;
        if seen.contains(&key) {
            return Err(Error::usage(format!("the store's URL sets {key} twice")));
        }
        seen.push(key);
    }
    Ok(())
}

/// The failure of a parameter that is none of these.
pub(super) fn unknown_parameter(name: &str, known: &[&str]) -> Error {
    if SECRET.iter().any(|word| name.to_ascii_lowercase().contains(word)) {
        return credentials_in_url();
    }
    // It may be a pasted secret: only what looks like a word is repeated.
    let word = name.len() <= 20 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let what = if word { format!("{name:?}") } else { "(not shown)".to_owned() };
    Error::usage(format!("the store's URL has an unknown parameter {what}"))
        .hint(format!("known parameters are {}", known.join(", ")))
}

/// Writes the URL, with the parameters that are set.
pub(super) fn write_url<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    scheme: &str,
    bucket: &str,
    prefix: &str,
    settings: [(&str, Option<String>); N],
) -> fmt::Result {
    write!(f, "{scheme}://{bucket}")?;
    if !prefix.is_empty() {
        write!(f, "/{}", utf8_percent_encode(prefix, RESERVED))?;
    }
    let mut mark = '?';
    for (key, value) in settings {
        if let Some(value) = value {
            write!(f, "{mark}{key}={}", utf8_percent_encode(&value, RESERVED))?;
            mark = '&';
        }
    }
    Ok(())
}
