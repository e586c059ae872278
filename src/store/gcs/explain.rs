//! What Google and the network answer, as situations, sentences and hints. Status codes end here.
//!
//! The three ways to Google (XML, JSON, gRPC) number their failures differently and word them alike: each becomes a
//! status, a code and a message, and these become a situation in one place.

use crate::store::contract::error::{Situation, StoreError, chain};
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::error::{CredentialsError, Error as GoogleError};
use std::error::Error as StdError;
use std::time::Duration;

/// Explains failures of one bucket: it knows which host was asked.
#[derive(Clone)]
pub(super) struct Speaker {
    bucket: String,
    host: String,
}

/// How to get credentials.
const LOG_IN: &str = "set GOOGLE_APPLICATION_CREDENTIALS to a key or federation file, add credentials=/file.json to \
                      the store's URL, or run: gcloud auth application-default login; a machine of Google's has them \
                      if a service account is attached to it";

impl Speaker {
    pub(super) fn new(bucket: &str, host: String) -> Self {
        Self { bucket: bucket.to_owned(), host }
    }

    /// What an error of Google's client means.
    pub(super) fn google(&self, error: &GoogleError) -> StoreError {
        let chain = chain(error);
        let denied = error.source().and_then(|source| source.downcast_ref::<CredentialsError>());
        if let Some(error) = denied {
            // A moment ago there was a token to begin the request with.
            return self.no_token(error, true);
        }
        if chain.contains("checksum") && !chain.contains("no checksum") {
            return new(Situation::Damaged, "the bytes that arrived do not match their checksum")
                .because(chain);
        }
        let status = error.status();
        let code = status.map(|status| status.code);
        let number = error.http_status_code().or_else(|| code.map(number_of));
        match number {
            Some(number) => {
                // JSON failures have a status as well, but only gRPC's own is more than the number's name.
                let name = code.filter(|_| error.http_status_code().is_none()).map_or("", |code| code.name());
                let message = status.map(|status| status.message.clone());
                self.answered(number, name, &message.unwrap_or(chain))
            }
            None if error.is_deserialization() => self.nonsense(error),
            None if error.is_timeout() => self.lost(&format!("timed out: {chain}")),
            None => self.lost(&chain),
        }
    }

    /// What it means that there was no answer from the XML API.
    pub(super) fn unanswered(&self, error: &reqwest::Error) -> StoreError {
        self.lost(&chain(error))
    }

    /// What an answer means.
    pub(super) fn answered(&self, status: u16, code: &str, message: &str) -> StoreError {
        let error = self
            .about_place(status, code, message)
            .or_else(|| self.about_rights(status, code, message))
            .unwrap_or_else(|| about_request(status, code, message));
        if message.is_empty() { error } else { error.because(message) }
    }

    fn about_place(&self, status: u16, code: &str, message: &str) -> Option<StoreError> {
        use Situation::{Denied, Locked, NoSpace, Other};
        let named = named(status, code);
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        let bucket = &self.bucket;
        Some(match (code, status) {
            ("NoSuchBucket", _) => self.no_bucket(),
            (_, 404) if says(&["bucket does not exist", "bucket was not found"]) => self.no_bucket(),
            ("UserProjectMissing", _) => requester_pays(bucket),
            (_, 400) if says(&["requester pays", "requesterPays"]) => requester_pays(bucket),
            (_, 400 | 403) if says(&["Cloud KMS", "cloudkms"]) => {
                new(Denied, format!("the KMS key cannot be used for bucket {bucket} ({named})")).hint(
                    "the key must be in the bucket's location, and Cloud Storage's service agent of the bucket's \
                     project needs roles/cloudkms.cryptoKeyEncrypterDecrypter on it",
                )
            }
            (_, 403) if says(&["USER_PROJECT_DENIED", "serviceusage.services.use", "required permission to use project"]) => {
                new(Denied, format!("the requests may not be charged to the project they name ({named})")).hint(
                    "check GOOGLE_CLOUD_QUOTA_PROJECT and quota_project_id in the credentials file; the account needs \
                     roles/serviceusage.serviceUsageConsumer on that project",
                )
            }
            (_, 403) if says(&["billing account"]) || code.contains("AccountProblem") => {
                new(Denied, format!("billing is disabled for the project of bucket {bucket} ({named})"))
                    .hint("link a billing account to the project that owns the bucket")
            }
            (_, 403 | 412) if says(&["retention policy", "object retention", "object hold", "Object hold", " hold and cannot"]) => {
                new(Locked, format!("the object is locked ({named})"))
            }
            ("QuotaExceeded", _) | (_, 507) => {
                new(NoSpace, format!("a quota is used up ({named})")).hint("raise the quota, or delete old backups")
            }
            (_, 301 | 302 | 307 | 308) => {
                new(Other, format!("{} sends the request elsewhere ({named})", self.host))
                    .hint("a token is never sent on to another host: check endpoint=… in the store's URL")
            }
            _ => return None,
        })
    }

