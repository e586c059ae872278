//! What it means here if the store refuses.

use crate::error::Error;
use crate::store::{Situation, StoreError};

/// What a refusal means for this work.
pub(super) fn explain(error: StoreError) -> Error {
    match error.situation() {
        Situation::Denied => Error::from(error)
            .without_hints()
            .hint("prune and delete need a key that may list, read and delete backups and unfinished uploads: docs/keeping.md has the rights"),
        _ => error.into(),
    }
}
