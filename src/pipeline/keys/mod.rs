//! age's keys: recipients, for whom to encrypt, and identities, which open.
//!
//! Never repeats what could be a secret: not in errors, not in `Debug`, not in logs. Asks nobody for
//! anything itself: passphrases come from the caller, through [`Ask`] where they are wanted late.

mod ask;
mod files;
mod fingerprints;
mod identities;
mod recipients;
mod secret_file;
#[cfg(test)]
mod tests;

pub use age::secrecy::{ExposeSecret, SecretString};
pub use ask::Ask;
pub use fingerprints::PASSPHRASE;
pub use identities::Identities;
pub use recipients::Recipients;
pub use secret_file::write_secret;

use age::x25519;
use std::time::SystemTime;

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
