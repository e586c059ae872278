//! The address of a service, from a store's URL or a variable.

use super::refused::credentials_in_url;
use crate::error::{Error, Result};
use ::url::{Host, Url};

/// Checks the address of a service; returns it without a slash at its end.
///
/// Plain HTTP is for this machine only, unless it is allowed explicitly: requests are signed, but anybody on the
/// network can read the names and metadata of objects.
pub fn check_endpoint(text: &str, allow_http: bool) -> Result<String> {
    let unusable = |why: &str| Error::usage(format!("the store's endpoint is invalid: {why}"));
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| unusable("it is not an https:// URL").hint("write it as https://s3.example.com"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(credentials_in_url());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(unusable("it has more than a host and a path"));
    }
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if url.scheme() == "http" && !loopback && !allow_http {
        return Err(unusable("plain HTTP to another machine").hint(
            "use https://; add allow_http=true only on a trusted network, because names and metadata can be read there",
        ));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}
