//! Public names of keys.

use age::ssh;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

/// The name of a passphrase among fingerprints.
pub const PASSPHRASE: &str = "passphrase";

/// The fingerprint of an SSH key as `ssh-keygen -l` prints it.
pub fn ssh_fingerprint(recipient: &ssh::Recipient) -> String {
    let line = recipient.to_string();
    let blob = line.split(' ').nth(1).and_then(|base64| BASE64_STANDARD.decode(base64).ok());
    format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(blob.unwrap_or_default())))
}
