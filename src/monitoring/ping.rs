//! Pings in the protocol of healthchecks.io: `/start`, the address itself for success, `/fail` with the last lines.
//!
//! What expects a ping raises the alarm if none comes: the only alarm that also works if nothing ran at all.

use super::courier::{Courier, Message};
use crate::record::Record;
use crate::text::one_line;
use crate::web::SecretUrl;
use std::time::Instant;

/// Where pings of those go who give only the check's id.
const HEALTHCHECKS: &str = "https://hc-ping.com";
/// The end of the log that is sent, in bytes.
const MOST_SENT: usize = 10_000;
const WHAT: &str = "what expects a ping";

/// Reads an address; the id of a check at healthchecks.io, or `KEY/SLUG`, is one too.
pub fn parse(text: &str) -> Result<SecretUrl, &'static str> {
    let text = text.trim();
    let is_segment =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let path = text.split('?').next().unwrap_or_default();
    let is_id = path.len() == 36 && path.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let is_slug = path.split_once('/').is_some_and(|(key, slug)| is_segment(key) && is_segment(slug));
    match is_id || is_slug {
        true => SecretUrl::parse(&format!("{HEALTHCHECKS}/{text}")),
        false => SecretUrl::parse(text),
    }
}

/// An id for a run: a UUID, as the protocol wants it.
pub fn run_id() -> String {
    let mut bytes = [0_u8; 16];
    // Without randomness two runs at the same moment could be mixed up, no more.
    let _ = getrandom::fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default());
    parts.join("-")
}

/// Says that a run has begun.
pub async fn start(courier: &Courier, url: &SecretUrl, run_id: &str, until: Instant) {
    let url = url.join(&["start"]).with("rid", run_id);
    courier.send(WHAT, &url, &Message::text(String::new()), until).await;
}

/// Says how it ended.
pub async fn end(courier: &Courier, url: &SecretUrl, run_id: &str, record: &Record, until: Instant) {
    let url = if record.failed.is_some() { url.join(&["fail"]) } else { url.clone() };
    let message = Message::text(body(record));
    let answer = courier.send(WHAT, &url.with("rid", run_id), &message, until).await;
    // healthchecks.io answers 200 even if there is no such check.
    if let Some(answer) = answer.filter(|answer| answer.starts_with("OK (")) {
        tracing::warn!("{WHAT} at {url} did not count the ping: {}", one_line(answer.trim()));
    }
}

fn body(record: &Record) -> String {
    let mut body = record.headline(true);
    if record.failed.is_some() && !record.log.is_empty() {
        body.push_str("\n\n");
        let start = record.log.len().saturating_sub(MOST_SENT);
        let start = (start..record.log.len()).find(|at| record.log.is_char_boundary(*at)).unwrap_or_default();
        body.push_str(record.log.get(start..).unwrap_or_default());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_alone_is_one_of_healthchecks_io() {
        let full = |text: &str| parse(text).map(|url| url.post("", "").unwrap().uri().to_string());
        let id = "5dc9a1fe-0f1a-4c5b-9d2e-0123456789ab";
        assert_eq!(full(id), Ok(format!("https://hc-ping.com/{id}")));
        let slug = "https://hc-ping.com/fqOOd6-F4MMNuCEnzTU01w/app-nightly?create=1";
        assert_eq!(full("fqOOd6-F4MMNuCEnzTU01w/app-nightly?create=1").as_deref(), Ok(slug));
        assert_eq!(full("http://hc.local:8000/ping/x").as_deref(), Ok("http://hc.local:8000/ping/x"));
        assert!(full("app-nightly").is_err() && full("hc.local:8000/ping/x").is_err());
        let id = run_id();
        assert!(id.len() == 36 && id.as_bytes()[14] == b'4' && id != run_id(), "{id}");
    }
}
