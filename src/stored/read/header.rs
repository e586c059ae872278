//! Who opens a backup, found out from the header of its dump: the rest is not read.

use super::opened::OpenedBackup;
use crate::error::{Error, Kind, Result};
use crate::pipeline::keys::Identities;
use crate::pipeline::{LONGEST_HEADER, opener};
use crate::stored::download;
use crate::stored::format::manifest::Manifest;
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

/// Whether the manifest names the recipient that this identity, by its public name, belongs to.
pub fn is_named(manifest: &Manifest, by: &String) -> bool {
    // A plugin's identity does not say which recipient it belongs to.
    manifest.recipients.contains(by) || by.starts_with("age-plugin-")
}

/// Why a backup that none of these identities opens cannot be as its manifest says, if one of them is of a recipient that
/// it names.
pub fn not_as_named(manifest: &Manifest, identities: &Identities) -> Option<Error> {
    let key = identities.fingerprints().into_iter().find(|key| manifest.recipients.contains(key))?;
    let what = format!("{key} does not open it, although its manifest names it");
    Some(Error::verify(what).hint("the dump's header may be damaged, or the passphrase another one"))
}

async fn read(opened: &OpenedBackup, bytes: u64) -> Result<Bytes> {
    let key = opened.place().key(&opened.dump.key);
    let bytes = bytes.min(LONGEST_HEADER + MORE).min(opened.dump.stored_bytes);
    let read = download::small(&opened.store(), &key, bytes, None, download::Options::default()).await;
    opened.there(&key, read).await
}
