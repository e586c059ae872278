//! What backups the store holds, and which one the user means.
//!
//! A backup is where a manifest is. Names, ids and "latest" are looked up from the store's own
//! listing, so there is no index that could be lost or disagree.

use crate::error::{Error, Result};
use crate::manifest::{self, Manifest};
use crate::names::{MANIFEST, Name, Place, SIGNATURE};
use crate::signing::VerifyKey;
use crate::store::Store;
use futures_util::{StreamExt, TryStreamExt};

/// Manifests read at the same time when many are listed.
const READ_AHEAD: usize = 16;

/// One backup as its manifest tells it.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Where it lies.
    pub place: Place,
    /// What is written about it.
    pub manifest: Manifest,
    /// What is known of who wrote it.
    pub signature: Signature,
}

/// What is known of who wrote a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// Signed by the key the user trusts.
    Verified,
    /// No key was given to check it with.
    NotChecked,
}

/// Finds every backup below the store's prefix, or of one name; oldest first within a name.
pub async fn places(store: &dyn Store, name: Option<&Name>) -> Result<Vec<Place>> {
    let prefix = name.map(|name| format!("{}/", name.folder())).unwrap_or_default();
    let listed = store.list(&prefix).await?;
    let mut places: Vec<Place> = listed
        .iter()
        .filter_map(|object| Place::of_manifest(&object.key))
        // `app/` also begins the keys of a name like `app/users`.
        .filter(|place| name.is_none_or(|name| place.name == *name))
        .collect();
    places.sort();
    Ok(places)
}

/// Finds the one backup that `id` means: a whole id, an unambiguous beginning of one, or "latest".
pub async fn find(store: &dyn Store, name: Option<&Name>, id: &str) -> Result<Place> {
    let places = places(store, name).await?;
    let names: Vec<&Name> = {
        let mut names: Vec<&Name> = places.iter().map(|place| &place.name).collect();
        names.dedup();
        names
    };
    let nothing = |what: String| Error::not_found(what).hint("`pgstow list` shows what is there");
    if names.is_empty() {
        return Err(match name {
            Some(name) => nothing(format!("the store holds no backup of {name}")),
            None => Error::not_found(format!("{} holds no backup", store.display_url())),
        });
    }
    let mut matching: Vec<&Place> = if id == "latest" {
        if let [_, _, ..] = names[..] {
            let names = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(Error::usage("\"latest\" needs a name: the store holds several")
                .hint(format!("add --name with one of: {names}")));
        }
        places.last().into_iter().collect()
    } else {
        places.iter().filter(|place| place.id.as_str().starts_with(id)).collect()
    };
    match (matching.pop(), matching.len()) {
        (None, _) => Err(nothing(format!("there is no backup {id:?}{}", of(name)))),
        (Some(place), 0) => Ok(place.clone()),
        (Some(_), more) => Err(Error::usage(format!("{id:?} begins the ids of {} backups", more + 1))
            .hint("give more of the id, or --name")),
    }
}

fn of(name: Option<&Name>) -> String {
    name.map(|name| format!(" of {name}")).unwrap_or_default()
}

/// Reads one backup's manifest, and checks that it is whole, in its place, and by whom the user trusts.
pub async fn read(store: &dyn Store, place: &Place, trusted: Option<&VerifyKey>) -> Result<Backup> {
    let bytes = small(store, &place.key(MANIFEST)).await.map_err(|e| e.context(place))?;
    let signature = match trusted {
        Some(key) => {
            let signature = small(store, &place.key(SIGNATURE)).await.map_err(|e| {
                Error::verify(format!("{place} is not signed, and --verify-key asks for a signature")).because(e)
            })?;
            key.verify(&bytes, &String::from_utf8_lossy(&signature)).map_err(|e| e.context(place))?;
            Signature::Verified
        }
        None => Signature::NotChecked,
    };
    let manifest = Manifest::from_bytes(&bytes).map_err(|e| e.context(place))?;
    // A manifest copied over another backup's would pass every check of its own.
    if manifest.id != place.id || manifest.name != place.name {
        return Err(Error::verify(format!(
            "{place}: the manifest is that of another backup, {} of {}",
            manifest.id, manifest.name
        )));
    }
    Ok(Backup { place: place.clone(), manifest, signature })
}

/// Reads the manifests of many backups, in their order; one that cannot be read does not hide the others.
pub async fn read_all(
    store: &dyn Store,
    places: &[Place],
    trusted: Option<&VerifyKey>,
) -> Vec<(Place, Result<Backup>)> {
    futures_util::stream::iter(places)
        .map(|place| async move { (place.clone(), read(store, place, trusted).await) })
        .buffered(READ_AHEAD)
        .collect()
        .await
}

/// Reads a small object whole.
async fn small(store: &dyn Store, key: &str) -> Result<Vec<u8>> {
    let info = store.head(key).await?;
    if info.bytes > manifest::LARGEST {
        return Err(Error::verify(format!("{key} is too large to be what its name says")));
    }
    let stream = store.read(key, 0..info.bytes, info.etag.as_deref()).await?;
    let bytes = stream.try_fold(Vec::new(), |mut all, bytes| async move {
        all.extend_from_slice(&bytes);
        Ok(all)
    });
    let bytes = bytes.await?;
    if bytes.len() as u64 != info.bytes {
        return Err(Error::verify(format!("{key} ends early")));
    }
    Ok(bytes)
}
