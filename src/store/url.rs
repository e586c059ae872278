//! The store's URL, read strictly: what is not understood is refused, and no secret is echoed.
//!
//! ```text
//! file:///folder
//! s3://bucket/prefix?endpoint=…&region=…&profile=…&aws_profile=…&checksum=full|compat&path_style=…&max_parts=…&allow_http=…
//! b2://bucket/prefix?region=us-west-004
//! ```
//!
//! `profile` picks a row of `profiles.rs` (the store's dialect), `aws_profile` one of the AWS
//! configuration files (whose credentials). Credentials never stand in a URL: URLs end up in logs.

use super::profiles::{Checksums, Profile};
use crate::error::{Error, Result};
use ::url::Url;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What may follow the question mark of an `s3://` or `b2://` URL.
const KEYS: [&str; 8] =
    ["endpoint", "region", "profile", "aws_profile", "checksum", "path_style", "max_parts", "allow_http"];

/// What must be encoded in a prefix or a query's value to be read back as it was.
const RESERVED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'?');

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A folder of this machine.
    File(PathBuf),
    /// A bucket behind the S3 protocol.
    S3(S3Url),
}

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

impl FromStr for StoreUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((scheme, _)) = text.split_once("://") else {
            return Err(not_a_url(text));
        };
        let url = Url::parse(text)
            .map_err(|e| Error::usage("the store's URL cannot be read").because(e).hint(SHAPES))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(credentials_in_url());
        }
        if url.fragment().is_some() {
            return Err(Error::usage("the store's URL has a \"#\"").hint("write %23 for one in a prefix"));
        }
        match scheme.to_ascii_lowercase().as_str() {
            "file" => folder(&url).map(Self::File),
            "s3" => S3Url::read(&url).map(Self::S3),
            "b2" => S3Url::read(&url)?.at_backblaze().map(Self::S3),
            "gs" => Err(Error::usage("gs:// comes later").hint(
                "today Google Cloud Storage is reached by its S3 keys: s3://bucket?endpoint=https://storage.googleapis.com",
            )),
            other => Err(Error::usage(format!("no store is reached by {other}://")).hint(SHAPES)),
        }
    }
}

const SHAPES: &str =
    "a store is file:///folder, s3://bucket/prefix?endpoint=…&region=… or b2://bucket/prefix?region=…";

fn not_a_url(text: &str) -> Error {
    let error = Error::usage("the store is not a URL");
    match std::path::absolute(text) {
        Ok(path) if !text.contains(['@', '?', ':']) && !text.is_empty() => error
            .hint(format!("for a folder write file://{}; for a bucket s3://bucket/prefix", path.display())),
        _ => error.hint(SHAPES),
    }
}

fn credentials_in_url() -> Error {
    Error::usage("the store's URL holds credentials").hint(
        "URLs end up in logs and process lists: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, \
         instead, and replace a key that was shown",
    )
}

fn folder(url: &Url) -> Result<PathBuf> {
    if url.query().is_some() {
        return Err(
            Error::usage("a file:// URL takes no settings").hint("write %3F for a \"?\" in a folder's name")
        );
    }
    url.to_file_path().map_err(|()| {
        Error::usage("the folder's URL is not absolute").hint("it has three slashes: file:///folder")
    })
}

