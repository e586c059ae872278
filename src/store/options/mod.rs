//! How to talk to a store: deadlines, retries, and credentials that are never printed.

pub mod authorities;
pub mod object_options;

use crate::store::options::authorities::Authorities;
use crate::store::options::object_options::{CustomerKey, LockWish};
use crate::store::retry::Retry;
use crate::store::retry::rate::{Rates, SLOWEST};
use std::fmt;
use std::time::Duration;

/// How long a request may take that carries `bytes` bytes.
pub(super) fn deadline(request_timeout: Duration, bytes: u64) -> Duration {
    request_timeout + Duration::from_secs(bytes / SLOWEST)
}

/// How to talk to a store.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// How long one request may take, plus the time its bytes need at 128 KiB/s.
    pub request_timeout: Duration,
    /// How long it may take to connect.
    pub connect_timeout: Duration,
    /// How long to retry.
    pub retry: Retry,
    /// Credentials to use instead of those that the SDK finds.
    pub credentials: Option<Credentials>,
    /// Which files Amazon's tools read, in words: for messages.
    pub aws_files: String,
    /// The endpoint if the URL has none, as in `AWS_ENDPOINT_URL_S3`.
    pub endpoint: Option<String>,
    /// The lock for each new object, if it is not the bucket's own.
    pub lock: Option<LockWish>,
    /// The key with which the service encrypts new objects, and needs to read them.
    pub customer_key: Option<CustomerKey>,
    /// How many bytes may be sent, and how many read, in a second: by all stores together that have a clone of it.
    pub rates: Rates,
    /// Certificates of authorities to trust besides those of the machine.
    pub authorities: Option<Authorities>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            retry: Retry::default(),
            credentials: None,
            aws_files: "~/.aws/config and ~/.aws/credentials".to_owned(),
            endpoint: None,
            lock: None,
            customer_key: None,
            rates: Rates::new(None),
            authorities: None,
        }
    }
}

/// An access key with its secret; prints only the first.
#[derive(Clone)]
pub struct Credentials {
    /// The access key's id, or B2's application key id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The session token of temporary credentials.
    pub session_token: Option<String>,
    /// The variable that has the id.
    pub variable: &'static str,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_show_their_secret() {
        let credentials = Credentials {
            access_key_id: "AK".into(),
            secret_access_key: "hush".into(),
            session_token: Some("hush".into()),
            variable: "a test",
        };
        assert!(!format!("{credentials:?}").contains("hush"));
    }
}
