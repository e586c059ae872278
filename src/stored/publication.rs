//! The last steps of a new backup in one store: its small objects, its signature, and the manifest last. And the way
//! back, the manifest first.

use super::manifest::Manifest;
use super::names::{MANIFEST, Place, SIGNATURE};
use super::signing::{Signed, SigningKey};
use crate::error::Result;
use crate::store::{Situation, Store, Stored};
use bytes::Bytes;
use std::cell::Cell;

/// A new backup in one store, which has its dump.
pub struct Publication<'a> {
    store: &'a dyn Store,
    place: &'a Place,
    /// Whether somebody else's object is in its place: then nobody knows which of them are ours.
    is_taken: Cell<bool>,
}

impl<'a> Publication<'a> {
    /// Nothing is written yet.
    pub fn new(store: &'a dyn Store, place: &'a Place) -> Self {
        Self { store, place, is_taken: Cell::new(false) }
    }

    /// Writes a small object.
    pub async fn put(&self, object: &str, bytes: Bytes) -> Result<Stored> {
        let put = self.store.put_new(&self.place.key(object), bytes).await;
        Ok(put.inspect_err(|e| self.is_taken.set(e.situation() == Situation::Exists))?)
    }

    /// Writes the signature, if it is signed, and the manifest: from here on the backup exists.
    pub async fn publish(&self, manifest: &Manifest, signing: Option<&SigningKey>) -> Result<()> {
        let bytes = manifest.to_bytes()?;
        if let Some(key) = signing {
            let signature = key.sign(Signed::Manifest, &bytes, &format!("pgstow {}", self.place))?;
            self.put(SIGNATURE, signature.into()).await?;
        }
        self.put(MANIFEST, bytes.into()).await.map(drop)
    }

    /// Removes what was stored of a backup that did not come to be, these objects too, if the key may.
    ///
    /// The manifest goes first: it may be there, if only the answer to writing it was lost, and a
    /// manifest without its dump would be worse than either.
    pub async fn take_back(&self, objects: impl IntoIterator<Item = String>) {
        if self.is_taken.get() {
            return;
        }
        for object in [MANIFEST, SIGNATURE].map(str::to_owned).into_iter().chain(objects) {
            if let Err(error) = self.store.delete(&self.place.key(&object)).await {
                tracing::warn!(
                    "the objects of {} remain in {}; without a manifest they are not a backup: {error}",
                    self.place,
                    self.store.display_url()
                );
                return;
            }
        }
    }
}
