//! What S3 and the network answer, as situations, sentences and hints. Status codes end here.

use super::credentials::{Origin, Profiles};
use super::unloaded::{Unloaded, unloaded};
use crate::store::contract::error::{Situation, StoreError, chain};
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use std::error::Error as StdError;
use std::time::Duration;

/// Explains failures of one bucket: it knows which host was asked, and as what.
#[derive(Clone)]
pub(super) struct Speaker {
    bucket: String,
    host: String,
    region: String,
    /// The web proxy that is asked for the host, if one is.
    proxy: Option<String>,
    /// Whether objects are read with a key of the user's own (SSE-C).
    keyed: bool,
    profiles: Profiles,
    /// Where the credentials came from.
    origin: Origin,
}

const RIGHTS: &str = "the key may lack a right: writing needs s3:PutObject and s3:AbortMultipartUpload, reading \
                      s3:GetObject and s3:ListBucket; or the key belongs to another bucket or prefix";

impl Speaker {
    pub(super) fn new(bucket: &str, host: String, region: String) -> Self {
        let (profiles, origin) = (Profiles::default(), Origin::default());
        Self { bucket: bucket.to_owned(), host, region, proxy: None, keyed: false, profiles, origin }
    }

    /// The same for requests that a web proxy passes on.
    pub(super) fn through(self, proxy: Option<String>) -> Self {
        Self { proxy, ..self }
    }

    /// The same for requests that have a key of the user's own, or not.
    pub(super) fn keyed(self, keyed: bool) -> Self {
        Self { keyed, ..self }
    }

    /// The same, if it is known which credentials are used.
    pub(super) fn with_keys(self, profiles: Profiles, origin: Origin) -> Self {
        Self { profiles, origin, ..self }
    }

    /// Adds where the credentials came from that are refused: it may be another place than the user thinks.
    fn with_origin(&self, refused: StoreError) -> StoreError {
        match self.origin.said() {
            Some(origin) => refused.hint(format!("the credentials came from {origin}")),
            None => refused,
        }
    }

