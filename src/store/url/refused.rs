//! Failures that several kinds of URL share.

use crate::error::Error;

/// The failure of a URL that contains a secret; the secret is not repeated.
pub fn credentials_in_url() -> Error {
    Error::usage("the store's URL contains credentials").hint(
        "URLs end up in logs and process lists: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, \
         instead, and revoke a key that was exposed",
    )
}
