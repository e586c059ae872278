//! The XML API: requests with a token, bounded answers, and the little XML that is in them.

use super::explain::Speaker;
use crate::store::contract::clock::Clock;
use crate::store::contract::error::{Result, Situation, StoreError, chain};
use crate::store::multipart::sum::Sum;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use roxmltree::{Document, Node};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The longest answer that is read, in bytes: a page of 1,000 uploads has less than one MiB.
const LONGEST_ANSWER: usize = 16 << 20;

/// The XML API of one bucket.
#[derive(Clone)]
pub(super) struct Xml {
    http: reqwest::Client,
    bucket: Url,
    /// The service's.
    pub(super) clock: Arc<Clock>,
}

/// One request; its path is the bucket's, or an object's.
pub(super) struct Request {
    pub(super) method: Method,
    /// The object's key.
    pub(super) key: Option<String>,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A success.
pub(super) struct Answer {
    headers: HeaderMap,
    body: Bytes,
}

impl Xml {
    pub(super) fn new(endpoint: &str, bucket: &str, connect_timeout: Duration) -> Result<Self> {
        let failed = |error: &dyn std::error::Error| {
            StoreError::new(Situation::Other, "the HTTP client could not be started")
                .because(chain(error))
                .hint("a machine or image without certificates needs the package ca-certificates, or SSL_CERT_FILE")
        };
        let mut url = Url::parse(endpoint).map_err(|e| failed(&e))?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(bucket);
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("pgstow/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(connect_timeout)
            // A token is for Google, not for whoever Google's answer names.
            .redirect(reqwest::redirect::Policy::none())
            // With HTTP/2 all parts would share one connection, and its throughput.
            .http1_only()
            .build()
            .map_err(|e| failed(&e))?;
        Ok(Self { http, bucket: url, clock: Arc::default() })
    }

    /// The host that requests go to.
    pub(super) fn host(&self) -> String {
        self.bucket.authority().to_owned()
    }

    /// Sends a request, and reads the answer; anything but a success is a failure.
    pub(super) async fn send(&self, speaker: &Speaker, token: HeaderMap, request: Request) -> Result<Answer> {
        let mut url = self.bucket.clone();
        if let (Some(key), Ok(mut segments)) = (&request.key, url.path_segments_mut()) {
            segments.extend(key.split('/'));
        }
        for (name, value) in &request.query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let mut sending = self.http.request(request.method.clone(), url).headers(request.headers);
        if matches!(request.method, Method::POST | Method::PUT) && request.body.is_empty() {
            // The HTTP client leaves it out, and the service wants it.
            sending = sending.header(http::header::CONTENT_LENGTH, 0);
        }
        sending = sending.headers(token);
        let mut said = sending.body(request.body).send().await.map_err(|error| speaker.unanswered(&error))?;
        let (status, headers) = (said.status().as_u16(), std::mem::take(said.headers_mut()));
        if let Some(date) = headers.get(http::header::DATE).and_then(|date| date.to_str().ok()) {
            self.clock.says(date);
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = said.chunk().await.map_err(|error| speaker.unanswered(&error))? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(speaker.endless());
            }
            body.extend_from_slice(&chunk);
        }
        let answer = Answer { headers, body: body.freeze() };
        // A completion may begin its answer as a success, and find out later that it is none.
        match answer.failure() {
            None if (200..300).contains(&status) => Ok(answer),
            failure => {
                let (code, message) = failure.unwrap_or_default();
                Err(speaker.answered(status, &code, &message))
            }
        }
    }
}

impl Answer {
    /// The ETag of what was written.
    pub(super) fn etag(&self) -> Option<String> {
        self.header("etag").filter(|etag| !etag.is_empty()).map(str::to_owned)
    }

    /// The version of the object that was written.
    pub(super) fn generation(&self) -> Option<String> {
        self.header("x-goog-generation").filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// The CRC32C that the service has for what was written, as `CRC32C:base64`.
    pub(super) fn crc32c(&self) -> Option<String> {
        let hashes = self.headers.get_all("x-goog-hash").iter().filter_map(|value| value.to_str().ok());
        let mut hashes = hashes.flat_map(|text| text.split(',')).map(str::trim);
        hashes.find_map(|hash| hash.strip_prefix("crc32c=")).map(|base64| Sum::Crc32c.named(base64))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Reads the document in the answer.
    pub(super) fn read<T>(&self, speaker: &Speaker, read: impl FnOnce(Node<'_, '_>) -> T) -> Result<T> {
        let text = std::str::from_utf8(&self.body).map_err(|e| speaker.nonsense(&e))?;
        let document = Document::parse(text).map_err(|e| speaker.nonsense(&e))?;
        Ok(read(document.root_element()))
    }

    /// The code and the words of an error document.
    fn failure(&self) -> Option<(String, String)> {
        let document = Document::parse(std::str::from_utf8(&self.body).ok()?).ok()?;
        let root = document.root_element();
        (root.tag_name().name() == "Error").then(|| {
            let words = [text_of(root, "Message"), text_of(root, "Details")].into_iter().flatten();
            (text_of(root, "Code").unwrap_or_default(), words.collect::<Vec<_>>().join(" "))
        })
    }
}

/// The text of the first child with this name.
pub(super) fn text_of(node: Node<'_, '_>, name: &str) -> Option<String> {
    child(node, name)?.text().map(|text| text.trim().to_owned())
}

/// The children with this name.
pub(super) fn children<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    name: &'a str,
) -> impl Iterator<Item = Node<'a, 'i>> + 'a {
    node.children().filter(move |child| child.tag_name().name() == name)
}

fn child<'a, 'i: 'a>(node: Node<'a, 'i>, name: &'a str) -> Option<Node<'a, 'i>> {
    children(node, name).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &'static str, hashes: &[&'static str]) -> Answer {
        let mut headers = HeaderMap::new();
        for hash in hashes {
            headers.append("x-goog-hash", http::HeaderValue::from_static(hash));
        }
        Answer { headers, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn hashes_are_read_from_one_header_or_two() {
        for hashes in [&["crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ=="][..], &["md5=x", "crc32c=n03x6A=="]] {
            assert_eq!(answer("", hashes).crc32c().as_deref(), Some("CRC32C:n03x6A=="));
        }
        assert_eq!(answer("", &["md5=x"]).crc32c(), None);
    }

    #[test]
    fn an_error_is_told_from_other_documents() {
        let error = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchBucket</Code>\
            <Message>The specified bucket does not exist.</Message><Details>b</Details></Error>";
        let (code, message) = answer(error, &[]).failure().unwrap();
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("NoSuchBucket", "The specified bucket does not exist. b")
        );
        for other in ["", "Not Found", "<CompleteMultipartUploadResult/>"] {
            assert!(answer(other, &[]).failure().is_none(), "{other}");
        }
    }

    #[test]
    fn documents_have_a_namespace_or_none() {
        for document in [
            "<R xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><UploadId> u </UploadId></R>",
            "<R><UploadId>u</UploadId></R>",
        ] {
            let speaker = Speaker::new("b", "host".to_owned());
            let id = answer(document, &[]).read(&speaker, |root| text_of(root, "UploadId")).unwrap();
            assert_eq!(id.as_deref(), Some("u"));
        }
    }
}
