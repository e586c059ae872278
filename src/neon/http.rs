//! Requests to the API: JSON over HTTPS, retried if that does no harm.
//!
//! 423 (another operation of the project is running), 429 and 503 mean that nothing was done: such requests are retried
//! until the time is up, with growing pauses. After a broken connection or another server error it is not known what
//! was done, so only requests that may be carried out twice are repeated.

use super::secret::ApiKey;
use super::shapes::Refusal;
use super::situation::Situation;
use crate::error::{Error, Kind, Result};
use crate::web::{self, Client};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::time::{Duration, Instant};
use url::Url;

/// How long one request may take.
const ONE_REQUEST: Duration = Duration::from_secs(30);
/// The first pause before a retry; it doubles each time, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long an API that breaks connections is retried, at most.
const BROKEN: Duration = Duration::from_secs(30);

/// The result of a request that changes something.
pub enum Answer<T> {
    /// It was done.
    Done(T),
    /// It was not done.
    Refused(Error),
    /// It is not known whether it was done.
    Lost(Error),
}

/// The API's address and key.
pub struct Http {
    client: Client,
    base: Url,
    key: ApiKey,
    patience: Duration,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Http {
    /// Prepares requests; no connection is made yet.
    pub fn new(base: &str, key: ApiKey, patience: Duration) -> Result<Self> {
        let bad =
            |why: &str| Error::settings(format!("{base:?} is not a valid address for Neon's API: {why}"));
        let base_url = Url::parse(base).map_err(|e| bad(&e.to_string()))?;
        let local = matches!(base_url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        if base_url.cannot_be_a_base() || base_url.scheme() != "https" && !local {
            return Err(bad("the key is sent over https only"));
        }
        let roots = |e| Error::settings("this machine has no CA certificates to verify Neon with").because(e);
        Ok(Self { client: Client::new().map_err(roots)?, base: base_url, key, patience })
    }

    /// Reads.
    pub async fn get<T: DeserializeOwned>(&self, path: &[String], query: &[(&str, &str)]) -> Result<T> {
        match self.call(Method::GET, path, query, None).await {
            Answer::Done(Some(body)) => read(&body),
            Answer::Done(None) => Err(nothing()),
            Answer::Refused(error) | Answer::Lost(error) => Err(error),
        }
    }

    /// Creates.
    pub async fn post<T: DeserializeOwned>(&self, path: &[String], body: &Value) -> Answer<T> {
        match self.call(Method::POST, path, &[], Some(body)).await {
            Answer::Done(Some(body)) => read(&body).map_or_else(Answer::Lost, Answer::Done),
            Answer::Done(None) => Answer::Lost(nothing()),
            Answer::Refused(error) => Answer::Refused(error),
            Answer::Lost(error) => Answer::Lost(error),
        }
    }

    /// Changes; repeating the request does no harm.
    pub async fn patch<T: DeserializeOwned>(&self, path: &[String], body: &Value) -> Result<T> {
        match self.call(Method::PATCH, path, &[], Some(body)).await {
            Answer::Done(Some(body)) => read(&body),
            Answer::Done(None) => Err(nothing()),
            Answer::Refused(error) | Answer::Lost(error) => Err(error),
        }
    }

    /// Deletes; `None` if it did not exist.
    pub async fn delete<T: DeserializeOwned>(&self, path: &[String]) -> Result<Option<T>> {
        match self.call(Method::DELETE, path, &[], None).await {
            Answer::Done(None) => Ok(None),
            Answer::Done(Some(body)) => read(&body).map(Some),
            Answer::Refused(error) | Answer::Lost(error) => Err(error),
        }
    }

    /// Repeats a request until there is a final answer; `None` is an answer without content.
    async fn call(
        &self,
        method: Method,
        path: &[String],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer<Option<Bytes>> {
        let url = match self.url(path, query) {
            Ok(url) => url,
            Err(error) => return Answer::Refused(error),
        };
        let repeatable = method != Method::POST;
        let (since, mut pause) = (Instant::now(), FIRST_PAUSE);
        let mut said = None;
        loop {
            let (wait, patience, error) = match self.once(&method, &url, body).await {
                Ok(web::Answer { status, body, .. }) if status.is_success() => {
                    return Answer::Done((status != StatusCode::NO_CONTENT).then_some(body));
                }
                Ok(web::Answer { status: StatusCode::NOT_FOUND, .. }) if method == Method::DELETE => {
                    return Answer::Done(None);
                }
                Ok(web::Answer { status, retry_after, body }) => match status.as_u16() {
                    423 | 429 | 503 => (retry_after, self.patience, refused(&method, &url, status, &body)),
                    500.. if repeatable => (retry_after, BROKEN, refused(&method, &url, status, &body)),
                    500.. => return Answer::Lost(refused(&method, &url, status, &body)),
                    _ => return Answer::Refused(refused(&method, &url, status, &body)),
                },
                Err(why) => {
                    let error = Error::postgres(format!("the request to Neon's API failed ({url}): {why}"));
                    if !repeatable {
                        return Answer::Lost(error);
                    }
                    (None, BROKEN, error)
                }
            };
            let left = patience.min(self.patience).saturating_sub(since.elapsed());
            let Some(pausing) = pausing(pause, wait, left) else { return Answer::Refused(error) };
            if said.as_deref() != Some(error.message()) {
                tracing::debug!("{error}; retrying");
                said = Some(error.message().to_owned());
            }
            tokio::time::sleep(pausing).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn url(&self, path: &[String], query: &[(&str, &str)]) -> Result<Url> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn once(&self, method: &Method, url: &Url, body: Option<&Value>) -> Result<web::Answer, String> {
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key.0))
            .header(header::ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(bytes))
            .map_err(|_| "the API key or the project id has invalid characters".to_owned())?;
        self.client.once(request, ONE_REQUEST).await
    }
}

/// How long to wait before the next attempt: as long as the server asks for, and no longer than there is time `left`;
/// `None` if not even the pause fits into that.
fn pausing(pause: Duration, asked: Option<Duration>, left: Duration) -> Option<Duration> {
    (pause <= left).then(|| asked.unwrap_or_default().clamp(pause, left))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body)
        .map_err(|e| Error::postgres(format!("Neon's answer cannot be parsed: {e}")).because(e))
}

fn nothing() -> Error {
    Error::postgres("Neon's answer is empty")
}

fn refused(method: &Method, url: &Url, status: StatusCode, body: &[u8]) -> Error {
    let Refusal { message, request_id } = serde_json::from_slice(body).unwrap_or_default();
    let message = if message.is_empty() { status.to_string() } else { message };
    let request = request_id.map(|id| format!(", request {id}")).unwrap_or_default();
    let said = format!("Neon refused {method} {}: {message} ({}{request})", url.path(), status.as_u16());
    let error = match status.as_u16() {
        401 | 403 => Error::new(Kind::Settings, said)
            .hint("check NEON_API_KEY, and that the key belongs to this project"),
        404 => Error::postgres(said).hint("check the project id, and the names of branch, database and role"),
        423 => Error::postgres(said)
            .hint("another operation of the project is running; try again when it has ended"),
        _ => Error::postgres(said),
    };
    match status.as_u16() {
        400 | 402 | 403 | 409 | 412 | 422 => error.in_situation(Situation::Rejected),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pause_is_longer_than_the_time_that_is_left() {
        let seconds = Duration::from_secs;
        for (asked, left, waited) in [
            (None, 9, Some(2)),
            (Some(1), 9, Some(2)),
            (Some(5), 9, Some(5)),
            (Some(60), 9, Some(9)),
            (Some(60), 2, Some(2)),
            (Some(60), 1, None),
            (None, 1, None),
        ] {
            let found = pausing(seconds(2), asked.map(seconds), seconds(left));
            assert_eq!(found, waited.map(seconds), "{asked:?} {left}");
        }
    }
}
