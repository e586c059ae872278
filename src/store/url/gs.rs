//! `gs://`: a bucket of Google Cloud Storage, and the parameters in its URL.

use super::bucket::{bucket_and_prefix, each_parameter, unknown_parameter, write_url};
use super::endpoint::check_endpoint;
use super::s3::class;
use crate::error::{Error, Result};
use ::url::Url;
use std::fmt;

/// The parameters of a `gs://` URL.
const KEYS: [&str; 5] = ["class", "kms", "credentials", "endpoint", "allow_http"];

/// A bucket of Google Cloud Storage, and the parameters in its URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GsUrl {
    /// The bucket.
    pub bucket: String,
    /// The beginning of all keys, without slashes at its ends; may be empty.
    pub prefix: String,
    /// The storage class of new objects, if it is not the bucket's own.
    pub class: Option<String>,
    /// The Cloud KMS key that encrypts new objects, if it is not the bucket's own.
    pub kms: Option<String>,
    /// The file with the credentials, or `none`; if there is none, Google's own chain finds them.
    pub credentials: Option<String>,
    /// The address of the service, if it is not Google's.
    pub endpoint: Option<String>,
    /// Whether the endpoint may use plain HTTP although it is another machine.
    pub allow_http: bool,
}

impl GsUrl {
    /// Parses the URL.
    pub(super) fn read(url: &Url) -> Result<Self> {
        let (bucket, prefix) = bucket_and_prefix(url)?;
        let mut ours = Self { bucket, prefix, ..Self::default() };
        each_parameter(url, |key, value| ours.set(key, value))?;
        if let Some(endpoint) = &ours.endpoint {
            ours.endpoint = Some(check_endpoint(endpoint, ours.allow_http)?);
        }
        if ours.credentials.as_deref() == Some("none") && ours.endpoint.is_none() {
            return Err(Error::usage("credentials=none in the store's URL is only for an emulator").hint(
                "add endpoint=http://… of the emulator, or name a file: credentials=/path/to/key.json",
            ));
        }
        Ok(ours)
    }

    /// The store without what only new objects and this run need: two runs that differ in that use the same store.
    #[cfg(feature = "gcs")]
    pub(in crate::store) fn place(&self) -> Self {
        let Self { bucket, prefix, endpoint, allow_http, .. } = self.clone();
        Self { bucket, prefix, endpoint, allow_http, ..Self::default() }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let wants = |what: &str| Error::usage(format!("{key} in the store's URL must be {what}"));
        let text = || if value.is_empty() { Err(wants("not empty")) } else { Ok(value.to_owned()) };
        match key {
            "class" => {
                self.class = Some(class(value).ok_or_else(|| {
                    wants("a storage class in capital letters")
                        .hint("Google has STANDARD, NEARLINE, COLDLINE and ARCHIVE")
                })?);
            }
            "kms" => {
                let parts: Vec<&str> = value.split('/').collect();
                let is_one = matches!(
                    parts[..],
                    ["projects", _, "locations", _, "keyRings", _, "cryptoKeys", _]
                        | [
                            "projects",
                            _,
                            "locations",
                            _,
                            "keyRings",
                            _,
                            "cryptoKeys",
                            _,
                            "cryptoKeyVersions",
                            _
                        ]
                );
                if !is_one || !value.bytes().all(|b| b.is_ascii_graphic()) {
                    return Err(wants("the full name of a key")
                        .hint("write kms=projects/P/locations/L/keyRings/R/cryptoKeys/K"));
                }
                self.kms = Some(value.to_owned());
            }
            // It may be a pasted key instead of its file: it is not repeated.
            "credentials" => {
                if value != "none" && !value.starts_with('/') {
                    return Err(wants("the absolute path of a file")
                        .hint("URLs end up in logs: name the file, never paste what is in it"));
                }
                self.credentials = Some(value.to_owned());
            }
            "endpoint" => self.endpoint = Some(text()?),
            "allow_http" => self.allow_http = value.parse().map_err(|_| wants("true or false"))?,
            other => return Err(unknown_parameter(other, &KEYS)),
        }
        Ok(())
    }
}

impl fmt::Display for GsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = [
            ("class", self.class.clone()),
            ("kms", self.kms.clone()),
            ("credentials", self.credentials.clone()),
            ("endpoint", self.endpoint.clone()),
            ("allow_http", self.allow_http.then(|| true.to_string())),
        ];
        write_url(f, "gs", &self.bucket, &self.prefix, settings)
    }
}
