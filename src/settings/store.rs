//! Where backups lie, and how to talk to the store.

use super::environment::{explain_empty, variable};
use crate::cli::StoreWords;
use crate::error::{Error, Result};
use crate::store::{Credentials, OpenOptions, StoreUrl};
use crate::stored::opened::Location;

/// Checks the words about the store.
pub(super) fn location(words: &StoreWords) -> Result<Location> {
    let Some(text) = &words.store else {
        let missing = Error::usage("no store was given").hint(
            "say where backups lie with --store or PGSTOW_STORE: file:///folder, s3://bucket/prefix, b2://bucket/prefix?region=…, gs://bucket/prefix",
        );
        return Err(explain_empty(missing, &["PGSTOW_STORE"]));
    };
    let url: StoreUrl = text.parse()?;
    let options = OpenOptions {
        request_timeout: words.timeout,
        credentials: b2_credentials(text),
        endpoint: variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL")),
        ..OpenOptions::default()
    };
    Ok(Location { url, options })
}

/// Backblaze's own variables, for `b2://` where Amazon's are not set.
fn b2_credentials(url: &str) -> Option<Credentials> {
    if !url.starts_with("b2://") || variable("AWS_ACCESS_KEY_ID").is_some() {
        return None;
    }
    Some(Credentials {
        access_key_id: variable("B2_APPLICATION_KEY_ID")?,
        secret_access_key: variable("B2_APPLICATION_KEY")?,
        session_token: None,
    })
}
