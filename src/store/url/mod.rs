//! The store's URL, parsed strictly: unknown parts are refused, and secrets are not repeated.
//!
//! ```text
//! file:///folder
//! s3://bucket/prefix?endpoint=…&region=…&profile=…&aws_profile=…&checksum=full|compat&path_style=…&max_parts=…&allow_http=…
//!     &class=…&sse=…&kms=…&tags=…                       for new objects
//! b2://bucket/prefix?region=us-west-004
//! gs://bucket/prefix?class=…&kms=…&credentials=/file.json&endpoint=…&allow_http=…
//! ```
//!
//! `profile` chooses a row of `profiles.rs` (the store's dialect), `aws_profile` a profile of the AWS configuration
//! files (the credentials). Credentials must not be in a URL: URLs end up in logs.

mod bucket;
mod endpoint;
mod gs;
pub mod key;
pub mod possible;
pub mod profiles;
mod refused;
mod s3;

pub(super) use endpoint::check_endpoint;
pub use gs::GsUrl;
pub use s3::S3Url;

use crate::error::{Error, Result};
use ::url::Url;
use refused::credentials_in_url;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A folder on this machine.
    File(PathBuf),
    /// A bucket that is reached by the S3 protocol.
    S3(S3Url),
    /// A bucket of Google Cloud Storage.
    Gs(GsUrl),
}

impl FromStr for StoreUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((scheme, _)) = text.split_once("://") else {
            return Err(not_a_url(text));
        };
        // They would be left out, or become something else, and another folder would be meant.
        if text.contains(|c: char| c.is_control() || c == '\\') {
            return Err(Error::usage("the store's URL has a character that no URL has")
                .hint("write %5C for a backslash in a folder's name, and no line breaks or tabs"));
        }
        let url = Url::parse(text)
            .map_err(|e| Error::usage("the store's URL is invalid").because(e).hint(SHAPES))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(credentials_in_url());
        }
        if url.fragment().is_some() {
            return Err(Error::usage("the store's URL has a \"#\"").hint("write %23 for # in a prefix"));
        }
        match scheme.to_ascii_lowercase().as_str() {
            "file" => folder(&url).map(Self::File),
            "s3" => S3Url::read(&url).map(Self::S3),
            "b2" => S3Url::read(&url)?.at_backblaze().map(Self::S3),
            "gs" => GsUrl::read(&url).map(Self::Gs),
            other => Err(Error::usage(format!("{other}:// is not the URL of a store")).hint(SHAPES)),
        }
    }
}

const SHAPES: &str = "a store is file:///folder, s3://bucket/prefix?endpoint=…&region=…, b2://bucket/prefix?region=… or gs://bucket/prefix";

fn not_a_url(text: &str) -> Error {
    if text.trim().is_empty() {
        return Error::usage("the store's URL is empty")
            .hint("an unset variable looks like that")
            .hint(SHAPES);
    }
    let error = Error::usage("the store is not a URL");
    match std::path::absolute(text) {
        Ok(path) if !text.contains(['@', '?', ':']) => error
            .hint(format!("for a folder write file://{}; for a bucket s3://bucket/prefix", path.display())),
        _ => error.hint(SHAPES),
    }
}

