//! Reads stored objects to their end, and compares them with their manifest: with a key what is in them, without one
//! the bytes that the store has.

use super::digest::Digest;
use super::download;
use super::manifest::Object;
use super::opened::{OpenedBackup, agree, missing};
use crate::error::{Error, Result};
use crate::pipeline::keys::Identities;
use crate::pipeline::{self, Unpack};
use crate::progress::Progress;
use futures_util::TryStreamExt;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Reads all objects of a backup; opens them with these keys if there are some.
pub async fn all(
    opened: &OpenedBackup,
    identities: Option<&Arc<Identities>>,
    progress: &Progress,
) -> Result<()> {
    for object in &opened.backup.manifest.objects {
        let read = one(opened, object, identities, progress).await;
        read.map_err(|e| opened.explain(e.context(&object.key)))?;
    }
    Ok(())
}

async fn one(
    opened: &OpenedBackup,
    object: &Object,
    identities: Option<&Arc<Identities>>,
    progress: &Progress,
) -> Result<()> {
    let (store, key) = (opened.store(), opened.place().key(&object.key));
    let etag = download::version(&*store, &key, object.stored_bytes).await.map_err(|e| missing(e, &key))?;
    let Some(identities) = identities else {
        let mut chunks =
            download::ranges(store, &key, 0..object.stored_bytes, etag, download::Options::default());
        let mut sha256 = Sha256::new();
        while let Some(bytes) = chunks.try_next().await? {
            sha256.update(&bytes);
        }
        if Digest(sha256.finalize().into()) != object.stored_sha256 {
            return Err(Error::verify("the SHA-256 of the stored bytes is not the manifest's"));
        }
        return Ok(());
    };
    let fetch =
        download::stretches(store, key, etag, download::Options::default(), Arc::clone(&progress.stored));
    let how = Unpack {
        identities: Some(Arc::clone(identities)),
        expected: Some(object.plain_bytes),
        progress: Arc::clone(&progress.plain),
    };
    let check = |unpacked: &pipeline::Unpacked| {
        agree("stored bytes", &unpacked.stored, object.stored_bytes, object.stored_sha256)?;
        agree("plaintext", &unpacked.plain, object.plain_bytes, object.plain_sha256)
    };
    let (mut watch, mut sink) = ((), tokio::io::sink());
    pipeline::unpack(Arc::new(fetch), object.stored_bytes, how, &mut watch, &mut sink, check).await?;
    Ok(())
}