    /// What an SDK's error means; `accepted` says whether the store has accepted credentials in this run.
    pub(super) fn explain<E>(&self, error: &SdkError<E, HttpResponse>, accepted: bool) -> StoreError
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let chain = chain(error);
        if chain.contains("length limit exceeded") {
            let message =
                format!("the answer of {} is too long to be one, and was not read to its end", self.host);
            return new(Situation::Other, message)
                .hint("check that the endpoint is the service's S3 API")
                .because(chain);
        }
        let Some(response) = error.raw_response() else {
            return match unloaded(error, accepted) {
                Some(why) => self.without_credentials(why).because(chain),
                None => self.unanswered(error, chain),
            };
        };
        let status = response.status().as_u16();
        let region = response.headers().get("x-amz-bucket-region");
        let (code, message) = match error {
            SdkError::ServiceError(answer) => (answer.err().code(), answer.err().message()),
            _ => (None, None),
        };
        self.answered(status, code.unwrap_or_default(), message.unwrap_or_default(), region)
    }

    /// What an answer means: by its code if it has one, else by its status.
    fn answered(&self, status: u16, code: &str, message: &str, region: Option<&str>) -> StoreError {
        let error = self.about_own_key(status, message).unwrap_or_else(|| {
            let error = self
                .about_keys(status, code, message)
                .or_else(|| self.about_place(status, code, message, region))
                .or_else(|| about_space(status, code, message))
                .or_else(|| about_locks(status, code, message))
                .unwrap_or_else(|| self.about_request(status, code));
            if error.situation() == Situation::Denied { self.with_origin(error) } else { error }
        });
        if message.is_empty() { error } else { error.because(message) }
    }

    /// The failure of a request about an object that is encrypted with another key of the user's own, or with one.
    fn about_own_key(&self, status: u16, message: &str) -> Option<StoreError> {
        let said = message.to_lowercase();
        // Amazon: "stored using a form of Server Side Encryption"; Garage: "Object is encrypted". Not the name of a role.
        let says = |words: &str| said.contains(words);
        let is_meant = ["server side encryption", "is encrypted", "encryption parameters", "encryption key"]
            .into_iter()
            .any(says)
            && !says("kms");
        match status {
            400 | 403 if is_meant && self.keyed => Some(
                new(Situation::Denied, "the key for SSE-C is not the one that the object was stored with")
                    .hint("--sse-c-key-file (PGSTOW_SSE_C_KEY) must be the same for backups and for reading them; an object that was stored without one is read without"),
            ),
            400 | 403 if is_meant => Some(
                new(Situation::Denied, "the object was stored with a key of your own (SSE-C)")
                    .hint("give the key that it was stored with: --sse-c-key-file or PGSTOW_SSE_C_KEY"),
            ),
            // AWS says no more to a wrong key.
            403 if self.keyed && (said.is_empty() || said.contains("access denied")) => {
                let message = format!("access to bucket {} is denied ({status})", self.bucket);
                let denied = new(Situation::Denied, message).hint(RIGHTS).hint(
                    "or --sse-c-key-file (PGSTOW_SSE_C_KEY) is not the key that the object was stored with",
                );
                Some(self.with_origin(denied))
            }
            _ => None,
        }
    }

    fn about_keys(&self, status: u16, code: &str, message: &str) -> Option<StoreError> {
        use Situation::{Denied, Expired, Transient};
        let host = &self.host;
        // Garage says two of these only in its message.
        let code = match code {
            _ if status == 403 && message.contains("Invalid signature") => "SignatureDoesNotMatch",
            _ if status == 403 && message.contains("No such key") => "InvalidAccessKeyId",
            code => code,
        };
        Some(match (code, status) {
            ("SignatureDoesNotMatch", _) => {
                new(Denied, format!("{host} rejects the secret of the access key"))
                    .hint("check AWS_SECRET_ACCESS_KEY, or the secret in the AWS profile (AWS_PROFILE)")
            }
            ("InvalidAccessKeyId", _) => new(Denied, format!("{host} does not know the access key"))
                .hint("check AWS_ACCESS_KEY_ID or AWS_PROFILE, and that the key belongs to this endpoint"),
            ("ExpiredToken" | "ExpiredTokenException" | "InvalidToken" | "TokenRefreshRequired", _) => {
                new(Expired, "the session token has expired or is invalid")
                    .hint("get new temporary credentials: AWS_SESSION_TOKEN belongs to its key and secret")
            }
            // An answer to HEAD has no body, and so no code: AWS answers 400 to an expired token.
            ("", 400) => new(Expired, "the store rejects the request (400)")
                .hint("check that region=… in the store's URL is the service's own, and that the credentials are still valid; an object that was stored with a key of your own needs --sse-c-key-file"),
            // The SDK has learnt the difference from this answer, so the next attempt may succeed.
            ("RequestTimeTooSkewed", _) => {
                new(Transient, format!("the clock of this machine differs from the clock of {host}"))
                    .hint("set the clock (NTP): signatures are valid for 15 minutes")
            }
            _ => return None,
        })
    }

    fn about_place(
        &self,
        status: u16,
        code: &str,
        message: &str,
        region: Option<&str>,
    ) -> Option<StoreError> {
        match (code, status) {
            ("NoSuchBucket", _) => Some(self.no_bucket()),
            (
                "PermanentRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException"
                | "TemporaryRedirect",
                _,
            )
            | (_, 301 | 307) => {
                let Self { bucket, region: asked, .. } = self;
                let (place, advice) = match region.or_else(|| region_in(message)) {
                    Some(there) => {
                        (format!("in region {there}"), format!("add region={there} to the store's URL"))
                    }
                    None => (
                        "in another region".to_owned(),
                        "add the bucket's region=… to the store's URL".to_owned(),
                    ),
                };
                let message = format!("bucket {bucket} is {place}, and was requested in {asked}");
                Some(new(Situation::Other, message).hint(advice))
            }
            _ => None,
        }
    }

    fn about_request(&self, status: u16, code: &str) -> StoreError {
        use Situation::{Damaged, Denied, Exists, NotFound, Other, Transient, Unsupported};
        let named = named(status, code);
        match (code, status) {
            ("NoSuchUpload", _) => new(NotFound, "the store does not know this upload (any more)")
                .hint("somebody aborted it, or a lifecycle rule of the bucket did: give the rule more days"),
            (
                "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch",
                _,
            ) => new(Damaged, "the bytes that arrived do not match their checksum"),
            // Some come as 400, and a completion's as 200.
            (
                "OperationAborted"
                | "ConditionalRequestConflict"
                | "RequestTimeout"
                | "SlowDown"
                | "InternalError"
                | "ServiceUnavailable"
                | "Throttling"
                | "ThrottlingException",
                _,
            )
            | (_, 408 | 409 | 429 | 500 | 502 | 503 | 504) => {
                new(Transient, format!("the store answered {named}"))
            }
            ("NotImplemented", _) | (_, 501 | 405) => {
                new(Unsupported, format!("the store does not support this request ({named})"))
                    .hint("try checksum=compat in the store's URL, or the service's profile=…")
            }
            (_, 401 | 403) => {
                let message = format!("access to bucket {} is denied ({named})", self.bucket);
                new(Denied, message).hint(RIGHTS)
            }
            (_, 404) => new(NotFound, "there is no such object"),
            (_, 412) => new(Exists, "the object exists"),
            (_, 200..=299) => new(Transient, format!("the store answered {named} with an error in it")),
            _ => new(Other, format!("the store rejects the request ({named})")),
        }
    }

    fn without_credentials(&self, why: Unloaded) -> StoreError {
        let error = unloaded_credentials(why);
        match self.profiles.said_missing().filter(|_| why == Unloaded::Missing) {
            Some(missing) => error.hint(missing),
            None => error,
        }
    }

    fn no_bucket(&self) -> StoreError {
        new(Situation::NoStore, format!("there is no bucket {} at {}", self.bucket, self.host))
            .hint("check the bucket's name, the endpoint and the region; pgstow does not create buckets")
    }

    /// The same failure; "not found" is about the bucket if the request was.
    pub(super) fn of_bucket(&self, error: StoreError) -> StoreError {
        match error.situation() {
            Situation::NotFound => self.no_bucket().because(error),
            _ => error,
        }
    }

    /// What it means that there was no answer.
    fn unanswered<E>(&self, error: &SdkError<E, HttpResponse>, chain: String) -> StoreError {
        use Situation::{Other, Unreachable};
        let host = &self.host;
        let says = |words: &[&str]| words.iter().any(|word| chain.contains(word));
        let no_name = says(&["dns error", "failed to lookup address"]);
        let no_port = says(&["Connection refused", "ConnectionRefused"]);
        let said = if let Some(proxy) = self.proxy.as_ref().filter(|_| no_name || no_port) {
            new(Unreachable, format!("the web proxy {proxy} cannot be reached")).hint(format!(
                "check HTTPS_PROXY and HTTP_PROXY; if {host} is reached directly, name it in NO_PROXY"
            ))
        } else if no_name {
            new(Unreachable, format!("{host} cannot be found"))
                .hint("check endpoint and region in the store's URL, and the network's DNS")
        } else if no_port {
            new(Unreachable, format!("{host} refuses connections"))
                .hint("check endpoint and port in the store's URL")
        } else if says(&[
            "certificate",
            "Certificate",
            "UnknownIssuer",
            "InvalidContentType",
            "received corrupt message",
        ]) {
            new(Other, format!("no trusted TLS connection to {host}")).hint(
                "check the endpoint's https://; a machine or image without certificates needs the package ca-certificates; for a certificate authority of your own, give its certificate with --ca-file",
            )
        } else if matches!(error, SdkError::TimeoutError(_)) || says(&["timed out", "timeout"]) {
            new(Unreachable, format!("{host} does not answer")).hint("check endpoint and firewall")
        } else if matches!(error, SdkError::ConstructionFailure(_)) {
            new(Other, "the request to the store could not be made")
        } else {
            new(Unreachable, format!("the connection to {host} broke"))
        };
        said.because(chain)
    }

    /// No answer came within the deadline.
    pub(super) fn silent(&self, deadline: Duration) -> StoreError {
        let message = format!("{} did not answer within {} s", self.host, deadline.as_secs_f32());
        new(Situation::Unreachable, message).hint("if the network is slow, raise --timeout")
    }

    /// The body of an answer ended before its end.
    pub(super) fn broken(&self, error: impl StdError + Send + Sync + 'static) -> StoreError {
        new(Situation::Unreachable, format!("the connection to {} broke", self.host)).because(error)
    }
}