    fn about_rights(&self, status: u16, code: &str, message: &str) -> Option<StoreError> {
        let (bucket, named) = (&self.bucket, named(status, code));
        match status {
            401 => Some(new(Situation::Expired, format!("{} rejects the token ({named})", self.host)).hint(
                "the credentials may have been revoked or belong to another cloud, or this machine's clock is wrong: \
                 tokens are valid for a short time",
            )),
            403 => {
                let Some((who, permission)) = lacking(message) else {
                    let message = format!("access to bucket {bucket} is denied ({named})");
                    return Some(new(Situation::Denied, message).hint(role_for("")));
                };
                Some(
                    new(Situation::Denied, format!("{who} lacks the permission {permission} on bucket {bucket}"))
                        .hint(role_for(permission)),
                )
            }
            _ => None,
        }
    }

    fn no_bucket(&self) -> StoreError {
        new(Situation::NoStore, format!("there is no bucket {} at {}", self.bucket, self.host))
            .hint("check the bucket's name; pgstow does not create buckets")
    }

    /// The same failure; "not found" is about the bucket if the request was.
    pub(super) fn of_bucket(&self, error: StoreError) -> StoreError {
        match error.situation() {
            Situation::NotFound => self.no_bucket().because(error),
            _ => error,
        }
    }

    /// There is no token; `accepted` says whether the store has accepted one in this run.
    pub(super) fn no_token(&self, error: &CredentialsError, accepted: bool) -> StoreError {
        use Situation::{Expired, Unreachable};
        let chain = chain(error);
        let says = |words: &[&str]| words.iter().any(|word| chain.contains(word));
        let is_elsewhere = says(&["not running in a Google Cloud Environment"]);
        // A machine whose metadata nobody answers for is none of Google's, unless it was one before.
        let said = if error.is_transient() && (accepted || !is_elsewhere) {
            new(Unreachable, "Google's token service does not answer").hint("check the network and its proxy")
        } else if is_elsewhere {
            new(Expired, "no credentials for Google Cloud were found").hint(LOG_IN)
        } else if says(&["invalid_grant", "invalid_rapt", "expired", "revoked"]) {
            new(Expired, "the credentials for Google Cloud have expired or were revoked").hint(
                "log in again (gcloud auth application-default login), or replace the key file; for a federated \
                 identity, check that its token is still valid",
            )
        } else if says(&["iamcredentials", "getAccessToken", "impersonat"]) {
            new(Expired, "the service account cannot be impersonated")
                .hint("grant roles/iam.serviceAccountTokenCreator on it to the account that impersonates it")
        } else {
            new(Expired, "Google gives no token for these credentials").hint(LOG_IN)
        };
        said.because(cause(error, &chain))
    }

    /// No token came within the deadline.
    pub(super) fn token_late(&self, deadline: Duration) -> StoreError {
        let message = format!("Google's token service did not answer within {} s", deadline.as_secs_f32());
        new(Situation::Unreachable, message).hint("check the network and its proxy")
    }

    /// What it means that a connection failed, or ended.
    fn lost(&self, chain: &str) -> StoreError {
        use Situation::{Other, Unreachable};
        let host = &self.host;
        let says = |words: &[&str]| words.iter().any(|word| chain.contains(word));
        let said = if says(&["dns error", "failed to lookup address"]) {
            new(Unreachable, format!("{host} cannot be found"))
                .hint("check endpoint=… in the store's URL, and the network's DNS")
        } else if says(&["Connection refused", "ConnectionRefused"]) {
            new(Unreachable, format!("{host} refuses connections"))
                .hint("check endpoint=… in the store's URL")
        } else if says(&[
            "certificate",
            "Certificate",
            "UnknownIssuer",
            "InvalidContentType",
            "corrupt message",
        ]) {
            new(Other, format!("no trusted TLS connection to {host}")).hint(
                "check the endpoint's https://; a machine or image without certificates needs the package ca-certificates; for a certificate authority of your own, set SSL_CERT_FILE to its certificate",
            )
        } else if says(&["timed out", "timeout"]) {
            new(Unreachable, format!("{host} does not answer")).hint("check endpoint and firewall")
        } else {
            new(Unreachable, format!("the connection to {host} broke"))
        };
        said.because(chain.to_owned())
    }

    /// No answer came within the deadline.
    pub(super) fn silent(&self, deadline: Duration) -> StoreError {
        let message = format!("{} did not answer within {} s", self.host, deadline.as_secs_f32());
        new(Situation::Unreachable, message).hint("if the network is slow, raise --timeout")
    }