impl S3Url {
    fn read(url: &Url) -> Result<Self> {
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
            super::check_key(&prefix).map_err(|_| {
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

    fn at_backblaze(mut self) -> Result<Self> {
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

/// Checks a service's address, and gives it without a slash at its end.
///
/// Plain HTTP is for this machine only, unless it is allowed by name: requests are signed, but
/// whoever listens sees the objects' names and metadata.
pub(super) fn check_endpoint(text: &str, allow_http: bool) -> Result<String> {
    let unusable = |why: &str| Error::usage(format!("the store's endpoint cannot be used: {why}"));
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| unusable("it is not an https:// URL").hint("write it as https://s3.example.com"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(credentials_in_url());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(unusable("it has more than a host and a path"));
    }
    let loopback = match url.host() {
        Some(::url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(::url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(::url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if url.scheme() == "http" && !loopback && !allow_http {
        return Err(unusable("it is plain HTTP to another machine").hint(
            "use https://, or add allow_http=true where the network between is trusted: names and metadata are readable on it",
        ));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => match Url::from_file_path(path) {
                Ok(url) => url.fmt(f),
                Err(()) => write!(f, "file://{}", path.display()),
            },
            Self::S3(url) => url.fmt(f),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn s3(text: &str) -> S3Url {
        match text.parse().unwrap() {
            StoreUrl::S3(url) => url,
            StoreUrl::File(_) => panic!("{text}"),
        }
    }

    #[test]
    fn what_is_understood() {
        assert_eq!(
            "file:///var/my%20backups".parse::<StoreUrl>().unwrap(),
            StoreUrl::File("/var/my backups".into())
        );
        let plain = s3("s3://My_bucket.1");
        assert_eq!((plain.bucket.as_str(), plain.prefix.as_str(), plain.endpoint), ("My_bucket.1", "", None));
        assert_eq!(s3("s3://b//a/b/").prefix, "a/b");
        assert_eq!(s3("s3://b/100%2525/%C3%BC").prefix, "100%25/ü");
        let all = s3("s3://b/p?endpoint=http://127.0.0.1:3900/&region=garage&profile=garage&aws_profile=x\
            &checksum=compat&path_style=false&max_parts=1000&allow_http=true");
        assert_eq!(all.endpoint.as_deref(), Some("http://127.0.0.1:3900"));
        assert_eq!(all.profile.unwrap().name, "garage");
        assert_eq!(
            (all.checksums, all.path_style, all.max_parts),
            (Some(Checksums::Compat), Some(false), Some(1000))
        );
        assert_eq!(
            s3("s3://b?endpoint=https://x.supabase.co/storage/v1/s3").endpoint.unwrap(),
            "https://x.supabase.co/storage/v1/s3"
        );
        let b2 = s3("b2://b/p?region=us-west-004");
        assert_eq!(b2.endpoint.as_deref(), Some("https://s3.us-west-004.backblazeb2.com"));
        assert_eq!(b2.profile.unwrap().name, "b2");
    }

    #[test]
    fn what_is_shown_reads_back() {
        for text in [
            "file:///var/my%20backups",
            "s3://b",
            "s3://b/100%25/a%20b?endpoint=http://[::1]:4566&region=x&profile=aws&checksum=full&path_style=true",
        ] {
            let url: StoreUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text);
            assert_eq!(url.to_string().parse::<StoreUrl>().unwrap(), url);
        }
    }

    #[test]
    fn what_is_refused_and_why() {
        for (text, message, hint) in [
            ("/var/backups", "not a URL", "file:///var/backups"),
            ("backups", "not a URL", "file:///"),
            ("", "not a URL", "file:///folder"),
            ("file://backups", "not absolute", "three slashes"),
            ("file:///x?endpoint=y", "takes no settings", "%3F"),
            ("gs://b/p", "comes later", "s3://bucket?endpoint=https://storage.googleapis.com"),
            ("ftp://b/p", "ftp://", "s3://"),
            ("s3:///p", "no bucket", "s3://bucket"),
            ("s3://b:9000/p", "no bucket", "endpoint"),
            ("s3://b/a//b", "prefix", "single slashes"),
            ("s3://b/p#x", "\"#\"", "%23"),
            ("s3://b?regoin=x", "\"regoin\"", "region"),
            ("s3://b?region=a&region=b", "twice", ""),
            ("s3://b?checksum=md5", "full or compat", ""),
            ("s3://b?profile=acme", "one of", ""),
            ("s3://b?max_parts=0", "1 to 10000", ""),
            ("s3://b?endpoint=s3.example.com", "https://", "https://"),
            ("s3://b?endpoint=http://10.0.0.1", "plain HTTP", "allow_http=true"),
            ("b2://b/p", "no region", "us-west-004"),
            ("s3://b?region=", "set to something", ""),
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{text}");
            assert!(error.message().contains(message), "{text}: {error:?}");
            assert!(error.hints().concat().contains(hint), "{text}: {error:?}");
        }
    }

    #[test]
    fn a_secret_in_the_url_is_refused_and_not_echoed() {
        for text in [
            "s3://AK:hushHUSH@bucket",
            "s3://hushHUSH@bucket",
            "s3://b?secret_access_key=hushHUSH",
            "s3://b?X-Amz-Security-Token=hushHUSH",
            "s3://b?hushHUSH",
            "s3://b?endpoint=https://AK:hushHUSH@host",
            "s3://b?path_style=hushHUSH",
            "AK:hushHUSH@bucket",
            "s3://AK:hushHUSH@[",
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert!(!format!("{error:?}").contains("hush"), "{text}: {error:?}");
        }
    }
}