/// What it means that there are no credentials to ask the store with.
fn unloaded_credentials(why: Unloaded) -> StoreError {
    match why {
        Unloaded::Missing => new(Situation::Expired, "no credentials for the store were found").hint(
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (aws_profile=… in the store's URL)",
        ),
        Unloaded::Refused => new(Situation::Expired, "no credentials for the store were given").hint(
            "check the role and who may take it, the token or login that is shown for it (`aws sso login`), or the program in the AWS profile",
        ),
        Unloaded::Failing => {
            new(Situation::Unreachable, "the service that gives the store's credentials gives none at the moment")
                .hint("check that service, and the way to it: security tokens, metadata of the pod or the machine, single sign-on, or the program in the AWS profile")
        }
    }
}

fn about_space(status: u16, code: &str, message: &str) -> Option<StoreError> {
    let named = named(status, code);
    match (code, status) {
        ("QuotaExceeded" | "InsufficientStorage" | "XMinioStorageFull" | "StorageFull", _)
        | (_, 413 | 507) => Some(
            new(Situation::NoSpace, format!("the store is full ({named})"))
                .hint("raise its quota, or delete old backups"),
        ),
        // Backblaze's word for an account's own limit.
        (_, 403) if message.contains("cap exceeded") => Some(
            new(Situation::NoSpace, format!("the account's cap is reached ({named})"))
                .hint("raise the cap in the account's settings"),
        ),
        _ => None,
    }
}

/// Amazon, Backblaze, MinIO, Cloudflare and Google say it in different words.
fn about_locks(status: u16, code: &str, message: &str) -> Option<StoreError> {
    const WORDS: [&str; 4] = ["object lock", "objectlock", "retention policy", "legal hold"];
    let said = format!("{code} {message}").to_lowercase();
    let is_refused = status == 403 && WORDS.iter().any(|words| said.contains(words));
    // Other refusals with 400 are about how a lock was asked for.
    (is_refused || said.contains("worm protected"))
        .then(|| new(Situation::Locked, format!("the object is locked ({})", named(status, code))))
}

fn named(status: u16, code: &str) -> String {
    if code.is_empty() { status.to_string() } else { format!("{status} {code}") }
}

fn new(situation: Situation, message: impl Into<String>) -> StoreError {
    StoreError::new(situation, message)
}

/// Whether a range begins after the object's end.
pub(super) fn is_beyond_the_end<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|response| response.status().as_u16() == 416)
}

