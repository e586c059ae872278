//! Which backups are proven: those with a receipt of a trial restore next to them.
//!
//! That a receipt is there is seen in the listing, from its name, which also says when it was made. Whoever can write
//! to the store can forge that; so with a key to believe, only signed receipts count, and only for the manifest whose
//! digest they name.

use super::catalogue::{self, Backup, Found};
use super::download;
use super::names::{Id, Timestamp};
use super::receipt::{self, Receipt};
use super::signing::{Signed, SigningKey, VerifyKeys};
use crate::error::{Error, Kind, Result};
use crate::store::Store;
use bytes::Bytes;
use std::sync::Arc;

/// How many receipts of one backup are looked at, newest first: somebody may have planted many.
const MOST_READ: usize = 16;

/// A backup, and when it was proven.
#[derive(Debug, Clone)]
pub struct MaybeProven {
    /// The backup.
    pub backup: Backup,
    /// When it was last proven to restore, if it was.
    pub proven: Option<Timestamp>,
}

/// A receipt as it is stored.
#[derive(Debug)]
pub struct Recorded {
    /// What it says.
    pub receipt: Receipt,
    /// The objects it is made of, by their keys: its signature first, if it is signed.
    pub objects: Vec<(String, Bytes)>,
}

/// Stores a receipt next to its backup, the signature first; nothing is overwritten. Returns its key.
///
/// # Errors
/// Those of the store, also if the key may not write.
pub async fn record(store: &dyn Store, receipt: &Receipt, signing: Option<&SigningKey>) -> Result<String> {
    let place = receipt.place();
    let key = place.key(&receipt::object_name(&Id::new(Timestamp::now())?));
    let bytes = receipt.without_checks().to_bytes()?;
    if let Some(signing) = signing {
        let signature = signing.sign(Signed::Receipt, &bytes, &format!("pgstow receipt of {place}"))?;
        store.put_new(&signature_of(&key), signature.into()).await?;
    }
    let written = store.put_new(&key, bytes.into()).await;
    if let (Err(_), Some(_)) = (&written, signing)
        && let Err(second) = store.delete(&signature_of(&key)).await
    {
        tracing::warn!("{second}");
    }
    written?;
    Ok(key)
}

/// When a backup was last proven to restore.
///
/// # Errors
/// Those of the store. A receipt that is damaged or forged is none: it is warned of.
pub async fn at(
    store: &Arc<dyn Store>,
    found: &Found,
    backup: &Backup,
    trusted: Option<&VerifyKeys>,
) -> Result<Option<Timestamp>> {
    let mut newest_first = found.receipts.iter().rev();
    let Some(keys) = trusted else { return Ok(newest_first.next().and_then(Id::started_at)) };
    for id in newest_first.take(MOST_READ) {
        if let Some(recorded) = recorded(store, backup, id, Some(keys)).await? {
            return Ok(Some(recorded.receipt.predicate.verified_at));
        }
    }
    Ok(None)
}

/// Reads the manifests of many backups, and when each was proven, in their order; one that cannot be read does not hide
/// the others.
pub async fn read_all(
    store: &Arc<dyn Store>,
    found: &[Found],
    trusted: Option<&VerifyKeys>,
) -> Vec<Result<MaybeProven>> {
    read_each(store, found, trusted, |read| read).await
}

/// The same; only what is needed `of` each is kept.
pub async fn read_each<T>(
    store: &Arc<dyn Store>,
    found: &[Found],
    trusted: Option<&VerifyKeys>,
    of: impl Fn(MaybeProven) -> T,
) -> Vec<Result<T>> {
    let of = &of;
    catalogue::each(found, |found| async move {
        let backup = catalogue::read(store, found, trusted).await?;
        let proven = at(store, found, &backup, trusted).await?;
        Ok(of(MaybeProven { backup, proven }))
    })
    .await
}

/// The newest of these backups of one name that is proven, oldest first; reads only those with receipts.
///
/// # Errors
/// Those of the store.
pub async fn newest(
    store: &Arc<dyn Store>,
    found: &[Found],
    trusted: Option<&VerifyKeys>,
) -> Result<Option<(Id, Timestamp)>> {
    let now = Timestamp::now();
    let with_receipts = found.iter().rev().filter(|found| !found.receipts.is_empty());
    for found in with_receipts.filter(|found| !found.is_from_the_future(now)).take(MOST_READ) {
        let backup = match catalogue::read(store, found, trusted).await {
            Ok(backup) => backup,
            Err(error) if matches!(error.kind(), Kind::Verify | Kind::NotFound) => continue,
            Err(error) => return Err(error),
        };
        if let Some(moment) = at(store, found, &backup, trusted).await? {
            return Ok(Some((found.place.id.clone(), moment)));
        }
    }
    Ok(None)
}

/// Reads the receipt with this id; none if it is damaged, about another manifest, or not signed by whom the user trusts:
/// it is warned of.
///
/// # Errors
/// Those of the store.
pub async fn recorded(
    store: &Arc<dyn Store>,
    backup: &Backup,
    id: &Id,
    trusted: Option<&VerifyKeys>,
) -> Result<Option<Recorded>> {
    let key = backup.place.key(&receipt::object_name(id));
    match checked(store, &key, backup, trusted).await {
        Ok(recorded) => Ok(Some(recorded)),
        Err(error) if matches!(error.kind(), Kind::Verify | Kind::NotFound) => {
            tracing::warn!("{key} proves nothing: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Reads a receipt of this backup, and checks whose it is.
async fn checked(
    store: &Arc<dyn Store>,
    key: &str,
    backup: &Backup,
    trusted: Option<&VerifyKeys>,
) -> Result<Recorded> {
    let bytes = small(store, key).await?;
    let signature = match small(store, &signature_of(key)).await {
        Err(error) if error.kind() == Kind::NotFound => None,
        signature => Some(signature?),
    };
    match (trusted, &signature) {
        (Some(keys), Some(signature)) => {
            keys.verify(Signed::Receipt, &bytes, &String::from_utf8_lossy(signature))?;
        }
        (Some(_), None) => return Err(Error::verify("it is not signed")),
        (None, _) => {}
    }
    let receipt = Receipt::from_bytes(&bytes)?;
    if receipt.place() != backup.place || receipt.manifest_sha256() != backup.manifest_sha256 {
        return Err(Error::verify("it is of another backup"));
    }
    let signature = signature.map(|signature| (signature_of(key), signature));
    let objects = signature.into_iter().chain([(key.to_owned(), bytes)]).collect();
    Ok(Recorded { receipt, objects })
}

async fn small(store: &Arc<dyn Store>, key: &str) -> Result<Bytes> {
    let info = store.head(key).await?;
    if info.bytes > receipt::LARGEST {
        return Err(Error::verify("it is too large"));
    }
    download::small(store, key, info.bytes, info.etag, download::Options::default()).await
}

fn signature_of(key: &str) -> String {
    format!("{key}.minisig")
}
