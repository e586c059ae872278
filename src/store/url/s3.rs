//! `s3://` and `b2://`: a bucket, and what its URL says about talking to it.

use super::endpoint::check_endpoint;
use super::refused::credentials_in_url;
use crate::error::{Error, Result};
use crate::store::key::check_key;
use crate::store::profiles::{Checksums, Profile};
use ::url::Url;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::fmt;

/// What may follow the question mark of an `s3://` or `b2://` URL.
const KEYS: [&str; 8] =
    ["endpoint", "region", "profile", "aws_profile", "checksum", "path_style", "max_parts", "allow_http"];

/// What must be encoded in a prefix or a query's value to be read back as it was.
const RESERVED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'?');

/// A bucket behind the S3 protocol, and what the URL says about talking to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct S3Url {
    /// The bucket.
    pub bucket: String,
    /// What all keys begin with, without slashes at its ends; may be empty.
    pub prefix: String,
    /// The service's address; AWS where there is none.
    pub endpoint: Option<String>,
    /// The region to sign for.
    pub region: Option<String>,
    /// The dialect, where the endpoint's host does not tell.
    pub profile: Option<&'static Profile>,
    /// Which profile of the AWS configuration files has the credentials.
    pub aws_profile: Option<String>,
    /// The checksum mode, where it differs from the profile's.
    pub checksums: Option<Checksums>,
    /// Whether the bucket stands in the path instead of the host's name.
    pub path_style: Option<bool>,
    /// How many parts an upload may have, where it differs from the profile's.
    pub max_parts: Option<u32>,
    /// Whether the endpoint may be plain HTTP although it is another machine.
    pub allow_http: bool,
}

impl S3Url {
    /// Reads the URL; its scheme decides nothing here.
    pub(super) fn read(url: &Url) -> Result<Self> {
        let bucket = url.host_str().unwrap_or_default().to_owned();
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if bucket.is_empty() || !bucket.chars().all(letters) || url.port().is_some() {
            return Err(Error::usage("the store's URL names no bucket")
                .hint("it is s3://bucket/prefix; a service's address goes behind it: ?endpoint=https://…"));
        }
        let prefix = percent_decode_str(url.path())
            .decode_utf8()
            .map_err(|e| Error::usage("the prefix in the store's URL is not UTF-8").because(e))?
            .trim_matches('/')
            .to_owned();
        if !prefix.is_empty() {
            check_key(&prefix).map_err(|_| {
                Error::usage("the prefix in the store's URL cannot be used")
                    .hint("it is made of names with single slashes between them, as backups/production")
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
        let text = || if value.is_empty() { Err(wants("set to something")) } else { Ok(value.to_owned()) };
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
            // A pasted secret may stand where a key should: only what looks like a word is echoed.
            other => {
                let word = other.len() <= 20 && other.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                let what = if word { format!("{other:?}") } else { "something".to_owned() };
                return Err(Error::usage(format!("the store's URL sets {what}, which is not known"))
                    .hint(format!("known are {}", KEYS.join(", "))));
            }
        }
        Ok(())
    }

    /// The same at Backblaze, unless the URL names another endpoint.
    pub(super) fn at_backblaze(mut self) -> Result<Self> {
        if self.endpoint.is_none() {
            let Some(region) = &self.region else {
                return Err(Error::usage("the b2:// URL names no region")
                    .hint("add the one in the bucket's endpoint: b2://bucket/prefix?region=us-west-004"));
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
