//! What requests are made with: credentials, and clients that use them.

use super::credentials;
use super::explain::Speaker;
use crate::store::contract::error::{Result, Situation, StoreError};
use google_cloud_auth::credentials::{CacheableResource, Credentials};
use google_cloud_gax::client_builder;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_storage::client::{Storage, StorageControl};
use google_cloud_storage::read_resume_policy::NeverResume;
use http::{Extensions, HeaderMap};
use std::time::Duration;

/// How an [`Access`] is made.
pub(super) struct Recipe {
    pub(super) credentials: Option<String>,
    pub(super) endpoint: String,
}

/// Credentials, and the clients that use them.
#[derive(Clone)]
pub(super) struct Access {
    credentials: Credentials,
    /// Reads and small writes.
    pub(super) storage: Storage,
    /// Lists, looks and deletes.
    pub(super) control: StorageControl,
}

impl Recipe {
    /// Loads the credentials again, and makes the clients.
    pub(super) async fn access(&self) -> Result<Access> {
        let credentials = credentials::load(self.credentials.as_deref()).await?;
        let failed = |error: client_builder::Error| {
            StoreError::new(Situation::Other, "Google's client could not be started").because(error)
        };
        let storage = Storage::builder()
            .with_endpoint(&self.endpoint)
            .with_credentials(credentials.clone())
            .with_retry_policy(NeverRetry)
            .with_read_resume_policy(NeverResume);
        let control = StorageControl::builder()
            .with_endpoint(&self.endpoint)
            .with_credentials(credentials.clone())
            .with_retry_policy(NeverRetry);
        let storage = storage.build().await.map_err(failed)?;
        let control = control.build().await.map_err(failed)?;
        Ok(Access { credentials, storage, control })
    }
}

impl Access {
    /// The headers that hold a valid token; it is fetched if there is none, or it has expired. None if it does not come
    /// in time: then these credentials wait for an answer that may never come, and new ones must be made.
    pub(super) async fn token(
        &self,
        speaker: &Speaker,
        deadline: Duration,
        accepted: bool,
    ) -> Result<Option<HeaderMap>> {
        let headers = self.credentials.headers(Extensions::new());
        match tokio::time::timeout(deadline, headers).await {
            Ok(Ok(CacheableResource::New { data, .. })) => Ok(Some(data)),
            // That is only answered to who has one already.
            Ok(Ok(CacheableResource::NotModified)) => Ok(Some(HeaderMap::new())),
            Ok(Err(error)) => Err(speaker.no_token(&error, accepted)),
            Err(_) => Ok(None),
        }
    }
}
