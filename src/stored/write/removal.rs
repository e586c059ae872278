//! Deletes the objects of a backup in the order in which a killed run leaves no half a backup: the manifest first.

use crate::store::{Result, Situation, Store};
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

/// The command that removes this backup, and none of another store.
pub fn command(Place { name, id }: &Place, store: &str) -> String {
    format!("pgstow delete {id} --name {} --store {}", shell_word(&name.to_string()), shell_word(store))
}

/// Deletes objects in this order, unless one of them is locked.
///
/// # Errors
/// If nothing was deleted. Once something was, a failure is returned as a lock is, with the number.
pub async fn delete(store: &dyn Store, keys: &[String]) -> Result<Option<Kept>> {
    for key in keys {
        if let Some(lock) = store.lock(key).await? {
            return Ok(Some(Kept { deleted: 0, why: lock.to_string() }));
        }
    }
    for (deleted, key) in keys.iter().enumerate() {
        match store.delete(key).await {
            Err(error) if deleted > 0 || error.situation() == Situation::Locked => {
                return Ok(Some(Kept { deleted, why: error.to_string() }));
            }
            done => done?,
        }
    }
    Ok(None)
}
