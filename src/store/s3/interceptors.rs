//! Changes to requests and answers inside the SDK.

use super::extras::Extras;
use crate::sha256;
use crate::store::contract::clock::Clock;
use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeDeserializationInterceptorContextRef,
    BeforeTransmitInterceptorContextMut,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use http_body_util::Limited;
use std::sync::Arc;

/// The longest answer that the SDK reads into memory, in bytes: a page of 1,000 keys has a few MiB at most.
const LONGEST_ANSWER: usize = 16 << 20;

/// Refuses answers that would fill the memory. Objects are exempt: they are read piece by piece.
#[derive(Debug)]
pub(super) struct BoundedAnswers;

impl Intercept for BoundedAnswers {
    fn name(&self) -> &'static str {
        "BoundedAnswers"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_object = config.load::<Metadata>().is_some_and(|operation| operation.name() == "GetObject");
        let response = context.response_mut();
        if !(is_object && response.status().is_success()) {
            let body = std::mem::replace(response.body_mut(), SdkBody::taken());
            *response.body_mut() = SdkBody::from_body_1_x(Limited::new(body, LONGEST_ANSWER));
        }
        Ok(())
    }
}

/// Reads the service's clock off every answer, also off a refusal.
#[derive(Debug)]
pub(super) struct Dated(pub(super) Arc<Clock>);

impl Intercept for Dated {
    fn name(&self) -> &'static str {
        "Dated"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date") {
            self.0.says(date);
        }
        Ok(())
    }
}

/// Adds what is asked for with each new object, before requests are signed.
#[derive(Debug)]
pub(super) struct WithExtras(pub(super) Extras);

impl Intercept for WithExtras {
    fn name(&self) -> &'static str {
        "WithExtras"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map(|operation| operation.name().to_owned());
        for (name, value) in self.0.headers(&operation.unwrap_or_default()) {
            context.request_mut().headers_mut().try_insert(name, value)?;
        }
        Ok(())
    }
}

/// Digests the bytes of a body that is signed: the SDK's own SHA-256 is slow without instructions for it.
#[derive(Debug)]
pub(super) struct DigestedBody;

impl Intercept for DigestedBody {
    fn name(&self) -> &'static str {
        "DigestedBody"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_signed = config.load::<PayloadSigningOverride>().is_none();
        if let Some(bytes) = context.request().body().bytes().filter(|bytes| is_signed && !bytes.is_empty()) {
            let digest = PayloadSigningOverride::Precomputed(hex::encode(sha256::digest(bytes)));
            config.interceptor_state().store_put(digest);
        }
        Ok(())
    }
}

/// Removes the operation's name from requests, before they are signed.
#[derive(Debug)]
pub(super) struct WithoutOperation;

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
