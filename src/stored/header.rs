//! Who opens a backup, found out from the header of its dump: the rest is not read.

use super::download;
use super::opened::{OpenedBackup, missing};
use crate::error::{Kind, Result};
use crate::pipeline::keys::Identities;
use crate::pipeline::{LONGEST_HEADER, opener};
use bytes::Bytes;
use std::sync::Arc;

/// Bytes that a header has for one recipient, with room: those of large RSA keys and of post-quantum ones have most.
const OF_RECIPIENT: u64 = 2 << 10;
/// Bytes beyond that, with the first ones after the header.
const MORE: u64 = 1 << 10;

/// The beginning of the dump, with its header unless that is much longer than the manifest lets expect.
pub async fn start(opened: &OpenedBackup) -> Result<Bytes> {
    let recipients = opened.backup.manifest.recipients.len() as u64;
    read(opened, recipients.saturating_mul(OF_RECIPIENT).saturating_add(MORE)).await
}

/// The public name of the first identity that opens the dump that begins so, if one does.
pub async fn opened_by(
    opened: &OpenedBackup,
    start: Bytes,
    identities: &Arc<Identities>,
) -> Result<Option<String>> {
    let had = start.len() as u64;
    match opener(start, Arc::clone(identities)).await {
        // There may be more recipients than the manifest says.
        Err(error) if error.kind() == Kind::Verify && had < opened.dump.stored_bytes => {
            opener(read(opened, LONGEST_HEADER + MORE).await?, Arc::clone(identities)).await
        }
        found => found,
    }
}

async fn read(opened: &OpenedBackup, bytes: u64) -> Result<Bytes> {
    let key = opened.place().key(&opened.dump.key);
    let bytes = bytes.min(LONGEST_HEADER + MORE).min(opened.dump.stored_bytes);
    let read = download::small(&opened.store(), &key, bytes, None, download::Options::default()).await;
    read.map_err(|e| missing(e, &key))
}
