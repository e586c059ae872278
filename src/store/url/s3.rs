//! `s3://` and `b2://`: a bucket, and the parameters in its URL.

use super::endpoint::check_endpoint;
use super::refused::credentials_in_url;
use crate::error::{Error, Result};
use crate::store::key::check_key;
use crate::store::profiles::{Checksums, Profile};
use ::url::Url;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::fmt;

/// The parameters of an `s3://` or `b2://` URL.
const KEYS: [&str; 8] =
    ["endpoint", "region", "profile", "aws_profile", "checksum", "path_style", "max_parts", "allow_http"];

/// Characters that must be encoded in a prefix or a parameter's value.
const RESERVED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'?');

/// A bucket that is reached by the S3 protocol, and the parameters in its URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct S3Url {
    /// The bucket.
    pub bucket: String,
    /// The beginning of all keys, without slashes at its ends; may be empty.
    pub prefix: String,
    /// The address of the service; `None` for AWS.
    pub endpoint: Option<String>,
    /// The region to sign for.
    pub region: Option<String>,
    /// The dialect, if it cannot be derived from the endpoint's host.
    pub profile: Option<&'static Profile>,
    /// The profile of the AWS configuration files that has the credentials.
    pub aws_profile: Option<String>,
    /// The checksum mode, if it differs from the profile's.
    pub checksums: Option<Checksums>,
    /// Whether the bucket is in the path instead of the host name.
    pub path_style: Option<bool>,
    /// How many parts an upload may have, if that differs from the profile's.
    pub max_parts: Option<u32>,
    /// Whether the endpoint may use plain HTTP although it is another machine.
    pub allow_http: bool,
}

impl S3Url {
    /// Parses the URL, whatever its scheme.
    pub(super) fn read(url: &Url) -> Result<Self> {
        let bucket = url.host_str().unwrap_or_default().to_owned();
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if bucket.is_empty() || !bucket.chars().all(letters) || url.port().is_some() {
            return Err(Error::usage("the store's URL has no bucket")
                .hint("write s3://bucket/prefix, and add the address of the service at the end: ?endpoint=https://…"));
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
        let mut ours = Self { bucket, prefix, ..Self::default() };
        let mut seen = Vec::new();
        for (key, value) in url.query_pairs() {
            ours.set(&key, &value)?;
            if seen.contains(&key) {
                return Err(Error::usage(format!("the store's URL sets {key} twice")));
            }
            seen.push(key);
        }
        if let Some(endpoint) = &ours.endpoint {
            ours.endpoint = Some(check_endpoint(endpoint, ours.allow_http)?);
        }
        Ok(ours)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let wants = |what: &str| Error::usage(format!("{key} in the store's URL must be {what}"));
        let text = || if value.is_empty() { Err(wants("not empty")) } else { Ok(value.to_owned()) };
        let truth = || value.parse::<bool>().map_err(|_| wants("true or false"));
        match key {
            "endpoint" => self.endpoint = Some(text()?),
            "region" => self.region = Some(text()?),
            "aws_profile" => self.aws_profile = Some(text()?),
            "profile" => {
                let row =
                    Profile::named(value).ok_or_else(|| wants(&format!("one of {}", Profile::names())))?;
                self.profile = Some(row);
            }
            "checksum" => {
                self.checksums = Some(match value {
                    "full" => Checksums::Full,
                    "compat" => Checksums::Compat,
                    _ => return Err(wants("full or compat")),
                });
            }
            "path_style" => self.path_style = Some(truth()?),
            "max_parts" => {
                let parts = value.parse().ok().filter(|n| (1..=10_000).contains(n));
                self.max_parts = Some(parts.ok_or_else(|| wants("a number from 1 to 10000"))?);
            }
            "allow_http" => self.allow_http = truth()?,
            secret
                if ["key", "secret", "token", "password", "credential", "signature"]
                    .iter()
                    .any(|word| secret.to_ascii_lowercase().contains(word)) =>
            {
                return Err(credentials_in_url());
            }
            // It may be a pasted secret: only what looks like a word is repeated.
            other => {
                let word = other.len() <= 20 && other.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                let what = if word { format!("{other:?}") } else { "(not shown)".to_owned() };
                return Err(Error::usage(format!("the store's URL has an unknown parameter {what}"))
                    .hint(format!("known parameters are {}", KEYS.join(", "))));
            }
        }
        Ok(())
    }

    /// The bucket at Backblaze, unless the URL has an endpoint.
    pub(super) fn at_backblaze(mut self) -> Result<Self> {
        if self.endpoint.is_none() {
            let Some(region) = &self.region else {
                return Err(Error::usage("the b2:// URL has no region")
                    .hint("add the region of the bucket's endpoint: b2://bucket/prefix?region=us-west-004"));
            };
            self.endpoint = Some(check_endpoint(&format!("https://s3.{region}.backblazeb2.com"), false)?);
        }
        self.profile = self.profile.or_else(|| Profile::named("b2"));
        Ok(self)
    }
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", utf8_percent_encode(&self.prefix, RESERVED))?;
        }
        let truth = |value: bool| value.to_string();
        let settings = [
            ("endpoint", self.endpoint.clone()),
            ("region", self.region.clone()),
            ("profile", self.profile.map(|row| row.name.to_owned())),
            ("aws_profile", self.aws_profile.clone()),
            ("checksum", self.checksums.map(|mode| mode.to_string())),
            ("path_style", self.path_style.map(truth)),
            ("max_parts", self.max_parts.map(|n| n.to_string())),
            ("allow_http", self.allow_http.then(|| truth(true))),
        ];
        let mut mark = '?';
        for (key, value) in settings {
            if let Some(value) = value {
                write!(f, "{mark}{key}={}", utf8_percent_encode(&value, RESERVED))?;
                mark = '&';
            }
        }
        Ok(())
    }
}
