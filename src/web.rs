//! HTTP: one attempt at a request, within its deadline; and addresses that are secrets.
//!
//! Who asks decides what an answer means, and whether to try again.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::proxy::matcher::Matcher;
use percent_encoding::percent_decode_str;
use reqwest::redirect::Policy;
use std::fmt;
use std::io;
use std::time::Duration;
use url::Url;

/// No answer is larger than this, in bytes.
const LARGEST: usize = 16 << 20;

/// Makes requests, through the proxy that the environment names; clones share their connections.
#[derive(Clone)]
pub struct Client(reqwest::Client);

/// What a server answered.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// How long it wants to be left alone.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Bytes,
}

impl Client {
    /// Prepares requests; no connection is made yet. Fails if the machine has no CA certificates.
    pub fn new() -> io::Result<Self> {
        // What is sent is for the server that was named, not for whoever its answer names.
        let client = reqwest::Client::builder().redirect(Policy::none()).http1_only().build();
        client.map(Self).map_err(|e| io::Error::other(whole(&e)))
    }

    /// Makes one attempt; fails, saying why, if there is no whole answer within this time.
    pub async fn once(&self, mut request: Request<Full<Bytes>>, within: Duration) -> Result<Answer, String> {
        let agent = HeaderValue::from_static(concat!("pgstow/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(header::USER_AGENT, agent);
        let asking = async {
            let request = reqwest::Request::try_from(request.map(reqwest::Body::wrap));
            let request = request.map_err(|e| whole(&e.without_url()))?;
            let address = request.url().clone();
            // The address may be a secret.
            let answer = self.0.execute(request).await.map_err(|e| {
                match e.is_connect().then(|| proxy(address.as_str())).flatten() {
                    Some(proxy) => format!("through the web proxy {proxy}: {}", whole(&e.without_url())),
                    None => whole(&e.without_url()),
                }
            })?;
            let (status, headers) = (answer.status(), answer.headers());
            let seconds =
                headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let retry_after = seconds.map(Duration::from_secs);
            let body = Limited::new(reqwest::Body::from(answer), LARGEST)
                .collect()
                .await
                .map_err(|e| e.to_string())?;
            Ok(Answer { status, retry_after, body: body.to_bytes() })
        };
        tokio::time::timeout(within, asking).await.unwrap_or_else(|_| Err("no answer in time".into()))
    }
}

/// The web proxy that the environment names for this address.
pub fn proxy(address: &str) -> Option<String> {
    let proxy = Matcher::from_env().intercept(&address.parse().ok()?)?;
    proxy.uri().authority().map(ToString::to_string)
}

/// An error with its causes, as one sentence.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

/// An address that whoever knows it may use: of it only the server is printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// Parses an http or https address; the error says what is wrong without repeating it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text.trim()).map_err(|_| "it is not a URL")?;
        match (url.scheme(), url.host_str()) {
            ("http" | "https", Some(_)) => Ok(Self(url)),
            _ => Err("it does not begin with https:// or http://"),
        }
    }

    /// Its host, in lower case.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Its path, without a `/` at the end.
    pub fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// The address with these segments after its path.
    #[must_use]
    pub fn join(&self, segments: &[&str]) -> Self {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        Self(url)
    }

    /// The address with this parameter too.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut url = self.0.clone();
        url.query_pairs_mut().append_pair(name, value);
        Self(url)
    }

    /// A POST of this body; a user and password in the address are sent as basic authentication.
    pub fn post(&self, content_type: &str, body: impl Into<Bytes>) -> Result<Request<Full<Bytes>>, String> {
        let mut bare = self.0.clone();
        let user = percent_decode_str(self.0.username()).decode_utf8_lossy();
        let password = percent_decode_str(self.0.password().unwrap_or_default()).decode_utf8_lossy();
        // An address that has them is one that can be without them.
        let _ = bare.set_username("").and_then(|()| bare.set_password(None));
        bare.set_fragment(None);
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(bare.as_str())
            .header(header::CONTENT_TYPE, content_type);
        if !user.is_empty() || !password.is_empty() {
            let pair =
                base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{user}:{password}"));
            request = request.header(header::AUTHORIZATION, format!("Basic {pair}"));
        }
        request.body(Full::new(body.into())).map_err(|e| e.to_string())
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.0.port().map(|port| format!(":{port}")).unwrap_or_default();
        write!(f, "{}://{}{port}/…", self.0.scheme(), self.host())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_secret_address_only_the_server_is_shown() {
        let url =
            SecretUrl::parse("https://user:pa%20ss@hooks.example.com:8443/services/T0/B0/xyz?token=abc#f");
        let url = url.unwrap();
        let shown = format!("{url} {url:?}");
        assert_eq!(shown, "https://hooks.example.com:8443/… https://hooks.example.com:8443/…");
        for wrong in ["", "hooks.example.com/secret-word", "ftp://h/secret-word", "https:///secret-word x:"] {
            let why = SecretUrl::parse(wrong).map(|url| url.to_string());
            assert!(why.as_ref().is_err_and(|why| !why.contains("secret-word")), "{wrong}: {why:?}");
        }
    }

    #[test]
    fn passwords_are_sent_as_a_header() {
        let url =
            SecretUrl::parse("https://user:pa%20ss@h/a/?x=1#f").unwrap().join(&["b", "c/d"]).with("rid", "2");
        let request = url.post("text/plain", "body").unwrap();
        assert_eq!(request.uri(), "https://h/a/b/c%2Fd?x=1&rid=2");
        assert_eq!(request.headers()[header::AUTHORIZATION], "Basic dXNlcjpwYSBzcw==");
        let plain = SecretUrl::parse("https://h/a").unwrap().post("text/plain", "").unwrap();
        assert!(!plain.headers().contains_key(header::AUTHORIZATION));
    }
}
