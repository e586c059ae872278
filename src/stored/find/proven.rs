//! Which backups are proven: those with a receipt of a trial restore next to them.
//!
//! That a receipt is there is seen in the listing, from its name, which also says when it was made. Whoever can write
//! to the store can forge that; so with a key to believe, only signed receipts count, and only for the manifest whose
//! digest they name.

use super::catalogue::{self, Backup, Found};
use super::clocks;
use crate::error::{Error, Kind, Result};
use crate::store::{Situation, Store};
use crate::stored::download;
use crate::stored::format::digest::Digest;
use crate::stored::format::names::{Id, MANIFEST, Name, Place, Timestamp};
use crate::stored::format::receipt::{self, Receipt};
use crate::stored::format::signing::{Signed, SigningKey, VerifyKeys};
use crate::units::count;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::sync::Arc;

/// How many receipts of one backup are looked at, newest first: somebody may have planted many.
pub(super) const MOST_READ: usize = 16;

/// A backup, and when it was proven.
#[derive(Debug, Clone)]
pub struct MaybeProven {
    /// The backup.
    pub backup: Backup,
    /// Whether it was proven to restore, and when.
    pub proven: Proven,
}

/// Whether a backup was proven to restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proven {
    /// It was, at this moment for the last time.
    At(Timestamp),
    /// It has no receipt that holds.
    No,
    /// It has more receipts than are read, and none that was read holds. Whoever can write may have planted them.
    NotKnown,
}

impl Proven {
    /// When it was last proven, if it is known to be.
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Self::At(moment) => Some(moment),
            Self::No | Self::NotKnown => None,
        }
    }
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
/// Those of the store, also if the key may not write; `Kind::NotFound` if the backup was removed during the trial.
pub async fn record(store: &dyn Store, receipt: &Receipt, signing: Option<&SigningKey>) -> Result<String> {
    let place = receipt.place();
    let key = place.key(&receipt::object_name(&Id::new(Timestamp::now())?));
    let bytes = receipt.without_checks().to_bytes()?;
    if let Some(signing) = signing {
        let signature = signing.sign(Signed::Receipt, &bytes, &format!("pgstow receipt of {place}"))?;
        store.put_new(&signature_of(&key), signature.into()).await?;
    }
    let written = match store.put_new(&key, bytes.into()).await {
        Ok(_) => still_there(store, &place).await,
        Err(error) => Err(error.into()),
    };
    if written.is_err() {
        let objects = [Some(key.clone()), signing.map(|_| signature_of(&key))];
        for object in objects.into_iter().flatten() {
            if let Err(second) = store.delete(&object).await {
                tracing::warn!("{second}");
            }
        }
    }
    clocks::compare(store);
    written.map(|()| key)
}

/// Fails if a backup has no manifest any more: what is written next to it would only be something that was left.
async fn still_there(store: &dyn Store, place: &Place) -> Result<()> {
    match store.head(&place.key(MANIFEST)).await {
        Err(error) if error.situation() == Situation::NotFound => {
            Err(Error::not_found(format!("{place} was removed meanwhile, by prune, delete or rekey"))
                .because(error)
                .hint("verify the newest one: `pgstow list` shows what is there"))
        }
        // Whoever may write need not know.
        _ => Ok(()),
    }
}

/// Whether a backup was proven to restore, and when it last was.
///
/// # Errors
/// Those of the store. A receipt that is damaged, forged or of a moment to come is none: it is warned of.
pub async fn of(
    store: &Arc<dyn Store>,
    found: &Found,
    manifest_sha256: &Digest,
    trusted: Option<&VerifyKeys>,
) -> Result<Proven> {
    let (place, now) = (&found.place, Timestamp::now());
    let (to_come, newest_first): (Vec<&Id>, Vec<&Id>) =
        found.receipts.iter().rev().partition(|id| id.is_from_the_future(now));
    if !to_come.is_empty() {
        let many = count(to_come.len(), "receipt");
        tracing::warn!("{place}: {many} of a moment that is still to come; such receipts prove nothing");
    }
    let Some(keys) = trusted else {
        let newest = newest_first.first().and_then(|id| id.started_at());
        return Ok(newest.map_or(Proven::No, Proven::At));
    };
    for id in newest_first.iter().take(MOST_READ) {
        if let Some(recorded) = recorded(store, (place, manifest_sha256), id, Some(keys)).await? {
            return Ok(Proven::At(recorded.receipt.predicate.verified_at));
        }
    }
    if newest_first.len() <= MOST_READ {
        return Ok(Proven::No);
    }
    tracing::warn!(
        "{place}: whether it is proven is not known: none of the newest {MOST_READ} of its receipts holds, and more are \
         not read; remove those that nobody of you has made"
    );
    Ok(Proven::NotKnown)
}

/// Reads the manifests of many backups, and when each was proven, in their order; one that cannot be read does not hide
/// the others.
pub async fn read_all(
    store: &Arc<dyn Store>,
    found: &[Found],
    trusted: Option<&VerifyKeys>,
) -> Vec<Result<MaybeProven>> {
    let read = async |found| {
        let backup = catalogue::read(store, found, trusted).await?;
        let proven = of(store, found, &backup.manifest_sha256, trusted).await?;
        Ok(MaybeProven { backup, proven })
    };
    catalogue::each(found, read).await
}

/// Finds backups, of one name or of all, and reads them as [`read_all`] does; only what is needed `of` each is kept, and
/// when it was proven.
pub async fn search_and_read<T>(
    store: &Arc<dyn Store>,
    name: Option<&Name>,
    trusted: Option<&VerifyKeys>,
    of: impl Fn(Backup) -> T,
) -> Result<(Vec<Found>, Vec<Result<(T, Option<Timestamp>)>>)> {
    let of = |backup: Backup| (backup.manifest_sha256, of(backup));
    let (found, read) = catalogue::search_and_read(store, name, trusted, of).await?;
    let proven = stream::iter(found.iter().zip(read)).map(async |(found, read)| {
        let (manifest_sha256, what) = read?;
        Ok((what, self::of(store, found, &manifest_sha256, trusted).await?.at()))
    });
    let read = proven.buffered(catalogue::READ_AHEAD).collect().await;
    Ok((found, read))
}

/// Reads the receipt with this id of the backup in this place, whose manifest has this digest; none if it is damaged,
/// about another manifest, or not signed by whom the user trusts: it is warned of.
///
/// # Errors
/// Those of the store.
pub async fn recorded(
    store: &Arc<dyn Store>,
    (place, manifest_sha256): (&Place, &Digest),
    id: &Id,
    trusted: Option<&VerifyKeys>,
) -> Result<Option<Recorded>> {
    let key = place.key(&receipt::object_name(id));
    match checked(store, &key, (place, manifest_sha256), trusted).await {
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
    (place, manifest_sha256): (&Place, &Digest),
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
    if receipt.place() != *place || receipt.manifest_sha256() != *manifest_sha256 {
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
