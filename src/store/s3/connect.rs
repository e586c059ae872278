//! From a URL to a client: endpoint, dialect, region, credentials, deadlines.

use super::bucket::Bucket;
use super::explain::Speaker;
use crate::store::error::{Result, Situation, StoreError};
use crate::store::options::OpenOptions;
use crate::store::profiles::Profile;
use crate::store::url::{S3Url, check_endpoint};
use ::url::Url;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{
    ConfigBag, Credentials, Intercept, RequestChecksumCalculation, ResponseChecksumValidation,
    RuntimeComponents,
};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::{Client, config};

/// Services with an address of their own mostly do not care; this is what they accept then.
const ANY_REGION: &str = "us-east-1";

/// Makes the client; looks into the environment and the AWS configuration files, through the SDK.
pub(super) async fn connect(url: &S3Url, options: OpenOptions) -> Result<Bucket> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(options.connect_timeout).build())
        // Ours reach further: an upload that is never answered does not stall by its measure.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if let Some(profile) = &url.aws_profile {
        loader = loader.profile_name(profile);
    }
    if let Some(given) = options.credentials {
        loader = loader.credentials_provider(Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            given.session_token,
            None,
            "pgstow",
        ));
    }
    let mut endpoint = url.endpoint.clone();
    if let Some(configured) = options.endpoint.filter(|_| endpoint.is_none()) {
        let checked = check_endpoint(&configured, url.allow_http);
        endpoint = Some(checked.map_err(|e| StoreError::new(Situation::Other, e.to_string()))?);
    }
    let address = endpoint.as_deref().and_then(|text| Url::parse(text).ok());
    let (by_host, region_of_host) = Profile::of_host(address.as_ref().and_then(Url::host_str));
    let profile = url.profile.unwrap_or(by_host);

    let region = match url.region.clone().or(region_of_host) {
        Some(region) => region,
        None => find_region(url.aws_profile.as_deref(), endpoint.is_some()).await?,
    };
    let shared = loader.region(Region::new(region.clone())).load().await;
    let mut builder =
        config::Builder::from(&shared).force_path_style(url.path_style.unwrap_or(profile.path_style));
    if let Some(endpoint) = &endpoint {
        builder = builder.endpoint_url(endpoint);
    }
    if !profile.says_operation {
        builder = builder.interceptor(WithoutOperation);
    }
    let mut limits = profile.limits;
    limits.max_parts = url.max_parts.unwrap_or(limits.max_parts);
    let host = address.map_or_else(|| format!("Amazon S3 in {region}"), |url| url.authority().to_owned());
    tracing::debug!("{host}: profile {}, region {region}", profile.name);
    Ok(Bucket {
        client: Client::from_conf(builder.build()),
        checksums: url.checksums.unwrap_or(profile.checksums),
        says_object_size: profile.says_object_size,
        limits,
        request_timeout: options.request_timeout,
        speaker: Speaker::new(&url.bucket, host, region),
        url: url.clone(),
    })
}

/// The region from where the SDK looks for it too; the machine's own is asked for on AWS only.
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
            .hint("add region=… to the store's URL, or set AWS_REGION; a service that is not AWS needs endpoint=… too")
    })
}

/// Leaves the operation's name out of requests, before they are signed.
#[derive(Debug)]
struct WithoutOperation;

impl Intercept for WithoutOperation {
    fn name(&self) -> &'static str {
        "WithoutOperation"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let shorter = without_operation(request.uri());
        request.set_uri(shorter)?;
        Ok(())
    }
}

fn without_operation(uri: &str) -> String {
    let Some((path, query)) = uri.split_once('?') else {
        return uri.to_owned();
    };
    let rest: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("x-id=")).collect();
    if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operation_is_left_out_and_nothing_else() {
        for (uri, shorter) in [
            ("https://h/b/k?x-id=GetObject", "https://h/b/k"),
            (
                "https://h/b/k?x-id=UploadPart&partNumber=1&uploadId=a",
                "https://h/b/k?partNumber=1&uploadId=a",
            ),
            ("https://h/b/k?uploads&x-id=X", "https://h/b/k?uploads"),
            ("https://h/b/x-id=k", "https://h/b/x-id=k"),
        ] {
            assert_eq!(without_operation(uri), shorter);
        }
    }
}
