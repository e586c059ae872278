//! Secrets that are never printed: the API key, and connection URIs with passwords.

use std::fmt;

/// An API key; never printed.
#[derive(Clone)]
pub struct ApiKey(pub(super) String);

impl ApiKey {
    /// Wraps a key.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A connection URI with a password; never printed.
#[derive(Clone)]
pub struct Uri(pub(super) String);

impl Uri {
    /// The URI itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The URI with `***` instead of its password.
    pub fn masked(&self) -> String {
        match url::Url::parse(&self.0) {
            Ok(mut url) => match url.password().is_none() || url.set_password(Some("***")).is_ok() {
                true => url.into(),
                false => "***".into(),
            },
            Err(_) => "***".into(),
        }
    }

    /// Its password, as it stands there.
    pub fn password(&self) -> Option<String> {
        url::Url::parse(&self.0).ok()?.password().map(str::to_owned)
    }

    /// Its host.
    pub fn host(&self) -> Option<String> {
        url::Url::parse(&self.0).ok()?.host_str().map(str::to_owned)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let uri = Uri("postgresql://app:hunter22@ep-x.eu.neon.tech/app?sslmode=require".into());
        assert_eq!(uri.masked(), "postgresql://app:***@ep-x.eu.neon.tech/app?sslmode=require");
        assert_eq!(uri.host().as_deref(), Some("ep-x.eu.neon.tech"));
        let shown = format!("{uri:?} {:?}", ApiKey::new("napi_secret"));
        assert!(!shown.contains("hunter22") && !shown.contains("napi"), "{shown}");
    }
}
