//! The SDK's client, created again if its credentials have expired.
//!
//! The SDK renews credentials if it knows when they expire. It does not know that for credentials that another program
//! writes into a file, nor that the store's clock is ahead: then the store rejects them, and they are loaded again.

use super::interceptors::{BoundedAnswers, WithoutOperation};
use crate::store::options::Credentials;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::{Client, config};
use std::time::Duration;

/// Everything a client is created from.
pub(super) struct Recipe {
    pub(super) aws_profile: Option<String>,
    pub(super) connect_timeout: Duration,
    pub(super) credentials: Option<Credentials>,
    pub(super) region: String,
    pub(super) endpoint: Option<String>,
    pub(super) path_style: bool,
    pub(super) says_operation: bool,
}

impl Recipe {
    /// Creates a client; the SDK loads credentials from environment, files and services again.
    pub(super) async fn client(&self) -> Client {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(self.connect_timeout).build())
            // Our deadlines cover more: for the SDK, an upload that is never answered is not stalled.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .region(Region::new(self.region.clone()));
        if let Some(profile) = &self.aws_profile {
            loader = loader.profile_name(profile);
        }
        if let Some(given) = &self.credentials {
            loader = loader.credentials_provider(config::Credentials::new(
                &given.access_key_id,
                &given.secret_access_key,
                given.session_token.clone(),
                None,
                "pgstow",
            ));
        }
        let shared = loader.load().await;
        let mut builder =
            config::Builder::from(&shared).force_path_style(self.path_style).interceptor(BoundedAnswers);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        if !self.says_operation {
            builder = builder.interceptor(WithoutOperation);
        }
        Client::from_conf(builder.build())
    }
}
