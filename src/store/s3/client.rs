//! The SDK's client, made again if its credentials have expired.
//!
//! The SDK renews credentials whose end it knows. It does not know the end of those that another program writes
//! into a file, nor that a store's clock is ahead: then the store says so, and the whole chain is asked again.

use super::interceptors::{BoundedAnswers, WithoutOperation};
use crate::store::options::Credentials;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::{Client, config};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// All that a client is made of.
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
    /// Makes a client; the SDK looks for credentials in the environment, files and services anew.
    async fn client(&self) -> Client {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(self.connect_timeout).build())
            // Ours reach further: an upload that is never answered does not stall by its measure.
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

/// The client of a bucket, and how to make the next one.
pub(super) struct Clients {
    recipe: Recipe,
    current: Mutex<Numbered>,
    renewing: tokio::sync::Mutex<()>,
    /// Whether the store has accepted credentials from here before.
    accepted: AtomicBool,
}

/// A client, and how many there were before it.
#[derive(Clone)]
pub(super) struct Numbered {
    pub(super) client: Client,
    number: u64,
}

impl Clients {
    /// Makes the first client.
    pub(super) async fn make(recipe: Recipe) -> Self {
        let current = Mutex::new(Numbered { client: recipe.client().await, number: 0 });
        Self { recipe, current, renewing: tokio::sync::Mutex::default(), accepted: AtomicBool::new(false) }
    }

    /// The client to use now.
    pub(super) fn current(&self) -> Numbered {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that the store has accepted the credentials.
    pub(super) fn accept(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }

    /// A client after the one whose credentials have expired; none if they were never good.
    pub(super) async fn after(&self, expired: &Numbered) -> Option<Client> {
        if !self.accepted.load(Ordering::Relaxed) {
            return None;
        }
        // Of several requests that expire together one asks for new credentials.
        let _one_at_a_time = self.renewing.lock().await;
        let current = self.current();
        if current.number > expired.number {
            return Some(current.client);
        }
        tracing::info!("the store's credentials have expired: asking for new ones");
        let next = Numbered { client: self.recipe.client().await, number: current.number + 1 };
        let client = next.client.clone();
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Some(client)
    }
}
