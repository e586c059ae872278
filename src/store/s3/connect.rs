//! From a URL to a bucket: endpoint, dialect, region.

use super::bucket::Bucket;
use super::client::Recipe;
use super::credentials::{Origin, Profiles};
use super::explain::Speaker;
use super::extras::Extras;
use crate::error::Error;
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::options::OpenOptions;
use crate::store::renewable::Renewable;
use crate::store::url::key::Prefix;
use crate::store::url::possible::refuse_impossible_of;
use crate::store::url::profiles::Checksums;
use crate::store::url::{S3Url, check_endpoint};
use crate::web;
use ::url::Url;
use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::ProfileFileRegionProvider;
use aws_types::service_config::ServiceConfigKey;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Most services other than AWS ignore the region; this is the one they accept.
const ANY_REGION: &str = "us-east-1";

/// An address of Amazon's, as good as any to ask whether a proxy is meant for it.
const AMAZON: &str = "https://s3.amazonaws.com";

/// Opens the bucket; the SDK reads the environment and the AWS configuration files.
pub(super) async fn connect(url: &S3Url, options: OpenOptions) -> Result<Bucket> {
    let profiles = Profiles::read(url.aws_profile.as_deref(), &options.aws_files).await?;
    let endpoint = find_endpoint(url, &options).await?;
    let address = endpoint.as_deref().and_then(|text| Url::parse(text).ok());
    let (profile, region_of_host) = url.dialect(endpoint.as_deref());
    // Again: what kind of store it is may only be known now, from the endpoint in the files.
    refuse_impossible_of(profile, url, &options).map_err(|e| refused(&e, Situation::Unsupported, ""))?;

    let region = match url.region.clone().or(region_of_host) {
        Some(region) => region,
        None => find_region(url.aws_profile.as_deref(), endpoint.is_some()).await?,
    };
    let mut limits = profile.limits;
    limits.max_parts = url.max_parts.unwrap_or(limits.max_parts);
    let checksums = url.checksums.unwrap_or(profile.checksums);
    // TLS and the checksum, which the store compares, protect a part already: a SHA-256 of it would only take time.
    let secure = address.as_ref().is_none_or(|url| url.scheme() == "https");
    let proxy = web::proxy(endpoint.as_deref().unwrap_or(AMAZON));
    let host = address.map_or_else(|| format!("Amazon S3 in {region}"), |url| url.authority().to_owned());
    tracing::debug!("{host}: profile {}, region {region}", profile.name);
    let origin = Origin::default();
    let (extras, keyed) = (Extras::new(url, &options), options.customer_key.is_some());
    let recipe = Recipe {
        aws_profile: url.aws_profile.clone(),
        profiles: profiles.clone(),
        origin: origin.clone(),
        connect_timeout: options.connect_timeout,
        credentials: options.credentials,
        region: region.clone(),
        endpoint,
        path_style: url.path_style.unwrap_or(profile.path_style),
        says_operation: profile.says_operation,
        extras,
        authorities: options.authorities,
        clock: Arc::default(),
    };
    Ok(Bucket {
        clients: Renewable::new(recipe.client().await),
        recipe,
        checksums,
        signs_parts: checksums == Checksums::Compat || !secure,
        says_object_size: profile.says_object_size,
        limits,
        request_timeout: options.request_timeout,
        retry: options.retry,
        speaker: Speaker::new(&url.bucket, host, region)
            .through(proxy)
            .keyed(keyed)
            .with_keys(profiles, origin),
        prefix: Prefix::new(&url.prefix),
        url: url.clone(),
        said_unknown: AtomicBool::new(false),
    })
}

/// The endpoint, from the same sources as the SDK's; none on Amazon S3.
async fn find_endpoint(url: &S3Url, options: &OpenOptions) -> Result<Option<String>> {
    if url.endpoint.is_some() {
        return Ok(url.endpoint.clone());
    }
    let (configured, place) = match &options.endpoint {
        Some(endpoint) => (Some(endpoint.clone()), "AWS_ENDPOINT_URL: "),
        None => {
            (endpoint_in_files(url.aws_profile.as_deref()).await, "endpoint_url in the AWS configuration: ")
        }
    };
    let checked = configured.map(|text| check_endpoint(&text, url.allow_http)).transpose();
    checked.map_err(|e| refused(&e, Situation::Other, place))
}

/// The refusal of a setting, with its hints, as the store's failure: it is found too late for one of usage.
fn refused(error: &Error, situation: Situation, place: &str) -> StoreError {
    let refused = StoreError::new(situation, format!("{place}{error}"));
    error.hints().iter().fold(refused, StoreError::hint)
}

/// The endpoint in the AWS configuration files: for S3 alone, or for all services of the profile.
///
/// The SDK would use it, but we could not check it, nor choose the dialect by it.
async fn endpoint_in_files(aws_profile: Option<&str>) -> Option<String> {
    // With a region and without credentials nothing is requested from anybody.
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(ANY_REGION).no_credentials();
    if let Some(name) = aws_profile {
        loader = loader.profile_name(name);
    }
    let shared = loader.load().await;
    let key =
        ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let of_s3 = shared.service_config().zip(key.ok()).and_then(|(files, key)| files.load_config(key));
    of_s3.or_else(|| shared.endpoint_url().map(str::to_owned))
}

/// The region, from the same sources as the SDK's; the machine's own region is requested on AWS only.
async fn find_region(aws_profile: Option<&str>, own_endpoint: bool) -> Result<String> {
    if let Some(region) = EnvironmentVariableRegionProvider::new().region().await {
        return Ok(region.to_string());
    }
    let mut file = ProfileFileRegionProvider::builder();
    if let Some(name) = aws_profile {
        file = file.profile_name(name);
    }
    if let Some(region) = file.build().region().await {
        return Ok(region.to_string());
    }
    if own_endpoint {
        return Ok(ANY_REGION.to_owned());
    }
    let region = ImdsRegionProvider::builder().build().region().await;
    region.map(|region| region.to_string()).ok_or_else(|| {
        StoreError::new(Situation::Other, "the bucket's region is not known")
            .hint("add region=… to the store's URL, or set AWS_REGION; a service other than AWS also needs endpoint=…")
    })
}
