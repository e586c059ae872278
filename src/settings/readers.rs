//! The settings of `pgstow keys`.

use super::{keys, location_to_look_at, name};
use crate::cli::KeysWords;
use crate::error::Result;
use crate::readers::ReadersOptions;
use std::sync::Arc;

/// Checks the words of `pgstow keys`.
pub fn readers(words: &KeysWords) -> Result<ReadersOptions> {
    Ok(ReadersOptions {
        location: location_to_look_at(&words.store)?,
        name: name(words.only.as_deref().or(words.name.as_deref()))?,
        identities: Arc::new(keys::identities(&words.identity)?),
        trusted: keys::verify_keys(&words.trust)?,
    })
}
