//! One bucket: its clients, its deadlines, and how a request is made.

use super::access::{Access, Recipe};
use super::explain::Speaker;
use super::proxied;
use super::xml::Xml;
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::contract::limits::Limits;
use crate::store::options::object_options::LockWish;
use crate::store::options::{OpenOptions, deadline};
use crate::store::renewable::{Numbered, Renewable};
use crate::store::retry::Retry;
use crate::store::url::GsUrl;
use crate::store::url::key::Prefix;
use http::HeaderMap;
use hyper_util::client::proxy::matcher::Matcher;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// cloud.google.com/storage/quotas, and cloud.google.com/storage/docs/multipart-uploads for parts.
pub(super) const LIMITS: Limits = Limits {
    max_parts: 10_000,
    min_part: 5 * MIB,
    max_part: 5 * GIB,
    max_object: 5 * TIB,
    max_metadata: 8192,
    // ifGenerationMatch=0: cloud.google.com/storage/docs/request-preconditions
    put_is_create_only: true,
    // Uploads in parts know no conditions: the last one that completes wins.
    complete_is_create_only: false,
};

/// Where Google's own service is.
const GOOGLE: &str = "https://storage.googleapis.com";

/// A bucket, or a prefix of one, and how to talk to it.
pub(super) struct Bucket {
    recipe: Recipe,
    access: Renewable<Access>,
    pub(super) xml: Xml,
    pub(super) url: GsUrl,
    pub(super) lock: Option<LockWish>,
    pub(super) prefix: Prefix,
    pub(super) request_timeout: Duration,
    pub(super) retry: Retry,
    pub(super) speaker: Speaker,
    /// Whether it was said that locks cannot be read back.
    pub(super) said_unknown: AtomicBool,
}

impl Bucket {
    pub(super) async fn open(url: &GsUrl, options: OpenOptions) -> Result<Self> {
        let endpoint = url.endpoint.clone().unwrap_or_else(|| GOOGLE.to_owned());
        proxied::refuse(&endpoint, &url.bucket, &Matcher::from_env())?;
        let xml = Xml::new(&endpoint, &url.bucket, options.connect_timeout)?;
        let recipe = Recipe { credentials: url.credentials.clone(), endpoint };
        Ok(Self {
            access: Renewable::new(recipe.access().await?),
            recipe,
            prefix: Prefix::new(&url.prefix),
            request_timeout: options.request_timeout,
            retry: options.retry,
            speaker: Speaker::new(&url.bucket, xml.host()),
            xml,
            url: url.clone(),
            lock: options.lock,
            said_unknown: AtomicBool::new(false),
        })
    }

    /// The bucket's name, as Google's client has it.
    pub(super) fn name(&self) -> String {
        format!("projects/_/buckets/{}", self.url.bucket)
    }

    /// Makes one request, which carries `bytes` bytes, within its deadline.
    pub(super) async fn ask<T, F>(
        &self,
        bytes: u64,
        request: impl Fn(Access, Xml, HeaderMap) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.ask_within(deadline(self.request_timeout, bytes), request).await
    }

    /// Makes one request within a deadline; makes it once more if the credentials have expired since they were accepted.
    pub(super) async fn ask_within<T, F>(
        &self,
        deadline: Duration,
        request: impl Fn(Access, Xml, HeaderMap) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let once = async |current: &Numbered<Access>| {
            let access = current.value.clone();
            let accepted = self.access.was_accepted();
            let Some(token) = access.token(&self.speaker, self.request_timeout, accepted).await? else {
                self.access.renew(current, self.recipe.access()).await?;
                return Err(self.speaker.token_late(self.request_timeout));
            };
            let request = Box::pin(request(access, self.xml.clone(), token));
            match tokio::time::timeout(deadline, request).await {
                Ok(answer) => answer,
                Err(_) => Err(self.speaker.silent(deadline)),
            }
        };
        let current = self.access.current();
        let mut answer = once(&current).await;
        if let Err(Situation::Expired) = answer.as_ref().map_err(StoreError::situation)
            && self.access.was_accepted()
        {
            answer = once(&self.access.renew(&current, self.recipe.access()).await?).await;
        }
        if answer.is_ok() {
            self.access.accept();
        }
        answer
    }
}
