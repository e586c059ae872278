//! `s3://` and `b2://`: a bucket, and the parameters in its URL.

use super::bucket::{bucket_and_prefix, each_parameter, unknown_parameter, write_url};
use super::endpoint::check_endpoint;
use crate::error::{Error, Result};
use crate::store::profiles::{Checksums, Profile};
use ::url::Url;
use std::fmt;

/// The parameters of an `s3://` or `b2://` URL.
const KEYS: [&str; 8] =
    ["endpoint", "region", "profile", "aws_profile", "checksum", "path_style", "max_parts", "allow_http"];

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
        let (bucket, prefix) = bucket_and_prefix(url)?;
        let mut ours = Self { bucket, prefix, ..Self::default() };
        each_parameter(url, |key, value| ours.set(key, value))?;
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
            other => return Err(unknown_parameter(other, &KEYS)),
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
        write_url(f, "s3", &self.bucket, &self.prefix, settings)
    }
}
