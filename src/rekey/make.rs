//! Makes a backup for other recipients out of one: every object is encrypted again under a new id, the manifest last.

use super::request::Change;
use crate::error::{Error, Result};
use crate::pipeline::{self, Reencrypt};
use crate::progress::Progress;
use crate::run::Run;
use crate::store::{Metadata, Situation};
use crate::stored::digest::Digest;
use crate::stored::download;
use crate::stored::manifest::{Encryption, Manifest, Object, Rekeying, TOOL};
use crate::stored::names::{MANIFEST, Place, SIGNATURE, Timestamp};
use crate::stored::opened::{OpenedBackup, stored_as_said};
use crate::stored::signing::Signed;
use crate::stored::upload::{self, Uploading};
use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Parts that are uploaded at the same time.
const UPLOADS: usize = 4;
/// How long a store may take, after a signal, to say that it has begun the upload that is no longer wanted.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// One backup on its way to its new recipients.
pub(super) struct Remaking<'a> {
    pub(super) change: &'a Change,
    pub(super) old: &'a OpenedBackup,
    /// Where the new one will be.
    pub(super) place: Place,
    /// Whether its manifest is signed.
    pub(super) signed: bool,
    pub(super) progress: Progress,
    pub(super) run: &'a Run,
    /// Whether the store may have got something of it.
    pub(super) written: Cell<bool>,
}

/// The store lets this key write nothing, so no other backup need be tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct MayNotWrite;