    /// An answer does not end.
    pub(super) fn endless(&self) -> StoreError {
        let message =
            format!("the answer of {} is too long to be one, and was not read to its end", self.host);
        new(Situation::Other, message).hint("check that the endpoint is Google Cloud Storage")
    }

    /// An answer is not what the API answers.
    pub(super) fn nonsense(&self, error: &(dyn StdError + 'static)) -> StoreError {
        new(Situation::Transient, format!("the answer of {} cannot be understood", self.host))
            .because(chain(error))
            .hint("check that the endpoint is Google Cloud Storage")
    }
}

fn about_request(status: u16, code: &str, message: &str) -> StoreError {
    use Situation::{Exists, NotFound, Other, Transient, Unsupported};
    let named = named(status, code);
    match (code, status) {
        ("NoSuchUpload", _) => new(NotFound, "the store does not know this upload (any more)")
            .hint("somebody aborted it, or a lifecycle rule of the bucket did: give the rule more days"),
        ("BadDigest" | "InvalidDigest", _) => damaged(),
        // JSON has no code for it: "Provided CRC32C … doesn't match calculated CRC32C …".
        (_, 400) if message.contains("match calculated") => damaged(),
        ("InternalError" | "ServiceUnavailable" | "SlowDown" | "RequestTimeout" | "OperationAborted", _)
        | (_, 408 | 409 | 429 | 500 | 502 | 503 | 504) => {
            new(Transient, format!("the store answered {named}"))
        }
        (_, 405 | 501) => new(Unsupported, format!("the store does not support this request ({named})")),
        (_, 404) => new(NotFound, "there is no such object"),
        (_, 412) => new(Exists, "the object exists"),
        (_, 200..=299) => new(Transient, format!("the store answered {named} with an error in it")),
        _ => new(Other, format!("the store rejects the request ({named})")),
    }
}

fn damaged() -> StoreError {
    new(Situation::Damaged, "the bytes that arrived do not match their checksum")
}

fn requester_pays(bucket: &str) -> StoreError {
    new(Situation::Denied, format!("whoever uses bucket {bucket} pays for it, and no project was named"))
        .hint("set GOOGLE_CLOUD_QUOTA_PROJECT to the project that pays")
}

/// Who lacks which permission, as Google says it: "WHO does not have storage.objects.get access to …".
fn lacking(message: &str) -> Option<(&str, &str)> {
    let (who, rest) = message.split_once(" does not have ")?;
    let (permission, _) = rest.split_once(" access")?;
    let who = who.rsplit([' ', '\n']).next().filter(|who| who.contains('@')).unwrap_or("the account");
    let is_one = permission.starts_with("storage.") && !permission.contains(' ');
    is_one.then_some((who, permission))
}

/// The least role that has a permission, as a hint.
fn role_for(permission: &str) -> &'static str {
    match permission {
        "storage.objects.create" | "storage.multipartUploads.create" | "storage.multipartUploads.abort" => {
            "grant roles/storage.objectCreator on the bucket: it may write, and neither read, list nor overwrite"
        }
        "storage.objects.get" | "storage.objects.list" => {
            "grant roles/storage.objectViewer on the bucket: it may read and list"
        }
        "storage.objects.delete" | "storage.multipartUploads.list" => {
            "grant roles/storage.objectUser on the bucket: it may read, write, overwrite and delete"
        }
        _ => {
            "writing needs roles/storage.objectCreator on the bucket, reading roles/storage.objectViewer, deleting \
             roles/storage.objectUser"
        }
    }
}

/// The HTTP status that means the same as gRPC's code.
fn number_of(code: Code) -> u16 {
    match code {
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::Aborted => 409,
        Code::AlreadyExists | Code::FailedPrecondition => 412,
        Code::OutOfRange => 416,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unavailable | Code::Cancelled => 503,
        Code::DeadlineExceeded => 504,
        Code::InvalidArgument => 400,
        _ => 500,
    }
}

fn named(status: u16, code: &str) -> String {
    if code.is_empty() { status.to_string() } else { format!("{status} {code}") }
}

fn new(situation: Situation, message: impl Into<String>) -> StoreError {
    StoreError::new(situation, message)
}

