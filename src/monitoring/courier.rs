//! Sends a message, a few times if need be; warns if it did not arrive.

use crate::text::one_line;
use crate::web::{Answer, Client, SecretUrl};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use std::time::{Duration, Instant};

/// How often a message is sent before it is given up.
const TRIES: u32 = 3;
/// How long one attempt may take.
const ONE_ATTEMPT: Duration = Duration::from_secs(10);
/// The pause before the second attempt; the next is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// How many characters of an answer are shown.
const MOST_SHOWN: usize = 200;

/// A message: its media type and its body.
#[derive(Debug, Clone)]
pub struct Message {
    pub content_type: &'static str,
    pub body: String,
}

impl Message {
    /// Plain text.
    pub fn text(body: String) -> Self {
        Self { content_type: "text/plain; charset=utf-8", body }
    }

    /// A JSON document.
    pub fn json(document: &serde_json::Value) -> Self {
        Self { content_type: "application/json", body: document.to_string() }
    }
}

/// Sends messages; clones share their connections.
#[derive(Clone)]
pub struct Courier(Client);

impl Courier {
    /// Prepares; warns if this machine can reach nobody.
    pub fn new() -> Option<Self> {
        let client = Client::new();
        let warn = |e: &std::io::Error| tracing::warn!("nobody will hear how the run goes: {e}");
        client.inspect_err(warn).ok().map(Self)
    }

    /// Sends a message before `until`; warns if it was not accepted. `what` names the receiver. The answer's body.
    pub async fn send(
        &self,
        what: &str,
        to: &SecretUrl,
        message: &Message,
        until: Instant,
    ) -> Option<String> {
        let sent = match to.post(message.content_type, message.body.clone()) {
            Ok(request) => self.deliver(&request, until).await,
            Err(why) => Err(why),
        };
        match sent {
            Ok(body) => Some(String::from_utf8_lossy(&body).into_owned()),
            Err(why) => {
                tracing::warn!("{what} at {to} was not reached: {why}");
                None
            }
        }
    }

    /// Makes a request, again if that may help, before `until`; fails, saying why, if it was not accepted.
    pub async fn deliver(&self, request: &Request<Full<Bytes>>, until: Instant) -> Result<Bytes, String> {
        let (mut pause, mut tries) = (PAUSE, 0);
        loop {
            tries += 1;
            let left = until.saturating_duration_since(Instant::now());
            let (wait, why) = match self.0.once(request.clone(), left.min(ONE_ATTEMPT)).await {
                Ok(Answer { status, body, .. }) if status.is_success() => return Ok(body),
                Ok(Answer { status, body, retry_after }) => {
                    let why = refusal(status, &body);
                    if !may_pass(status) {
                        return Err(why);
                    }
                    (retry_after.unwrap_or(pause), why)
                }
                Err(why) => (pause, why),
            };
            // A server may ask for any pause, also for one that no clock can count.
            if tries == TRIES || wait >= until.saturating_duration_since(Instant::now()) {
                return Err(why);
            }
            tracing::debug!("a message was not accepted: {why}; retrying");
            tokio::time::sleep(wait).await;
            pause *= 2;
        }
    }
}

/// Whether the same message may be accepted a moment later.
fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500..)
}

fn refusal(status: StatusCode, body: &[u8]) -> String {
    let said: String = one_line(String::from_utf8_lossy(body).trim()).chars().take(MOST_SHOWN).collect();
    let colon = if said.is_empty() { "" } else { ": " };
    format!("it answered {}{colon}{said}", status.as_u16())
}
