//! Where backups lie, and how to talk to the store.

use super::environment::{blank_among, explain_empty, variable};
use crate::cli::StoreWords;
use crate::error::{Error, Result};
use crate::store::{Credentials, OpenOptions, Retry, StoreUrl};
use crate::stored::opened::Location;
use std::path::Path;
use std::time::Duration;

/// How long a verb that only looks retries, if nothing else is said: somebody waits for it.
const LOOKING: Duration = Duration::from_secs(30);

/// Checks the words about the store for a verb that only looks.
pub(super) fn location_to_look_at(words: &StoreWords) -> Result<Location> {
    let mut location = location(words)?;
    let retry = Retry::lasting(words.retry_for.unwrap_or(LOOKING));
    location.options.retry = retry.with_pauses(Duration::from_millis(500), Duration::from_secs(5));
    Ok(location)
}

/// Checks the words about the store.
pub(super) fn location(words: &StoreWords) -> Result<Location> {
    let Some(text) = &words.store else {
        let missing = Error::usage("no store was given").hint(
            "say where backups lie with --store or PGSTOW_STORE: file:///folder, s3://bucket/prefix, b2://bucket/prefix?region=…, gs://bucket/prefix",
        );
        return Err(explain_empty(missing, &["PGSTOW_STORE"]));
    };
    let url: StoreUrl = text.parse()?;
    refuse_empty_keys(text)?;
    let options = OpenOptions {
        request_timeout: words.timeout,
        retry: Retry::lasting(words.retry_for.unwrap_or(Retry::USUAL)),
        credentials: b2_credentials(text),
        endpoint: variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL")),
        ..OpenOptions::default()
    };
    Ok(Location { url, options })
}

/// Refuses keys to a cloud that are set, but empty, if nothing else is there to be used.
///
/// Amazon's libraries treat them as unset and finally ask the machine's metadata service: on most machines a long wait,
/// and an error that does not mention them.
fn refuse_empty_keys(url: &str) -> Result<()> {
    const KEYS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    const OTHER_WAYS: [&str; 5] = [
        "AWS_PROFILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    const OF_B2: [&str; 2] = ["B2_APPLICATION_KEY_ID", "B2_APPLICATION_KEY"];
    let is_b2 = url.starts_with("b2://");
    if !is_b2 && !url.starts_with("s3://") {
        return Ok(());
    }
    let has_other_way = OTHER_WAYS.iter().any(|name| variable(name).is_some())
        || variable("HOME").is_some_and(|home| Path::new(&home).join(".aws/credentials").exists())
        || (is_b2 && OF_B2.iter().all(|name| variable(name).is_some()));
    let of_b2: &[&str] = if is_b2 { &OF_B2 } else { &[] };
    match blank_among(&[&KEYS, of_b2].concat()) {
        Some(blank) if !has_other_way => Err(Error::settings(format!("the store needs a key, and {blank}"))
            .hint(
                "in CI, a secret that does not exist looks like that; unset them if the machine has a role",
            )),
        _ => Ok(()),
    }
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
