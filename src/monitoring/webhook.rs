//! Webhooks: a message in the shape of Slack or Discord, by the address, else a JSON document.

use super::courier::{Courier, Message};
use crate::record::{Entry, Record};
use crate::web::SecretUrl;
use serde_json::{Value, json};
use std::time::Instant;

/// Characters of a message that Discord takes.
const MOST_OF_DISCORD: usize = 2000;
/// Characters of the log in a message to Slack, and in a document.
const MOST_OF_LOG: usize = 3000;

/// After which runs a message is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Notify {
    /// After those that failed, and those whose backup is not in every store.
    #[default]
    Failure,
    /// After those that succeeded.
    Success,
    /// After all.
    Always,
}

impl Notify {
    /// Whether a message is sent after this run.
    pub fn after(self, record: &Record) -> bool {
        match self {
            // A store that never gets a backup, without anybody hearing of it, is no second store.
            Notify::Failure => record.failed.is_some() || !record.lacking().is_empty(),
            Notify::Success => record.failed.is_none(),
            Notify::Always => true,
        }
    }
}

/// Sends a message.
pub async fn send(courier: &Courier, url: &SecretUrl, record: &Record, until: Instant) {
    let document = match shape(url) {
        Shape::Slack => slack(record),
        Shape::Discord => discord(record),
        Shape::Document => document(record),
    };
    courier.send("the webhook", url, &Message::json(&document), until).await;
}

/// What an address expects.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    Slack,
    Discord,
    Document,
}

fn shape(url: &SecretUrl) -> Shape {
    let (host, path) = (url.host(), url.path());
    let of = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
    let is_discord = (of("discord.com") || of("discordapp.com")) && path.contains("/webhooks/");
    match () {
        () if of("slack.com") || of("slack-gov.com") || is_discord && path.ends_with("/slack") => {
            Shape::Slack
        }
        () if is_discord => Shape::Discord,
        () => Shape::Document,
    }
}

/// The end of the log of a failed run.
fn log(record: &Record, most: usize) -> String {
    if record.failed.is_none() {
        return String::new();
    }
    let skipped = record.log.chars().count().saturating_sub(most);
    record.log.trim_end().chars().skip(skipped).collect()
}

fn slack(record: &Record) -> Value {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut text = escape(&record.headline(true));
    let log = log(record, MOST_OF_LOG);
    if !log.is_empty() {
        text.push_str(&format!("\n```{}```", escape(&log.replace("```", "'''"))));
    }
    json!({ "text": text })
}

fn discord(record: &Record) -> Value {
    let mut text: String = record.headline(true).chars().take(MOST_OF_DISCORD / 2).collect();
    // Fences take a few characters too.
    let log = log(record, MOST_OF_DISCORD / 2 - 20).replace("```", "'''");
    if !log.is_empty() {
        text.push_str(&format!("\n```\n{log}\n```"));
    }
    // Nothing that a name or message contains calls anybody.
    json!({ "content": text, "allowed_mentions": { "parse": [] } })
}

fn document(record: &Record) -> Value {
    let failed = record.failed.as_ref();
    let log = log(record, MOST_OF_LOG);
    json!({
        "text": record.headline(true),
        "tool": concat!("pgstow ", env!("CARGO_PKG_VERSION")),
        "command": record.command,
        "status": if failed.is_some() { "failure" } else { "success" },
        "started_at": humantime::format_rfc3339_seconds(record.started_at).to_string(),
        "duration_s": record.took.as_secs_f64(),
        "exit_code": record.exit_code(),
        "error": failed.map(|failed| &failed.message),
        "hints": failed.map(|failed| &failed.hints[..]).unwrap_or_default(),
        "results": record.entries.iter().map(result).collect::<Vec<_>>(),
        "log": log.lines().collect::<Vec<_>>(),
    })
}

fn result(entry: &Entry) -> Value {
    json!({
        "name": entry.name,
        "id": entry.id,
        "mode": entry.mode,
        "stored_bytes": entry.stored_bytes,
        "plain_bytes": entry.plain_bytes,
        "tables": entry.tables,
        "rows": entry.rows,
        "duration_s": entry.took.map(|took| took.as_secs_f64()),
        "error": entry.failed.as_ref().map(|failed| &failed.message),
        "exit_code": entry.failed.as_ref().map_or(0, |failed| failed.exit_code),
        "lacking": entry.lacking,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::record::Failed;
    use std::time::{Duration, SystemTime};

    fn failed(log: &str) -> Record {
        Record {
            command: "backup",
            started_at: SystemTime::UNIX_EPOCH,
            took: Duration::from_secs(1),
            failed: Some(Failed::new(&Error::store("no <b> & @everyone"), true)),
            entries: vec![Entry { name: "app".into(), ..Entry::default() }],
            log: log.to_owned(),
        }
    }

    #[test]
    fn the_address_decides_the_shape() {
        for (url, expected) in [
            ("https://hooks.slack.com/services/T0/B0/x", Shape::Slack),
            ("https://discord.com/api/webhooks/1/x", Shape::Discord),
            ("https://discord.com/api/webhooks/1/x/slack", Shape::Slack),
            ("https://example.com/hooks/x", Shape::Document),
            ("https://notslack.com/services/x", Shape::Document),
        ] {
            assert_eq!(shape(&SecretUrl::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn messages_keep_the_services_limits_and_call_nobody() {
        let long = failed(&format!("{}``` ends here", "é".repeat(10_000)));
        let said = discord(&long);
        let text = said["content"].as_str().unwrap();
        assert!(text.chars().count() <= MOST_OF_DISCORD && text.ends_with("''' ends here\n```"), "{text}");
        assert_eq!(said["allowed_mentions"]["parse"], json!([]));
        let text = slack(&long)["text"].as_str().unwrap().to_owned();
        assert!(text.contains("no &lt;b&gt; &amp; @everyone\n```é") && text.ends_with("''' ends here```"));
        assert_eq!(document(&failed("one\ntwo\n"))["log"], json!(["one", "two"]));
    }
}