/// The region a message names: "the region 'a' is wrong; expecting 'b'", or as part of a signature's
/// scope, "expected: '20261120/b/s3/aws4_request'".
fn region_in(message: &str) -> Option<&str> {
    let (_, rest) = message.rsplit_once("expect")?;
    let quoted = rest.split(['\'', '"', '`']).nth(1)?;
    let region = quoted.split('/').nth(1).unwrap_or(quoted);
    (!region.is_empty()).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaker() -> Speaker {
        Speaker::new("b", "host".to_owned(), "us-east-1".to_owned())
    }

    #[test]
    fn answers_become_situations() {
        for (status, code, situation) in [
            (404, "NoSuchKey", Situation::NotFound),
            (404, "NoSuchUpload", Situation::NotFound),
            (404, "NoSuchBucket", Situation::NoStore),
            (404, "", Situation::NotFound),
            (403, "AccessDenied", Situation::Denied),
            (403, "", Situation::Denied),
            (403, "SignatureDoesNotMatch", Situation::Denied),
            (403, "RequestTimeTooSkewed", Situation::Transient),
            (400, "ExpiredToken", Situation::Expired),
            (400, "", Situation::Expired),
            (400, "RequestTimeout", Situation::Transient),
            (400, "BadDigest", Situation::Damaged),
            (400, "EntityTooSmall", Situation::Other),
            (409, "ConditionalRequestConflict", Situation::Transient),
            (412, "PreconditionFailed", Situation::Exists),
            (429, "", Situation::Transient),
            (200, "InternalError", Situation::Transient),
            (200, "", Situation::Transient),
            (500, "InternalError", Situation::Transient),
            (503, "SlowDown", Situation::Transient),
            (501, "NotImplemented", Situation::Unsupported),
            (507, "", Situation::NoSpace),
            (301, "PermanentRedirect", Situation::Other),
        ] {
            let error = speaker().answered(status, code, "", None);
            assert_eq!(error.situation(), situation, "{status} {code}: {error}");
        }
    }

    #[test]
    fn a_refusal_says_where_the_credentials_came_from() {
        let origin = Origin::default();
        let speaker = speaker().with_keys(Profiles::default(), origin.clone());
        let hints = |status, code| speaker.answered(status, code, "", None).hints().join("; ");
        assert!(!hints(403, "AccessDenied").contains("came from"));
        origin.note(Some("the environment (AWS_ACCESS_KEY_ID)".to_owned()));
        for code in ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", ""] {
            assert!(hints(403, code).contains("the credentials came from the environment"), "{code}");
        }
        assert!(!hints(404, "NoSuchKey").contains("came from"));
    }

    #[test]
    fn a_locked_object_is_told_from_a_key_that_may_not_delete() {
        for (status, code, message, situation) in [
            (
                403,
                "AccessDenied",
                "Access Denied because object protected by object lock.",
                Situation::Locked,
            ),
            (400, "InvalidRequest", "Object is WORM protected and cannot be overwritten", Situation::Locked),
            (403, "ObjectLockedByBucketPolicy", "", Situation::Locked),
            (403, "AccessDenied", "Object is subject to bucket's retention policy", Situation::Locked),
            (403, "AccessDenied", "Access Denied", Situation::Denied),
            (400, "InvalidRequest", "Content-MD5 is required with Object Lock parameters", Situation::Other),
            (404, "NoSuchKey", "there is no object lock here", Situation::NotFound),
        ] {
            let error = speaker().answered(status, code, message, None);
            assert_eq!(error.situation(), situation, "{message}: {error}");
        }
    }

    #[test]
    fn the_right_region_is_named() {
        for (message, region) in [
            ("the region 'us-east-1' is wrong; expecting 'eu-west-1'", Some("eu-west-1")),
            (
                "unexpected scope: '20261121/x/s3/aws4_request', expected: '20261121/garage/s3/aws4_request'",
                Some("garage"),
            ),
            ("no idea", None),
        ] {
            assert_eq!(region_in(message), region);
        }
        let error = speaker().answered(301, "PermanentRedirect", "", Some("eu-central-1"));
        assert_eq!(error.hints(), ["add region=eu-central-1 to the store's URL"]);
    }
}
