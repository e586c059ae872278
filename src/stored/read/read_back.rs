//! Reads stored objects to their end, and compares them with their manifest: with a key what is in them, without one
//! the bytes that the store has.

use super::opened::OpenedBackup;
use super::reader::BackupReader;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::stored::download;
use crate::stored::format::digest::Digest;
use crate::stored::format::manifest::Object;
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
    let fetch = opened.fetch(object, download::Options::default(), Arc::default()).await?;
    let found = download::tally(fetch(0..object.stored_bytes)).await?;
    if Digest(found.sha256) != object.stored_sha256 {
        return Err(Error::verify("the SHA-256 of the stored bytes is not the manifest's"));
    }
    Ok(())
}

async fn plaintext(opened: &OpenedBackup, object: &Object, progress: &Progress) -> Result<()> {
    opened.unpack(object, opened.keys()?, progress, &mut (), &mut tokio::io::sink()).await
}

/// Reads a dump whose digests are in the inventory; what differs first.
async fn archive(opened: &OpenedBackup, progress: &Progress) -> Result<Option<String>> {
    let inventory = opened.inventory().await?;
    let mut reader = BackupReader::new(opened.clone());
    reader.progress = progress.clone();
    let (_, differences) = reader.compare(inventory.as_ref()).await?;
    Ok(differences.into_iter().next())
}
