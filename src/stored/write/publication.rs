//! The steps of a new backup in one store around its dump: its small objects, its signature, and the manifest last. And the
//! way back, the manifest first.

use crate::error::{Error, Result};
use crate::store::{Situation, Store, StoreError, Stored};
use crate::stored::format::manifest::Manifest;
use crate::stored::format::names::{MANIFEST, Place, SIGNATURE};
use crate::stored::format::signing::{Signed, SigningKey};
use crate::stored::upload::ABORT;
use bytes::Bytes;
use std::cell::Cell;

/// A new backup in one store.
pub struct Publication<'a> {
    store: &'a dyn Store,
    place: &'a Place,
    /// Whether somebody else's object is in its place: then nobody knows which of them are ours.
    is_taken: Cell<bool>,
    /// Whether there may be an object of ours.
    is_begun: Cell<bool>,
    /// Whether the manifest may be ours.
    is_published: Cell<bool>,
}

impl<'a> Publication<'a> {
    /// Nothing is written yet.
    pub fn new(store: &'a dyn Store, place: &'a Place) -> Self {
        let (is_taken, is_begun, is_published) = Default::default();
        Self { store, place, is_taken, is_begun, is_published }
    }

    /// Writes a small object.
    pub async fn put(&self, object: &str, bytes: Bytes) -> Result<Stored> {
        self.is_begun.set(true);
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
        self.is_published.set(true);
        // Whatever its failure is: an answer may have been lost before it.
        self.put(MANIFEST, bytes.into()).await.map(drop)
    }

    /// Looks once more for an object, now that the manifest is there, if the key may.
    ///
    /// # Errors
    /// If it is gone.
    pub async fn confirm(&self, object: &str) -> Result<()> {
        match self.store.head(&self.place.key(object)).await {
            Err(error) if error.situation() == Situation::NotFound => Err(Error::store(format!(
                "{object} of {} was removed before the manifest was written",
                self.place
            ))
            .hint("a prune took it for what a killed run had left; make the backup again")),
            _ => Ok(()),
        }
    }

    /// Removes the small objects of a backup whose dump did not come to be, if the key may.
    pub async fn take_back_begun(&self, objects: impl IntoIterator<Item = String>) {
        if self.is_begun.get() {
            self.take_back(objects).await;
        }
    }

    /// Removes what was stored of a backup that did not come to be, these objects too, if the key may.
    ///
    /// The manifest goes first: it may be there, if only the answer to writing it was lost, and a
    /// manifest without its dump would be worse than either.
    pub async fn take_back(&self, objects: impl IntoIterator<Item = String>) {
        if self.is_taken.get() {
            return;
        }
        // Whoever gives the run a signal does not wait for a store that does not answer.
        if tokio::time::timeout(ABORT, self.remove(objects)).await.is_err() {
            let error =
                StoreError::new(Situation::Transient, format!("no answer within {} s", ABORT.as_secs()));
            if self.is_published.get() { self.is_unknown(&error) } else { self.remains(&error) }
        }
    }

    async fn remove(&self, objects: impl IntoIterator<Item = String>) {
        if !self.is_published.get() {
            match self.store.head(&self.place.key(MANIFEST)).await {
                Ok(_) => {
                    let store = self.store.display_url();
                    tracing::warn!(
                        "{} is in {store} all the same: a copy from another store completed it",
                        self.place
                    );
                    return;
                }
                // A deletion would be waited for as long again.
                Err(error) if error.situation().may_pass() => return self.remains(&error),
                Err(_) => {}
            }
        }
        for object in [MANIFEST, SIGNATURE].map(str::to_owned).into_iter().chain(objects) {
            if let Err(error) = self.store.delete(&self.place.key(&object)).await {
                return match object == MANIFEST && !self.is_without_manifest(&error).await {
                    true => self.is_unknown(&error),
                    false => self.remains(&error),
                };
            }
        }
    }

    /// Whether it is certain that there is no manifest, after one could not be deleted.
    async fn is_without_manifest(&self, error: &StoreError) -> bool {
        let absent = async || match self.store.head(&self.place.key(MANIFEST)).await {
            Err(error) => error.situation() == Situation::NotFound,
            Ok(_) => false,
        };
        // A store that does not answer would be waited for again.
        !self.is_published.get() || (!error.situation().may_pass() && absent().await)
    }

    fn is_unknown(&self, error: &StoreError) {
        tracing::warn!(
            "whether {} is in {} is not known; `pgstow list` shows it if it is, whole: {error}",
            self.place,
            self.store.display_url()
        );
    }

    fn remains(&self, error: &StoreError) {
        tracing::warn!(
            "the objects of {} remain in {}; without a manifest they are not a backup: {error}",
            self.place,
            self.store.display_url()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{OpenOptions, StoreUrl, open};
    use crate::stored::format::manifest::tests::example;
    use std::sync::Arc;
    use tempfile::TempDir;

    /// An empty folder as a store, and what is to be published in it.
    async fn nothing_yet() -> (TempDir, Arc<dyn Store>, Manifest, Place) {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::File(folder.path().to_owned());
        let store = open(&url, OpenOptions::default()).await.unwrap();
        let manifest = example();
        let place = Place { name: manifest.name.clone(), id: manifest.id.clone() };
        (folder, store, manifest, place)
    }

    #[tokio::test]
    async fn what_somebody_else_has_completed_stays() {
        let (_folder, store, manifest, place) = nothing_yet().await;
        let (own, other) = (Publication::new(&*store, &place), Publication::new(&*store, &place));
        let count = async || store.list("").await.unwrap().len();
        own.put("dump.zst.age", Bytes::from_static(b"x")).await.unwrap();
        other.publish(&manifest, None).await.unwrap();
        own.take_back(["dump.zst.age".to_owned()]).await;
        assert_eq!(count().await, 2);
        // Its own goes, the manifest too.
        other.take_back(["dump.zst.age".to_owned()]).await;
        assert_eq!(count().await, 0);
    }

    #[tokio::test]
    async fn an_object_that_was_removed_before_its_manifest_is_missed() {
        let (_folder, store, manifest, place) = nothing_yet().await;
        let there = Publication::new(&*store, &place);
        there.put("stream.zst.age", Bytes::from_static(b"x")).await.unwrap();
        there.publish(&manifest, None).await.unwrap();
        there.confirm("stream.zst.age").await.unwrap();
        store.delete(&place.key("stream.zst.age")).await.unwrap();
        let error = there.confirm("stream.zst.age").await.unwrap_err();
        assert!(error.message().contains("was removed before the manifest was written"), "{error}");
    }
}
