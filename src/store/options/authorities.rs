//! Certificates of authorities to trust besides those of the machine: a company's own, or a test server's.

use crate::error::{Error, Result};
use std::fmt;
use std::sync::Arc;

/// Certificates of authorities, in PEM; checked, because the SDK panics on one that is not valid.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorities(Arc<[u8]>);

impl Authorities {
    /// Checks the contents of a file with one certificate or more.
    pub fn parse(pem: &[u8]) -> Result<Self> {
        let none = || {
            Error::settings("there is no certificate in the CA file")
                .hint("it must be in PEM: -----BEGIN CERTIFICATE-----")
        };
        let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|e| none().because(e))?;
        if certificates.is_empty() {
            return Err(none());
        }
        let builder = reqwest::Client::builder().tls_certs_only(certificates);
        builder
            .build()
            .map_err(|e| Error::settings("a certificate in the CA file is not valid").because(e))?;
        Ok(Self(pem.into()))
    }

    /// The certificates in PEM.
    pub(in crate::store) fn pem(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused_and_does_not_panic() {
        let damaged = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (pem, says) in
            [(&b""[..], "no certificate"), (b"hello", "no certificate"), (&damaged[..], "not valid")]
        {
            let error = Authorities::parse(pem).unwrap_err();
            assert!(error.message().contains(says), "{error:?}");
        }
    }
}
