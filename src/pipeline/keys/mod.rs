//! age's keys: recipients, for whom to encrypt, and identities, which open.
//!
//! Never repeats what could be a secret: not in errors, not in `Debug`, not in logs. Asks nobody for
//! anything itself: passphrases come from the caller, through [`Ask`] where they are wanted late.

mod identities;
mod recipients;
#[cfg(test)]
mod tests;

pub use age::secrecy::{ExposeSecret, SecretString};
pub use identities::Identities;
pub use recipients::Recipients;

use crate::error::{Error, Result};
use age::plugin::ResolveError;
use age::{Callbacks, ssh, x25519};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// What a passphrase stands as among fingerprints.
pub const PASSPHRASE: &str = "passphrase";

/// The largest file of keys that is read.
const LARGEST_FILE: u64 = 1 << 20;

/// Makes a new key pair: the identity file's text, as `age-keygen` writes it, and the recipient.
pub fn keygen() -> (SecretString, String) {
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let text = format!(
        "# created: {}\n# public key: {recipient}\n{}\n",
        humantime::format_rfc3339_seconds(SystemTime::now()),
        identity.to_string().expose_secret(),
    );
    (SecretString::from(text), recipient)
}

/// Asks for a passphrase or a plugin's PIN; the text says for what. `None` where there is nobody to ask.
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

    fn passphrase(&self, what: &str) -> Result<SecretString> {
        (self.0)(&format!("Passphrase for {what}")).ok_or_else(|| {
            Error::settings(format!("{what} is protected by a passphrase, and none was given"))
                .hint("give it in a file with --passphrase-file, or in PGSTOW_PASSPHRASE")
        })
    }
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ask")
    }
}

/// What plugins may want from people.
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

/// The fingerprint of an SSH key as `ssh-keygen -l` prints it.
fn ssh_fingerprint(recipient: &ssh::Recipient) -> String {
    let line = recipient.to_string();
    let blob = line.split(' ').nth(1).and_then(|base64| BASE64_STANDARD.decode(base64).ok());
    format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(blob.unwrap_or_default())))
}

fn missing_plugin(error: ResolveError) -> Error {
    match error {
        ResolveError::MissingPlugin { binary_name } => {
            Error::settings(format!("the age plugin {binary_name} is not installed"))
                .hint(format!("install {binary_name} into a folder of PATH"))
        }
        other => Error::settings("the age plugin cannot be used").because(other),
    }
}

/// Reads a file of keys.
fn read_file(what: &str, path: &Path) -> Result<Vec<u8>> {
    let unreadable = |why: String| Error::settings(format!("read {what} {}: {why}", path.display()));
    let length = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()).because(e))?.len();
    if length > LARGEST_FILE {
        return Err(unreadable("it is too large to hold keys".into()));
    }
    std::fs::read(path).map_err(|e| unreadable(e.to_string()).because(e))
}

/// The lines that are neither empty nor comments, with their numbers from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Whether the text is, or begins, a secret key.
fn looks_secret(text: &str) -> bool {
    let upper = text.trim_start().to_ascii_uppercase();
    upper.starts_with("AGE-SECRET-KEY-")
        || upper.starts_with("AGE-PLUGIN-")
        || upper.starts_with("-----BEGIN")
}
