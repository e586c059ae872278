//! Refusals that several kinds of URL share.

use crate::error::Error;

/// The failure of a URL with a secret in it, which is not repeated.
pub fn credentials_in_url() -> Error {
    Error::usage("the store's URL holds credentials").hint(
        "URLs end up in logs and process lists: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, \
         instead, and replace a key that was shown",
    )
}