fn folder(url: &Url) -> Result<PathBuf> {
    if url.query().is_some() {
        return Err(
            Error::usage("a file:// URL has no parameters").hint("write %3F for a \"?\" in a folder's name")
        );
    }
    url.to_file_path().map_err(|()| {
        Error::usage("the path in the file:// URL is not absolute")
            .hint("write it with three slashes: file:///folder")
    })
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => match Url::from_file_path(path) {
                Ok(url) => url.fmt(f),
                Err(()) => write!(f, "file://{}", path.display()),
            },
            Self::S3(url) => url.fmt(f),
            Self::Gs(url) => url.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::store::url::profiles::Checksums;

    fn s3(text: &str) -> S3Url {
        match text.parse().unwrap() {
            StoreUrl::S3(url) => url,
            StoreUrl::File(_) | StoreUrl::Gs(_) => panic!("{text}"),
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
            "gs://b",
            "gs://b/p?class=NEARLINE&kms=projects/p/locations/l/keyRings/r/cryptoKeys/k&credentials=/a%20b.json",
            "gs://b?credentials=none&endpoint=http://127.0.0.1:4443",
            "s3://b?class=STANDARD_IA&sse=aws:kms&kms=arn:aws:kms:x:1:key/k&tags=team=ops,env=a%20b",
            "s3://b/100%25/a%20b?endpoint=http://[::1]:4566&region=x&profile=aws&checksum=full&path_style=true",
        ] {
            let url: StoreUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text);
            assert_eq!(url.to_string().parse::<StoreUrl>().unwrap(), url);
        }
    }

    #[test]
    fn a_store_is_the_same_whatever_says_how_to_reach_it() {
        let elsewhere = Some("http://127.0.0.1:3900");
        for (url, endpoint, identity) in [
            ("s3://b/p", None, "s3://b/p"),
            (
                "s3://b/p?region=x&max_parts=1000&checksum=full&path_style=true&aws_profile=x",
                None,
                "s3://b/p",
            ),
            ("s3://b/p?profile=garage&allow_http=true", None, "s3://b/p"),
            ("s3://b/p", Some("https://s3.eu-central-1.amazonaws.com"), "s3://b/p"),
            ("s3://b/p", elsewhere, "s3://b/p?endpoint=http://127.0.0.1:3900"),
            ("s3://b/p?profile=aws&class=COLD", elsewhere, "s3://b/p?endpoint=http://127.0.0.1:3900"),
            ("s3://b", elsewhere, "s3://b?endpoint=http://127.0.0.1:3900"),
        ] {
            assert_eq!(s3(url).identity(endpoint), identity, "{url} {endpoint:?}");
        }
    }

    #[test]
    fn what_is_refused_and_why() {
        for (text, message, hint) in [
            ("/var/backups", "not a URL", "file:///var/backups"),
            ("backups", "not a URL", "file:///"),
            ("", "URL is empty", "file:///folder"),
            ("file://backups", "not absolute", "three slashes"),
            ("file:///x?endpoint=y", "has no parameters", "%3F"),
            ("gs:///p", "no bucket", "gs://bucket"),
            ("gs://b?region=x", "\"region\"", "class"),
            ("gs://b?class=nearline", "capital letters", "NEARLINE"),
            ("gs://b?kms=mine", "full name of a key", "keyRings"),
            ("gs://b?credentials=key.json", "absolute path", "never paste"),
            ("gs://b?credentials=none", "only for an emulator", "endpoint"),
            ("file:///a\nb", "no URL has", "%5C"),
            ("file:///a\\b", "no URL has", "%5C"),
            ("ftp://b/p", "ftp://", "s3://"),
            ("s3:///p", "no bucket", "s3://bucket"),
            ("s3://b:9000/p", "no bucket", "endpoint"),
            ("s3://b/a//b", "prefix", "single slashes"),
            ("s3://b/p#x", "\"#\"", "%23"),
            ("s3://b?regoin=x", "\"regoin\"", "region"),
            ("s3://b?region=a&region=b", "twice", ""),
            ("s3://b?class=cold", "capital letters", ""),
            ("s3://b?sse=rot13", "AES256", ""),
            ("s3://b?sse=AES256&kms=k", "contradict", "leave sse out"),
            ("s3://b?tags=team", "up to ten tags", ""),
            ("s3://b?tags=a=1,a=2", "different names", ""),
            ("s3://b?checksum=md5", "full or compat", ""),
            ("s3://b?profile=acme", "one of", ""),
            ("s3://b?max_parts=0", "1 to 10000", ""),
            ("s3://b?endpoint=s3.example.com", "https://", "https://"),
            ("s3://b?endpoint=http://10.0.0.1", "plain HTTP", "allow_http=true"),
            ("b2://b/p", "no region", "us-west-004"),
            ("s3://b?region=", "not empty", ""),
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
            "gs://hushHUSH@bucket",
            "gs://b?access_token=hushHUSH",
            "gs://b?credentials={hushHUSH}",
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert!(!format!("{error:?}").contains("hush"), "{text}: {error:?}");
        }
    }
}
