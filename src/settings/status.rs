//! The settings of `pgstow status`.

use super::keep::patterns;
use super::{history, keys, location_to_look_at};
use crate::cli::StatusWords;
use crate::error::Result;
use crate::status::StatusOptions;
use crate::stored::find::contents::Standard;

/// Checks the words of `pgstow status`.
pub fn status(words: &StatusWords) -> Result<StatusOptions> {
    Ok(StatusOptions {
        location: location_to_look_at(&words.store)?,
        names: patterns(&words.names)?,
        max_age: words.max_age,
        max_shrink: words.max_shrink,
        standard: Standard {
            trusted: keys::verify_keys(&words.trust)?,
            count_partial: words.count_partial,
            proven_only: false,
        },
        history: history(&words.trust),
    })
}