/// Why there is no token: what the token service answered and the last cause, without what the library says around both.
fn cause(error: &CredentialsError, chain: &str) -> String {
    let mut last: &(dyn StdError + 'static) = error;
    while let Some(next) = last.source() {
        last = next;
    }
    match chain.split_once("body=<").and_then(|(_, rest)| rest.split_once('>')) {
        Some((body, _)) => format!("{last}: {body}"),
        None => last.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaker() -> Speaker {
        Speaker::new("b", "host".to_owned())
    }

    #[test]
    fn answers_become_situations() {
        for (status, code, situation) in [
            (404, "NoSuchKey", Situation::NotFound),
            (404, "NoSuchUpload", Situation::NotFound),
            (404, "NoSuchBucket", Situation::NoStore),
            (404, "", Situation::NotFound),
            (401, "AuthenticationRequired", Situation::Expired),
            (403, "AccessDenied", Situation::Denied),
            (403, "UserProjectAccountProblem", Situation::Denied),
            (400, "UserProjectMissing", Situation::Denied),
            (400, "BadDigest", Situation::Damaged),
            (400, "EntityTooSmall", Situation::Other),
            (412, "PreconditionFailed", Situation::Exists),
            (429, "", Situation::Transient),
            (200, "InternalError", Situation::Transient),
            (200, "", Situation::Transient),
            (500, "InternalError", Situation::Transient),
            (503, "ServiceUnavailable", Situation::Transient),
            (501, "", Situation::Unsupported),
            (307, "", Situation::Other),
        ] {
            let error = speaker().answered(status, code, "");
            assert_eq!(error.situation(), situation, "{status} {code}: {error}");
        }
    }

    #[test]
    fn what_google_says_in_words_is_understood() {
        let lacks = "backup@p.iam.gserviceaccount.com does not have storage.objects.create access to the Google Cloud \
            Storage object. Permission 'storage.objects.create' denied on resource (or it may not exist).";
        for (status, message, situation, says, hint) in [
            (
                403,
                lacks,
                Situation::Denied,
                "backup@p.iam.gserviceaccount.com lacks the permission storage.objects.create on bucket b",
                "roles/storage.objectCreator",
            ),
            (
                403,
                "Anonymous caller does not have storage.objects.list access to b.",
                Situation::Denied,
                "the account lacks the permission storage.objects.list",
                "objectViewer",
            ),
            (
                404,
                "The specified bucket does not exist.",
                Situation::NoStore,
                "no bucket b at host",
                "bucket's name",
            ),
            (404, "No such object: b/k", Situation::NotFound, "no such object", ""),
            (
                403,
                "Caller does not have required permission to use project p.",
                Situation::Denied,
                "charged to the project",
                "GOOGLE_CLOUD_QUOTA_PROJECT",
            ),
            (
                403,
                "The billing account for the owning project is disabled in state absent",
                Situation::Denied,
                "billing is disabled",
                "billing account",
            ),
            (
                403,
                "Object 'b/k' is subject to bucket's retention policy and cannot be deleted or overwritten",
                Situation::Locked,
                "is locked",
                "",
            ),
            (
                403,
                "Object 'b/k' is under active Event-Based hold and cannot be deleted, overwritten or archived",
                Situation::Locked,
                "is locked",
                "",
            ),
            (
                403,
                "Permission denied on Cloud KMS key.",
                Situation::Denied,
                "KMS key",
                "cloudkms.cryptoKeyEncrypterDecrypter",
            ),
            (
                400,
                "Provided CRC32C \"x\" doesn't match calculated CRC32C \"y\".",
                Situation::Damaged,
                "do not match their checksum",
                "",
            ),
            (
                400,
                "Bucket is a requester pays bucket but no user project provided.",
                Situation::Denied,
                "pays for it",
                "GOOGLE_CLOUD_QUOTA_PROJECT",
            ),
        ] {
            let error = speaker().answered(status, "", message);
            assert_eq!(error.situation(), situation, "{message}: {error}");
            assert!(error.to_string().contains(says), "{message}: {error}");
            assert!(error.hints().concat().contains(hint), "{message}: {:?}", error.hints());
        }
    }

    #[test]
    fn a_token_that_is_not_given_says_why() {
        let elsewhere = "you are not running in a Google Cloud Environment";
        let cases = [
            (false, elsewhere, Situation::Expired, "no credentials"),
            (true, elsewhere, Situation::Expired, "no credentials"),
            (
                true,
                "503 from iamcredentials.googleapis.com",
                Situation::Unreachable,
                "token service does not answer",
            ),
            (false, r#"{"error":"invalid_grant"}"#, Situation::Expired, "have expired or were revoked"),
            (false, "403 from iamcredentials.googleapis.com", Situation::Expired, "impersonated"),
            (true, "503", Situation::Unreachable, "token service does not answer"),
            (false, "?", Situation::Expired, "no token"),
        ];
        for (transient, why, situation, says) in cases {
            let error = speaker().no_token(&CredentialsError::from_msg(transient, why), false);
            assert_eq!(error.situation(), situation, "{why}: {error}");
            assert!(error.to_string().contains(says), "{why}: {error}");
        }
        let error = speaker().no_token(&CredentialsError::from_msg(true, elsewhere), true);
        assert_eq!(
            error.situation(),
            Situation::Unreachable,
            "a machine that had tokens will have some again"
        );
    }
}
