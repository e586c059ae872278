//! `s3://` and `b2://`: a bucket, and the parameters in its URL.

use super::bucket::{bucket_and_prefix, each_parameter, unknown_parameter, write_url};
use super::endpoint::check_endpoint;
use crate::error::{Error, Result};
use crate::store::url::profiles::{Checksums, Profile};
use ::url::Url;
use std::collections::BTreeSet;
use std::fmt;

/// The parameters of an `s3://` or `b2://` URL.
const KEYS: [&str; 12] = [
    "endpoint",
    "region",
    "profile",
    "aws_profile",
    "class",
    "sse",
    "kms",
    "tags",
    "checksum",
    "path_style",
    "max_parts",
    "allow_http",
];

/// How many tags S3 accepts for one object.
const MOST_TAGS: usize = 10;

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
    /// The storage class of new objects, if it is not the service's usual one.
    pub class: Option<String>,
    /// How the service encrypts new objects: `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub sse: Option<String>,
    /// The KMS key that encrypts new objects, if it is not the bucket's own.
    pub kms: Option<String>,
    /// The tags of new objects.
    pub tags: Vec<(String, String)>,
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
        if ours.kms.is_some() && ours.sse.get_or_insert_with(|| "aws:kms".to_owned()) == "AES256" {
            return Err(Error::usage("kms and sse=AES256 in the store's URL contradict each other")
                .hint("leave sse out: a key of KMS means sse=aws:kms"));
        }
        Ok(ours)
    }

    /// The dialect of the service: as the URL says, else by the host of its endpoint, or of this one if it has none.
    pub(in crate::store) fn dialect(&self, configured: Option<&str>) -> (&'static Profile, Option<String>) {
        let address = self.endpoint.as_deref().or(configured).and_then(|text| Url::parse(text).ok());
        let (by_host, region) = Profile::of_host(address.as_ref().and_then(Url::host_str));
        (self.profile.unwrap_or(by_host), region)
    }

    /// The store without what only new objects and this run need: two runs that differ in that use the same store.
    pub(in crate::store) fn place(&self) -> Self {
        Self { class: None, sse: None, kms: None, tags: Vec::new(), ..self.clone() }
    }

    /// Which store it is, reached at this endpoint: no region, as Amazon's buckets have no name twice.
    pub(in crate::store) fn identity(&self, endpoint: Option<&str>) -> String {
        let address = endpoint.and_then(|text| Url::parse(text).ok());
        let (by_host, _) = Profile::of_host(address.as_ref().and_then(Url::host_str));
        let endpoint = endpoint.filter(|_| by_host.name != "aws").map(str::to_owned);
        let Self { bucket, prefix, .. } = self.clone();
        Self { bucket, prefix, endpoint, ..Self::default() }.to_string()
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
            "class" => self.class = Some(class(value).ok_or_else(|| wants(CLASS))?),
            "sse" => {
                let known = ["AES256", "aws:kms", "aws:kms:dsse"].contains(&value);
                self.sse = Some(known.then(|| value.to_owned()).ok_or_else(|| wants(SSE))?);
            }
            "kms" => {
                let fits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic());
                self.kms =
                    Some(fits.then(|| value.to_owned()).ok_or_else(|| wants("the ARN or id of a key"))?);
            }
            "tags" => self.tags = tags(value).ok_or_else(|| wants(TAGS))?,
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

const CLASS: &str = "a storage class in capital letters, such as STANDARD_IA";
const SSE: &str = "AES256, aws:kms or aws:kms:dsse";
const TAGS: &str = "up to ten tags with different names, such as team=ops,env=production";

/// A storage class, if it looks like one.
pub(super) fn class(text: &str) -> Option<String> {
    let word = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    (!text.is_empty() && text.bytes().all(word)).then(|| text.to_owned())
}

/// Tags, written as `team=ops,env=production`.
fn tags(text: &str) -> Option<Vec<(String, String)>> {
    let one = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let sane = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " +-=._:/@".contains(c));
        let fits = !name.is_empty() && name.chars().count() <= 128 && value.chars().count() <= 256;
        (fits && sane(name) && sane(value)).then(|| (name.to_owned(), value.to_owned()))
    };
    let tags: Vec<_> = text.split(',').map(one).collect::<Option<_>>()?;
    let names: BTreeSet<_> = tags.iter().map(|(name, _)| name).collect();
    (tags.len() <= MOST_TAGS && names.len() == tags.len()).then_some(tags)
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let truth = |value: bool| value.to_string();
        let tags: Vec<_> = self.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let settings = [
            ("endpoint", self.endpoint.clone()),
            ("region", self.region.clone()),
            ("profile", self.profile.map(|row| row.name.to_owned())),
            ("aws_profile", self.aws_profile.clone()),
            ("class", self.class.clone()),
            ("sse", self.sse.clone()),
            ("kms", self.kms.clone()),
            ("tags", (!self.tags.is_empty()).then(|| tags.join(","))),
            ("checksum", self.checksums.map(|mode| mode.to_string())),
            ("path_style", self.path_style.map(truth)),
            ("max_parts", self.max_parts.map(|n| n.to_string())),
            ("allow_http", self.allow_http.then(|| truth(true))),
        ];
        write_url(f, "s3", &self.bucket, &self.prefix, settings)
    }
}
