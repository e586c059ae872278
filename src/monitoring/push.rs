//! Metrics for a Prometheus Pushgateway.
//!
//! They are sent with POST, which replaces only the metrics that are in it: a run that fails keeps those of the last
//! success. Each name is a group of its own, as a group's metric is replaced with all of its labels. A run that does not
//! come as far as to know a name has a group of its command's, until a later one does.

use super::courier::{Courier, Message};
use super::metrics;
use crate::record::{Entry, Record};
use crate::web::SecretUrl;
use http::Method;
use std::time::{Instant, SystemTime};

/// Pushes the metrics of every entry; after the first that does not arrive no other is tried.
pub async fn push(courier: &Courier, url: &SecretUrl, record: &Record, until: Instant) {
    let now = SystemTime::now();
    let group = |entry| group(url, record.command, entry);
    for entry in &record.entries {
        let body = metrics::text(&metrics::of_entry(record, entry, now));
        let message = Message { content_type: "text/plain; version=0.0.4", body };
        if courier.send("the Pushgateway", &group(entry), &message, until).await.is_none() {
            return;
        }
    }
    if record.entries.iter().all(|entry| !entry.name.is_empty())
        && let Ok(mut request) = group(&Entry::default()).post("text/plain", "")
    {
        *request.method_mut() = Method::DELETE;
        // Other servers take what is pushed too, and not all of them know how to remove it.
        if let Err(why) = courier.deliver(&request, until).await {
            tracing::debug!("the metrics of runs without a name were not removed: {why}");
        }
    }
}

/// The address of an entry's group: `/metrics/job/pgstow/name/NAME`, and what tells apart those with the same name.
fn group(url: &SecretUrl, command: &str, entry: &Entry) -> SecretUrl {
    let mut segments = vec![];
    // Who names a job has said the rest too.
    if !url.path().contains("/metrics/job") {
        segments.extend(["metrics", "job", "pgstow"]);
    }
    // The gateway takes no empty value, and no slash, unless it is encoded.
    use base64::Engine;
    let name = base64::prelude::BASE64_URL_SAFE.encode(&entry.name);
    match (name.as_str(), entry.mode) {
        ("", _) => segments.extend(["name@base64", "=", "command", command]),
        (name, None) => segments.extend(["name@base64", name]),
        (name, Some(mode)) => segments.extend(["name@base64", name, "mode", mode]),
    }
    url.join(&segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_group() {
        let group = |url: &str, name: &str, mode| {
            let entry = Entry { name: name.into(), mode, ..Entry::default() };
            group(&SecretUrl::parse(url).unwrap(), "verify", &entry).post("", "").unwrap().uri().to_string()
        };
        assert_eq!(group("http://g:9091", "a/b", None), "http://g:9091/metrics/job/pgstow/name@base64/YS9i");
        let of_job = |name| group("http://g/p/metrics/job/nightly/", name, Some("quick"));
        assert_eq!(of_job("a"), "http://g/p/metrics/job/nightly/name@base64/YQ==/mode/quick");
        assert_eq!(of_job(""), "http://g/p/metrics/job/nightly/name@base64/=/command/verify");
    }
}
