//! age's keys: recipients, which encrypt, and identities, which decrypt.
//!
//! Never repeats what could be a secret: not in errors, not in `Debug`, not in logs. Never asks a user itself:
//! passphrases come from the caller, through [`Ask`] if they are needed late.

mod ask;
mod files;
mod fingerprints;
mod identities;
mod plugin;
mod recipients;
mod secret_file;
#[cfg(test)]
mod tests;

pub use age::secrecy::{ExposeSecret, SecretString};
pub use ask::Ask;
pub use files::{is_signing_key, looks_secret};
pub use fingerprints::PASSPHRASE;
pub use identities::Identities;
pub use plugin::{Variables, end_plugins, is_for_plugins};
pub use recipients::Recipients;
pub use secret_file::write_secret;

use age::x25519;
use std::time::SystemTime;

/// Creates a new key pair: the text of the identity file, as `age-keygen` writes it, and the recipient.
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
