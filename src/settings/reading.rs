//! Which backup to read, and how.

use super::{keys, location, name};
use crate::cli::{OpenWords, SelectWords, StoreWords};
use crate::error::Result;
use crate::pipeline::keys::Identities;
use crate::stored::opened::{BackupSelection, ReadOptions, Select};

pub(super) fn select(words: SelectWords) -> Result<Select> {
    Ok(Select { id: words.id, name: name(words.name.as_deref())? })
}

pub(super) fn selection(words: SelectWords, store: &StoreWords, open: &OpenWords) -> Result<BackupSelection> {
    Ok(BackupSelection { select: select(words)?, reading: reading(store, open)? })
}

pub(super) fn reading(store: &StoreWords, open: &OpenWords) -> Result<ReadOptions> {
    Ok(ReadOptions {
        identities: keys::identities(open)?,
        ask: keys::ask,
        allow_unencrypted: open.allow_unencrypted,
        ..reading_without_keys(store, open)?
    })
}

/// Enough to look at what is public.
pub(super) fn reading_without_keys(store: &StoreWords, open: &OpenWords) -> Result<ReadOptions> {
    Ok(ReadOptions {
        location: location(store)?,
        identities: Identities::default(),
        ask: |_| None,
        strict: open.strict,
        allow_unencrypted: false,
        trusted: keys::verify_key(&open.trust)?,
    })
}
