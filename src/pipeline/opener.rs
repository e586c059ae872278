//! Which identity opens an object: its header is enough to know.

use super::failures::refused;
use super::keys::Identities;
use super::threads::blocking;
use crate::error::Result;
use age::{DecryptError, Decryptor};
use bytes::Bytes;
use std::sync::Arc;

/// The public name of the first identity that unwraps the key in this header, if one does.
///
/// `start` is the beginning of the object: its header, and at least 16 bytes more. Plugins may ask their users.
///
/// # Errors
/// [`Kind::Verify`](crate::error::Kind::Verify) if the header is damaged, or longer than `start`.
pub async fn opener(start: Bytes, identities: Arc<Identities>) -> Result<Option<String>> {
    blocking(move || {
        for (name, identity) in identities.named() {
            let age = Decryptor::new_buffered(&*start).map_err(|e| refused(e, &identities))?;
            match age.decrypt(std::iter::once(identity)) {
                Ok(_) => return Ok(Some(name.to_owned())),
                Err(
                    DecryptError::NoMatchingKeys
                    | DecryptError::DecryptionFailed
                    | DecryptError::KeyDecryptionFailed
                    | DecryptError::ExcessiveWork { .. },
                ) => {}
                Err(error) => return Err(refused(error, &identities)),
            }
        }
        Ok(None)
    })
    .await
}
