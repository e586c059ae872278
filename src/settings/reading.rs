//! Which backup to read, and how.

use super::environment::{explain_empty, path};
use super::{keys, location, name};
use crate::cli::{OpenWords, SelectWords, StoreWords, TrustWords};
use crate::error::{Error, Result};
use crate::stored::history::{Caution, History};
use crate::stored::newest::Which;
use crate::stored::opened::{BackupSelection, ReadOptions, Select};
use std::sync::Arc;

pub(super) fn select(words: SelectWords) -> Result<Select> {
    Ok(Select { id: words.id, name: name(words.name.as_deref())? })
}

pub(super) fn selection(words: SelectWords, store: &StoreWords, open: &OpenWords) -> Result<BackupSelection> {
    Ok(BackupSelection { select: select(words)?, reading: reading(store, open)? })
}

/// One backup by its id, or many; `None` if nothing was named.
pub(super) fn which(id: Option<&str>, many: Option<Which>) -> Result<Option<Which>> {
    match (id, many) {
        (Some(_), Some(_)) => Err(Error::usage("an id and a choice of many contradict each other")),
        (Some(id), None) => Ok(Some(Which::One(id.to_owned()))),
        (None, many) => Ok(many),
    }
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
    let trusted = keys::verify_keys(&open.trust)?;
    if open.strict && trusted.is_none() {
        let missing = Error::usage("--strict without --verify-key checks nothing")
            .hint("give the key, or leave --strict out, also in variables and in pgstow.toml");
        return Err(explain_empty(missing, &["PGSTOW_VERIFY_KEY"]));
    }
    Ok(ReadOptions {
        location: location(store)?,
        identities: Arc::default(),
        ask: |_| None,
        caution: if open.strict { Caution::Strict } else { Caution::RefuseOlder },
        allow_unencrypted: false,
        history: history(&open.trust),
        trusted,
    })
}

/// Where it is remembered which backups were seen: in the user's folder for state. Whoever has none has no history.
pub(super) fn history(words: &TrustWords) -> Option<History> {
    let folder = path("XDG_STATE_HOME").filter(|folder| folder.is_absolute());
    let folder = folder.or_else(|| path("HOME").map(|home| home.join(".local/state")));
    folder.filter(|_| !words.no_state).map(|folder| History::at(folder.join("pgstow/newest.json")))
}
