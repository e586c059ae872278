//! What a failure to open stored bytes means: keys that do not fit, or damage.

use super::keys::Identities;
use crate::error::{Error, Kind, Result};
use age::DecryptError;
use std::io;

/// Fails if only a passphrase opens the object and there is none.
pub fn passphrase_at_hand(wanted: bool, identities: &Identities) -> Result<()> {
    if !wanted || identities.has_passphrase() {
        return Ok(());
    }
    Err(Error::settings("the backup is encrypted with a passphrase, and there is none")
        .hint("give it in a file with --passphrase-file, or in PGSTOW_PASSPHRASE"))
}

/// Distinguishes damage from keys that do not match.
pub fn refused(error: DecryptError, identities: &Identities) -> Error {
    match error {
        DecryptError::NoMatchingKeys => Error::settings("none of the identities can decrypt this backup")
            .hint(format!("tried: {}", identities.fingerprints().join(", "))),
        DecryptError::DecryptionFailed => {
            Error::settings("the passphrase is wrong, or the key does not match this backup")
        }
        DecryptError::ExcessiveWork { .. } => Error::settings(
            "the backup's passphrase has a scrypt work factor above the limit, and is not tried",
        ),
        DecryptError::Plugin(_) | DecryptError::PluginResolve(_) | DecryptError::KeyDecryptionFailed => {
            Error::settings("the identity could not be used").because(error)
        }
        DecryptError::Io(e) => damaged(e),
        other => Error::verify("the backup's encryption header is damaged").because(other),
    }
}

/// What a failure to read decoded bytes means.
pub fn damaged(error: io::Error) -> Error {
    Error::from_io(error, Kind::Verify, "the backup is damaged or incomplete")
}
