//! Asks users for passphrases, and answers the questions of age's plugins.

use crate::error::{Error, Result};
use age::Callbacks;
use age::secrecy::SecretString;
use std::sync::Arc;

/// Asks for a passphrase or the PIN of a plugin; the text says for what. `None` if there is nobody to ask.
#[derive(Clone)]
pub struct Ask(Arc<How>);

type How = dyn Fn(&str) -> Option<SecretString> + Send + Sync;

impl Ask {
    /// Asks by calling `how`, from any thread.
    pub fn new(how: impl Fn(&str) -> Option<SecretString> + Send + Sync + 'static) -> Self {
        Self(Arc::new(how))
    }

    /// Asks nobody.
    pub fn nobody() -> Self {
        Self::new(|_| None)
    }

    /// Asks for the passphrase of this; a failure says how to provide it.
    pub fn passphrase(&self, what: &str) -> Result<SecretString> {
        (self.0)(&format!("Passphrase for {what}")).ok_or_else(|| {
            Error::settings(format!("{what} is protected by a passphrase, and there is none"))
                .hint("give it in a file with --passphrase-file, or in PGSTOW_PASSPHRASE")
        })
    }
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ask")
    }
}

/// Questions of plugins.
impl Callbacks for Ask {
    fn display_message(&self, message: &str) {
        tracing::warn!("{message}");
    }

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        (self.0)(description)
    }
}
