//! Deletes the objects of a backup in the order in which a killed run leaves no half a backup: the manifest first.

use crate::error::Error;
use crate::store::{Situation, Store, StoreError};
use crate::stored::format::names::Place;
use crate::text::shell_word;

/// Why the objects of a backup stay.
#[derive(Debug)]
pub struct Kept {
    /// How many of them were deleted before that was known; the first one is the manifest.
    pub deleted: usize,
    /// What keeps the next one.
    pub why: String,
}

/// A failure while objects are deleted.
#[derive(Debug)]
pub struct Stopped {
    /// How many of them were deleted before it; the first one is the manifest.
    pub deleted: usize,
    /// What failed.
    pub error: StoreError,
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self { deleted: 0, error }
    }
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Self {
        stopped.error.into()
    }
}

/// The command that removes this backup, and none of another store.
pub fn command(Place { name, id }: &Place, store: &str) -> String {
    format!("pgstow delete {id} --name {} --store {}", shell_word(&name.to_string()), shell_word(store))
}

/// Deletes objects in this order, unless one of them is locked.
pub async fn delete(store: &dyn Store, keys: &[String]) -> Result<Option<Kept>, Stopped> {
    for key in keys {
        if let Some(lock) = store.lock(key).await? {
            return Ok(Some(Kept { deleted: 0, why: lock.to_string() }));
        }
    }
    for (deleted, key) in keys.iter().enumerate() {
        match store.delete(key).await {
            Err(error) if error.situation() == Situation::Locked => {
                return Ok(Some(Kept { deleted, why: error.to_string() }));
            }
            done => done.map_err(|error| Stopped { deleted, error })?,
        }
    }
    Ok(None)
}
