//! Makes a backup for other recipients out of one: every object is encrypted again under a new id, the manifest last.

use super::request::Change;
use crate::error::{Error, Result};
use crate::pipeline::{self, Reencrypt};
use crate::progress::Progress;
use crate::run::Run;
use crate::store::{Metadata, Situation};
use crate::stored::download;
use crate::stored::format::digest::Digest;
use crate::stored::format::manifest::{Encryption, Manifest, Object, Rekeying, TOOL};
use crate::stored::format::names::{Place, Timestamp};
use crate::stored::read::opened::{OpenedBackup, stored_as_said};
use crate::stored::upload::{self, Uploading};
use crate::stored::write::publication::Publication;
use std::sync::Arc;

/// Parts that are uploaded at the same time.
const UPLOADS: usize = 4;

/// One backup on its way to its new recipients.
pub(super) struct Remaking<'a> {
    pub(super) change: &'a Change,
    pub(super) old: &'a OpenedBackup,
    /// Where the new one will be.
    pub(super) place: &'a Place,
    /// Whether its manifest is signed.
    pub(super) signed: bool,
    pub(super) progress: Progress,
    pub(super) run: &'a Run,
}

/// The store lets this key write nothing, so no other backup need be tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct MayNotWrite;

impl Remaking<'_> {
    /// Makes it; the new manifest. Nothing is left of it if that fails.
    pub(super) async fn make(&self) -> Result<Manifest> {
        let store = self.old.store();
        let there = Publication::new(&*store, self.place);
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
            there.publish(&manifest, self.change.signing.as_ref().filter(|_| self.signed)).await?;
            Ok(manifest)
        };
        let made = made.await;
        // Before the first object is whole there is nothing: its upload is aborted.
        if made.is_err() && !objects.is_empty() {
            let objects = self.old.backup.manifest.objects.iter();
            there.take_back(objects.map(|object| encrypted(&object.key))).await;
        }
        made
    }

    /// Encrypts one object again, and checks on the way that it is what its manifest says.
    async fn object(&self, object: &Object, metadata: &Metadata) -> Result<Object> {
        let name = encrypted(&object.key);
        let (store, identities) = (self.old.store(), self.old.keys()?);
        let fetching = self.old.fetch(object, download::Options::default(), Arc::default());
        let fetch = self.run.or(fetching).await.map_err(|e| self.old.explain(e))?;
        let part_size = upload::part_size(store.limits(), Some(object.stored_bytes), None)?;
        let how = Reencrypt {
            identities,
            recipients: Arc::clone(&self.change.recipients),
            part_size: usize::try_from(part_size)
                .map_err(|e| Error::usage("such parts do not fit into memory").because(e))?,
            progress: Arc::clone(&self.progress.plain),
        };
        let make = async |parts| {
            let done = pipeline::reencrypt(fetch, object.stored_bytes, how, parts).await?;
            // The compressed bytes stay the same, and so does what is in them.
            stored_as_said("stored bytes", &done.before, object)?;
            Ok(done.stored)
        };
        let key = self.place.key(&name);
        let upload = Uploading::begin_for(self.run, &*store, &key, metadata, part_size).await;
        let upload = upload.map_err(|error| match error.situation() {
            Some(Situation::Denied) => error.in_situation(MayNotWrite),
            _ => error,
        })?;
        let delivered = upload.deliver(self.run, UPLOADS, Arc::clone(&self.progress.stored), make).await;
        let (made, stored) = delivered.map_err(|e| self.old.explain(e))?;
        Ok(Object {
            key: name,
            stored_bytes: made.bytes,
            stored_sha256: Digest(made.sha256),
            store_checksum: stored.checksum,
            plain_bytes: object.plain_bytes,
            plain_sha256: object.plain_sha256,
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
