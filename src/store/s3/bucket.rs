//! One bucket: its keys, its deadlines, and the requests that several operations share.

use super::client::Recipe;
use super::explain::Speaker;
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::contract::limits::Limits;
use crate::store::options::deadline;
use crate::store::renewable::Renewable;
use crate::store::retry::Retry;
use crate::store::url::S3Url;
use crate::store::url::key::Prefix;
use crate::store::url::profiles::Checksums;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A bucket, or a prefix of one, and how to talk to it.
pub(super) struct Bucket {
    pub(super) recipe: Recipe,
    pub(super) clients: Renewable<Client>,
    pub(super) url: S3Url,
    pub(super) prefix: Prefix,
    pub(super) checksums: Checksums,
    /// Whether a part's signature covers its bytes, not only its headers.
    pub(super) signs_parts: bool,
    pub(super) says_object_size: bool,
    pub(super) limits: Limits,
    pub(super) request_timeout: Duration,
    pub(super) retry: Retry,
    pub(super) speaker: Speaker,
    /// Whether it was said that locks cannot be read back.
    pub(super) said_unknown: AtomicBool,
}

impl Bucket {
    /// Makes one request, which carries `bytes` bytes, within its deadline.
    pub(super) async fn ask<T, E, F>(&self, bytes: u64, request: impl Fn(Client) -> F) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        self.ask_within(deadline(self.request_timeout, bytes), request).await
    }

    /// Makes one request within a deadline; makes it once more if the credentials have expired since they were accepted.
    pub(super) async fn ask_within<T, E, F>(
        &self,
        deadline: Duration,
        request: impl Fn(Client) -> F,
    ) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let once = async |client: Client| match tokio::time::timeout(deadline, Box::pin(request(client)))
            .await
        {
            Ok(answer) => answer.map_err(|error| self.speaker.explain(&error, self.clients.was_accepted())),
            Err(_) => Err(self.speaker.silent(deadline)),
        };
        let current = self.clients.current();
        let mut answer = once(current.value.clone()).await;
        if let Err(Situation::Expired) = answer.as_ref().map_err(StoreError::situation)
            && self.clients.was_accepted()
        {
            let next = self.clients.renew(&current, async { Ok(self.recipe.client().await) });
            answer = once(next.await?.value).await;
        }
        if answer.is_ok() {
            self.clients.accept();
        }
        answer
    }
}
