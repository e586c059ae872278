//! Reads stored objects to their end, and compares them with their manifest: with a key what is in them, without one
//! the bytes that the store has.

use super::digest::Digest;
use super::download;
use super::manifest::Object;
use super::opened::{OpenedBackup, as_said, missing};
use super::reader::BackupReader;
use crate::error::{Error, Result};
use crate::pipeline::{self, Unpack, Unpacked};
use crate::progress::Progress;
use crate::sha256::Sha256;
use futures_util::TryStreamExt;
use std::sync::Arc;

/// Reads all objects of a backup; opens them if its keys are at hand.
pub async fn all(opened: &OpenedBackup, open: bool, progress: &Progress) -> Result<()> {
    for object in &opened.backup.manifest.objects {
        let explained = |e: Error| opened.explain(e.context(&object.key));
        match (open, object.plain_sha256) {
            (true, Some(_)) => plaintext(opened, object, progress).await.map_err(explained)?,
            (true, None) if object.key == opened.dump.key => {
                let differs = |what| Error::verify(format!("the dump differs from its inventory: {what}"));
                archive(opened, progress).await?.map_or(Ok(()), |what| Err(explained(differs(what))))?;
            }
            _ => stored_bytes(opened, object).await.map_err(explained)?,
        }
    }
    Ok(())
}

async fn stored_bytes(opened: &OpenedBackup, object: &Object) -> Result<()> {
    let (store, key) = (opened.store(), opened.place().key(&object.key));
    let etag = download::version(&*store, &key, object.stored_bytes).await.map_err(|e| missing(e, &key))?;
    let mut chunks =
        download::ranges(store, &key, 0..object.stored_bytes, etag, download::Options::default());
    let mut sha256 = Sha256::default();
    while let Some(bytes) = chunks.try_next().await? {
        sha256.update(&bytes);
    }
    if Digest(sha256.finish()) != object.stored_sha256 {
        return Err(Error::verify("the SHA-256 of the stored bytes is not the manifest's"));
    }
    Ok(())
}

async fn plaintext(opened: &OpenedBackup, object: &Object, progress: &Progress) -> Result<()> {
    let (store, key) = (opened.store(), opened.place().key(&object.key));
    let etag = download::version(&*store, &key, object.stored_bytes).await.map_err(|e| missing(e, &key))?;
    let fetch =
        download::stretches(store, key, etag, download::Options::default(), Arc::clone(&progress.stored));
    let how = Unpack {
        identities: opened.keys()?,
        expected: Some(object.plain_bytes),
        digest: true,
        progress: Arc::clone(&progress.plain),
    };
    let check = |unpacked: &Unpacked| as_said(unpacked, object);
    let (mut watch, mut sink) = ((), tokio::io::sink());
    pipeline::unpack(Arc::new(fetch), object.stored_bytes, how, &mut watch, &mut sink, check).await?;
    Ok(())
}

/// Reads a dump whose digests are in the inventory; what differs first.
async fn archive(opened: &OpenedBackup, progress: &Progress) -> Result<Option<String>> {
    let inventory = opened.inventory().await?;
    let mut reader = BackupReader::new(opened.clone());
    reader.progress = progress.clone();
    let (_, differences) = reader.compare(inventory.as_ref()).await?;
    Ok(differences.into_iter().next())
}