impl Remaking<'_> {
    /// Makes it; the new manifest. Nothing is left of it if that fails.
    pub(super) async fn make(&self) -> Result<Manifest> {
        let theirs = Cell::new(false);
        let mut objects = Vec::new();
        let made = async {
            let following = self.run.follow(&self.progress);
            for object in &self.old.backup.manifest.objects {
                let metadata =
                    if objects.is_empty() { self.manifest(Vec::new()).metadata() } else { Metadata::new() };
                objects.push(self.object(object, &metadata).await?);
            }
            drop(following);
            let manifest = self.manifest(objects.clone());
            manifest.check_size()?;
            // A moment: not interrupted, so that the exit code and the store agree on whether there is a backup.
            self.publish(&manifest, &theirs).await?;
            Ok(manifest)
        };
        let made = made.await;
        if made.is_err() && self.written.get() && !theirs.get() {
            self.take_back().await;
        }
        made
    }

    /// Encrypts one object again, and checks on the way that it is what its manifest says.
    async fn object(&self, object: &Object, metadata: &Metadata) -> Result<Object> {
        let name = encrypted(&object.key);
        let to = self.place.key(&name);
        let (store, identities) = (self.old.store(), self.old.keys()?);
        let fetching = self.old.fetch(object, download::Options::default(), Arc::default());
        let fetch = self.run.or(fetching).await.map_err(|e| self.old.explain(e))?;
        let part_size = upload::part_size(store.limits(), Some(object.stored_bytes), None)?;
        let upload = self.begin(&to, metadata, part_size).await?;
        let passed = async {
            let (parts, parts_to_send) = mpsc::channel(1);
            let how = Reencrypt {
                identities,
                recipients: Arc::clone(&self.change.recipients),
                part_size: usize::try_from(part_size)
                    .map_err(|e| Error::usage("such parts do not fit into memory").because(e))?,
                progress: Arc::clone(&self.progress.plain),
            };
            let (done, sent) = tokio::try_join!(
                pipeline::reencrypt(fetch, object.stored_bytes, how, parts),
                upload.send(parts_to_send, UPLOADS, Arc::clone(&self.progress.stored)),
            )?;
            // The compressed bytes stay the same, and so does what is in them.
            stored_as_said("stored bytes", &done.before, object)?;
            let (made, sent) = (done.stored.bytes, sent.bytes);
            if made != sent {
                return Err(Error::unexpected(format!("{made} bytes were made and {sent} sent")));
            }
            self.written.set(true);
            let stored = upload.complete(made).await?;
            Ok(Object {
                key: name,
                stored_bytes: made,
                stored_sha256: Digest(done.stored.sha256),
                store_checksum: stored.checksum,
                plain_bytes: object.plain_bytes,
                plain_sha256: object.plain_sha256,
            })
        };
        let passed = self.run.or(passed).await;
        if passed.is_err()
            && let Err(second) = upload.abort().await
        {
            tracing::warn!("{second}");
        }
        passed.map_err(|e| self.old.explain(e))
    }

    /// Begins an upload. If a signal comes in the meantime, the store may have begun it all the same: its answer is
    /// awaited then, so that the upload can be aborted.
    async fn begin(&self, key: &str, metadata: &Metadata, part_size: u64) -> Result<Uploading> {
        let store = self.old.store();
        let mut beginning = pin!(Uploading::begin(&*store, key, metadata, part_size));
        let begun = self.run.or(beginning.as_mut()).await;
        if begun.as_ref().is_err_and(|error| error.kind().is_signal())
            && let Ok(Ok(upload)) = tokio::time::timeout(LAST_WAIT, beginning).await
            && let Err(second) = upload.abort().await
        {
            tracing::warn!("{second}");
        }
        begun.map_err(|error| match error.situation() {
            Some(Situation::Denied) => error.in_situation(MayNotWrite),
            _ => error,
        })
    }

    /// What is written about the new one: what was written about the old one, for other recipients.
    fn manifest(&self, objects: Vec<Object>) -> Manifest {
        let old = &self.old.backup.manifest;
        let mut former_ids =
            old.rekeyed.as_ref().map(|rekeyed| rekeyed.former_ids.clone()).unwrap_or_default();
        former_ids.push(old.id.clone());
        Manifest {
            id: self.place.id.clone(),
            tool: TOOL.to_owned(),
            encryption: Encryption::Age,
            recipients: self.change.recipients.fingerprints(),
            objects,
            rekeyed: Some(Rekeying { at: Timestamp::now(), former_ids }),
            ..old.clone()
        }
    }

    /// Signature, manifest: from here on the new one exists.
    async fn publish(&self, manifest: &Manifest, theirs: &Cell<bool>) -> Result<()> {
        let store = self.old.store();
        let put = async |object: &str, bytes: Vec<u8>| {
            self.written.set(true);
            let put = store.put_new(&self.place.key(object), bytes.into()).await;
            put.inspect_err(|e| theirs.set(e.situation() == Situation::Exists))
        };
        let bytes = manifest.to_bytes()?;
        if let Some(key) = self.change.signing.as_ref().filter(|_| self.signed) {
            let signature = key.sign(Signed::Manifest, &bytes, &format!("pgstow {}", self.place))?;
            put(SIGNATURE, signature.into()).await?;
        }
        put(MANIFEST, bytes).await?;
        Ok(())
    }

    /// Removes what was stored of one that did not come to be, the manifest first: it may be there if only the answer
    /// to writing it was lost.
    async fn take_back(&self) {
        let store = self.old.store();
        let objects = self.old.backup.manifest.objects.iter().map(|object| encrypted(&object.key));
        for object in [MANIFEST, SIGNATURE].map(str::to_owned).into_iter().chain(objects) {
            if let Err(error) = store.delete(&self.place.key(&object)).await {
                tracing::warn!(
                    "the objects of {} remain in the store; without a manifest they are not a backup: {error}",
                    self.place
                );
                return;
            }
        }
    }
}

/// The file name of an object that is encrypted now, whether it was before or not.
fn encrypted(name: &str) -> String {
    format!("{}.age", name.strip_suffix(".age").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_encrypted_object_is_called_so() {
        assert_eq!(super::encrypted("dump.zst"), "dump.zst.age");
        assert_eq!(super::encrypted("dump.zst.age"), "dump.zst.age");
    }
}
