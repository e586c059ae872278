//! Metrics for a Prometheus Pushgateway.
//!
//! They are sent with POST, which replaces only the metrics that are in it: a run that fails keeps those of the last
//! success. Each name is a group of its own, as a group's metric is replaced with all of its labels.

use super::courier::{Courier, Message};
use super::metrics;
use crate::record::{Entry, Record};
use crate::web::SecretUrl;
use std::time::{Instant, SystemTime};

/// Pushes the metrics of every entry; after the first that does not arrive no other is tried.
pub async fn push(courier: &Courier, url: &SecretUrl, record: &Record, until: Instant) {
    let now = SystemTime::now();
    for entry in &record.entries {
        let body = metrics::text(&metrics::of_entry(record, entry, now));
        let message = Message { content_type: "text/plain; version=0.0.4", body };
        if courier.send("the Pushgateway", &group(url, entry), &message, until).await.is_none() {
            return;
        }
    }
}

/// The address of an entry's group: `/metrics/job/pgstow/name/NAME`.
fn group(url: &SecretUrl, entry: &Entry) -> SecretUrl {
    let mut segments = vec![];
    // Who names a job has said the rest too.
    if !url.path().contains("/metrics/job") {
        segments.extend(["metrics", "job", "pgstow"]);
    }
    // The gateway takes no empty value, and no slash, unless it is encoded.
    use base64::Engine;
    let name = base64::prelude::BASE64_URL_SAFE.encode(&entry.name);
    let name = if name.is_empty() { "=" } else { name.as_str() };
    segments.extend(["name@base64", name]);
    if let Some(mode) = entry.mode {
        segments.extend(["mode", mode]);
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
            group(&SecretUrl::parse(url).unwrap(), &entry).post("", "").unwrap().uri().to_string()
        };
        assert_eq!(group("http://g:9091", "a/b", None), "http://g:9091/metrics/job/pgstow/name@base64/YS9i");
        assert_eq!(
            group("http://g/p/metrics/job/nightly/", "", Some("quick")),
            "http://g/p/metrics/job/nightly/name@base64/=/mode/quick"
        );
    }
}
