//! A place in an S3 server: where it is, who may enter, and a look inside that does not go through pgstow.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use std::future::Future;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
});

/// Waits for a future from a test that is not async, or is.
pub fn wait<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| scope.spawn(|| RUNTIME.block_on(future)).join().unwrap())
}

/// A prefix of a bucket of a server, with the key to use.
#[derive(Debug, Clone)]
pub struct S3 {
    pub endpoint: String,
    pub region: String,
    pub bucket: String,
    /// Nobody else's; without a slash at its end.
    pub prefix: String,
    pub access_key: String,
    pub secret_key: String,
    /// More settings for the store URL, such as `&profile=garage`.
    pub more: String,
}

impl S3 {
    /// A prefix that begins with the label and that no other test uses.
    pub fn fresh_prefix(label: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        format!("{label}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// The same place through another endpoint: a fault proxy.
    pub fn through(&self, endpoint: &str) -> S3 {
        S3 { endpoint: endpoint.to_owned(), ..self.clone() }
    }

    /// The same place with another key.
    pub fn with_key(&self, access_key: &str, secret_key: &str) -> S3 {
        S3 { access_key: access_key.to_owned(), secret_key: secret_key.to_owned(), ..self.clone() }
    }

    /// The store URL for pgstow.
    pub fn url(&self) -> String {
        let S3 { endpoint, region, bucket, prefix, more, .. } = self;
        format!("s3://{bucket}/{prefix}?endpoint={endpoint}&region={region}{more}")
    }

    /// The variables that hold the key.
    pub fn env(&self) -> [(&'static str, &str); 2] {
        [("AWS_ACCESS_KEY_ID", &self.access_key), ("AWS_SECRET_ACCESS_KEY", &self.secret_key)]
    }

    /// A client of one's own, to look from outside.
    pub fn client(&self) -> Client {
        let credentials = Credentials::new(&self.access_key, &self.secret_key, None, None, "test");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .endpoint_url(&self.endpoint)
            .credentials_provider(credentials)
            .force_path_style(true)
            // What every server here understands.
            .request_checksum_calculation(aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(aws_sdk_s3::config::ResponseChecksumValidation::WhenRequired);
        // Without TLS: loading its certificates takes longer than most requests.
        let config = match self.endpoint.starts_with("http://") {
            true => config.http_client(aws_smithy_http_client::Builder::new().build_http()),
            false => config,
        };
        Client::from_conf(config.build())
    }

    fn full(&self, key: &str) -> String {
        format!("{}/{key}", self.prefix)
    }

    /// Every key below the prefix, without it, sorted.
    pub fn keys(&self) -> Vec<String> {
        let client = self.client();
        let below = self.full("");
        wait(async move {
            let mut keys = Vec::new();
            let mut pages = client
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(&below)
                .into_paginator()
                .page_size(500)
                .send();
            while let Some(page) = pages.next().await {
                keys.extend(
                    page.unwrap().contents().iter().map(|o| o.key().unwrap()[below.len()..].to_owned()),
                );
            }
            keys.sort();
            keys
        })
    }

    /// The bytes of an object.
    pub fn get(&self, key: &str) -> Vec<u8> {
        let request = self.client().get_object().bucket(&self.bucket).key(self.full(key));
        wait(async move { request.send().await.unwrap().body.collect().await.unwrap().to_vec() })
    }

    /// Writes an object, replacing what was there.
    pub fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        let body = ByteStream::from(bytes.into());
        let request = self.client().put_object().bucket(&self.bucket).key(self.full(key)).body(body);
        wait(async move { request.send().await.unwrap() });
    }

    /// Removes an object.
    pub fn delete(&self, key: &str) {
        let request = self.client().delete_object().bucket(&self.bucket).key(self.full(key));
        wait(async move { request.send().await.unwrap() });
    }

    /// The keys, without the prefix, of uploads that were begun and neither completed nor aborted.
    pub fn unfinished_uploads(&self) -> Vec<String> {
        let below = self.full("");
        let request = self.client().list_multipart_uploads().bucket(&self.bucket).prefix(&below);
        let answer = wait(async move { request.send().await.unwrap() });
        answer.uploads().iter().map(|upload| upload.key().unwrap()[below.len()..].to_owned()).collect()
    }

    /// Whether this key may list the bucket: false when the server refuses it.
    pub fn admits(&self) -> bool {
        let request = self.client().list_objects_v2().bucket(&self.bucket).max_keys(1);
        wait(async move { request.send().await.is_ok() })
    }
}

/// What holds on every server: bytes come back, uploads show until they end, prefixes keep apart.
#[cfg(test)]
pub fn behaves(place: &S3) {
    place.put("a", "one");
    place.put("b/c", vec![7; 100_000]);
    assert_eq!(place.keys(), ["a", "b/c"]);
    assert_eq!(place.get("a"), b"one");
    assert_eq!(place.get("b/c"), vec![7; 100_000]);
    place.delete("a");
    assert_eq!(place.keys(), ["b/c"]);

    let client = place.client();
    let key = place.full("big");
    let begin = client.create_multipart_upload().bucket(&place.bucket).key(&key);
    let id = wait(async move { begin.send().await.unwrap() }).upload_id.unwrap();
    assert_eq!(place.unfinished_uploads(), ["big"]);
    let abort = client.abort_multipart_upload().bucket(&place.bucket).key(&key).upload_id(id);
    wait(async move { abort.send().await.unwrap() });
    assert!(place.unfinished_uploads().is_empty());
}
