//! Which backup to read, and how.

use super::{keys, location, name};
use crate::cli::{OpenWords, SelectWords, StoreWords};
use crate::error::Result;
use crate::stored::opened::{BackupSelection, ReadOptions, Select};
use std::sync::Arc;

pub(super) fn select(words: SelectWords) -> Result<Select> {
    Ok(Select { id: words.id, name: name(words.name.as_deref())? })
}

pub(super) fn selection(words: SelectWords, store: &StoreWords, open: &OpenWords) -> Result<BackupSelection> {
    Ok(BackupSelection { select: select(words)?, reading: reading(store, open)? })
}

pub(super) fn reading(store: &StoreWords, open: &OpenWords) -> Result<ReadOptions> {
    Ok(ReadOptions {
        identities: Arc::new(keys::identities(&open.identity)?),
        ask: keys::ask,
        allow_unencrypted: open.allow_unencrypted,
        ..reading_without_keys(store, open)?
    })
}

/// Enough to look at what is public.
pub(super) fn reading_without_keys(store: &StoreWords, open: &OpenWords) -> Result<ReadOptions> {
    Ok(ReadOptions {
        location: location(store)?,
        identities: Arc::default(),
        ask: |_| None,
        strict: open.strict,
        allow_unencrypted: false,
        trusted: keys::verify_key(&open.trust)?,
    })
}
