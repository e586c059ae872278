//! Web proxies: what Google's client lists, looks up and deletes goes by gRPC, which it sends through none.
//!
//! A request that ignores the proxy fails slowly if there is no other way out, and breaks a rule of the house if there
//! is one. So a store that is behind a proxy is refused at once.

use crate::store::contract::error::{Result, Situation, StoreError};
use hyper_util::client::proxy::matcher::Matcher;

/// Refuses a store which these proxies, or those of the environment, are meant for.
pub(super) fn refuse(endpoint: &str, bucket: &str, proxies: &Matcher) -> Result<()> {
    let Ok(uri) = endpoint.parse() else { return Ok(()) };
    if proxies.intercept(&uri).is_none() {
        return Ok(());
    }
    let host = uri.host().unwrap_or(endpoint);
    let message = format!("gs:// cannot use a web proxy, and the environment names one for {host}");
    Err(StoreError::new(Situation::Unsupported, message)
        .hint(format!("if this machine reaches {host} directly: NO_PROXY={host}"))
        .hint(format!(
            "if not, use the bucket's HMAC keys with s3://{bucket}?endpoint={endpoint}, which goes through the proxy"
        )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_store_that_a_proxy_is_for_is_refused() {
        let proxies = |no| Matcher::builder().https("http://proxy:3128").no(no).build();
        let google = "https://storage.googleapis.com";
        let refused = |endpoint, no| refuse(endpoint, "b", &proxies(no)).err();
        let error = refused(google, "").unwrap();
        assert!(error.to_string().contains("for storage.googleapis.com"), "{error}");
        let hints = error.hints().concat();
        assert!(hints.contains("NO_PROXY=storage.googleapis.com") && hints.contains("s3://b?"), "{hints}");
        assert!(refused("https://storage.googleapis.com:443", "example.com").is_some());
        for (endpoint, no) in [
            (google, "storage.googleapis.com"),
            (google, ".googleapis.com"),
            (google, "*"),
            ("http://127.0.0.1:4443", ""),
        ] {
            assert!(refused(endpoint, no).is_none(), "{endpoint} {no}");
        }
    }
}
