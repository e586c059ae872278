//! The SDK's client, created again if its credentials have expired.
//!
//! The SDK renews credentials if it knows when they expire. It does not know that for credentials that another program
//! writes into a file, nor that the store's clock is ahead: then the store rejects them, and they are loaded again.

use super::credentials::{Noting, Origin, Profiles};
use super::extras::Extras;
use super::interceptors::{BoundedAnswers, Dated, DigestedBody, WithExtras, WithoutOperation};
use crate::store::contract::clock::Clock;
use crate::store::options::Credentials;
use crate::store::options::authorities::Authorities;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::config::{RuntimeComponents, SharedHttpClient};
use aws_sdk_s3::{Client, config};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use std::sync::Arc;
use std::time::Duration;

/// Everything a client is created from.
pub(super) struct Recipe {
    pub(super) aws_profile: Option<String>,
    pub(super) profiles: Profiles,
    pub(super) origin: Origin,
    pub(super) connect_timeout: Duration,
    pub(super) credentials: Option<Credentials>,
    pub(super) region: String,
    pub(super) endpoint: Option<String>,
    pub(super) path_style: bool,
    pub(super) says_operation: bool,
    pub(super) extras: Extras,
    pub(super) authorities: Option<Authorities>,
    /// The service's.
    pub(super) clock: Arc<Clock>,
}

impl Recipe {
    /// Creates a client; the SDK loads credentials from environment, files and services again.
    pub(super) async fn client(&self) -> Client {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(self.timeouts())
            // Our deadlines cover more: for the SDK, an upload that is never answered is not stalled.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .region(Region::new(self.region.clone()));
        if let Some(profile) = &self.aws_profile {
            loader = loader.profile_name(profile);
        }
        if let Some(profile) = &self.profiles.of_url {
            loader = loader.credentials_provider(self.of_profile(profile));
        } else if let Some(given) = &self.credentials {
            self.origin.note(Some(format!("the environment ({})", given.variable)));
            loader = loader.credentials_provider(config::Credentials::new(
                &given.access_key_id,
                &given.secret_access_key,
                given.session_token.clone(),
                None,
                "pgstow",
            ));
        }
        if let Some(authorities) = &self.authorities {
            loader = loader.http_client(trusting(authorities));
        }
        let shared = loader.load().await;
        let mut builder = config::Builder::from(&shared);
        if let Some(provider) = shared.credentials_provider() {
            let (profiles, origin) = (self.profiles.clone(), self.origin.clone());
            builder = builder.credentials_provider(Noting { provider, profiles, origin });
        }
        builder = builder.force_path_style(self.path_style).interceptor(Dated(Arc::clone(&self.clock)));
        builder = builder.interceptor(BoundedAnswers).interceptor(DigestedBody);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        if !self.says_operation {
            builder = builder.interceptor(WithoutOperation);
        }
        if !self.extras.is_empty() {
            builder = builder.interceptor(WithExtras(self.extras.clone()));
        }
        Client::from_conf(builder.build())
    }

    fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder().connect_timeout(self.connect_timeout).build()
    }

    /// The credentials of one profile; the SDK's own chain would ask the environment first.
    fn of_profile(&self, name: &str) -> ProfileFileCredentialsProvider {
        let mut settings = ProviderConfig::without_region()
            .with_region(Some(Region::new(self.region.clone())))
            .with_behavior_version(Some(BehaviorVersion::latest()))
            .with_retry_config(RetryConfig::disabled())
            .with_timeout_config(self.timeouts());
        if let Some(authorities) = &self.authorities {
            settings = settings.with_http_client(trusting(authorities));
        }
        ProfileFileCredentialsProvider::builder().configure(&settings).profile_name(name).build()
    }
}

/// The SDK's own HTTP client, which trusts these authorities too. It also fetches credentials.
fn trusting(authorities: &Authorities) -> SharedHttpClient {
    let store = TrustStore::default().with_pem_certificate(authorities.pem());
    Builder::new().build_with_connector_fn(move |settings, components| {
        let builder = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        let mut builder = match TlsContext::builder().with_trust_store(store.clone()).build() {
            Ok(context) => builder.tls_context(context),
            Err(_) => builder,
        };
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        builder.proxy_config(ProxyConfig::from_env()).build()
    })
}
