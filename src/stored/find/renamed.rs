//! What became of a backup that is not found: a rekey gives it another id, or it is another name's.

use super::catalogue::{self, Found};
use crate::error::{Error, Kind};
use crate::store::Store;
use crate::stored::format::names::{Id, Name};
use crate::stored::format::signing::VerifyKeys;
use std::sync::Arc;

/// The length of the moment at the beginning of an id, with the hyphen after it.
const MOMENT: usize = "20261120T030000Z-".len();

/// Adds to "there is no such backup" what it is called now, if a manifest says so, or that another name has it.
///
/// Only backups of the same second can have been made from it, so few manifests are read.
pub async fn explain(
    error: Error,
    store: &Arc<dyn Store>,
    trusted: Option<&VerifyKeys>,
    name: Option<&Name>,
    id: &str,
) -> Error {
    if error.kind() != Kind::NotFound || id.len() <= MOMENT || !id.is_ascii() {
        return error;
    }
    let found = catalogue::search(&**store, name).await.unwrap_or_default();
    let of_same_second = |found: &Found| found.place.id.as_str().starts_with(&id[..MOMENT]);
    let found: Vec<Found> = found.into_iter().filter(of_same_second).collect();
    let read = catalogue::read_all(store, &found, trusted).await;
    let is_former = |former: &&Id| former.as_str().starts_with(id);
    // The last one is what it is called now, if it was rekeyed more than once.
    let made = read.into_iter().flatten().rfind(|backup| {
        let formers = backup.manifest.rekeyed.iter().flat_map(|rekeyed| &rekeyed.former_ids);
        formers.filter(|former| backup.manifest.is_made_from(former)).any(|former| is_former(&former))
    });
    match made {
        Some(now) => error.without_hints().hint(format!("it was rekeyed as {}", now.place.id)),
        None => match name {
            Some(name) => of_another(error, store, name, id).await,
            None => error,
        },
    }
}

/// Adds which other name has a backup of this id.
async fn of_another(error: Error, store: &Arc<dyn Store>, name: &Name, id: &str) -> Error {
    let found = catalogue::search(&**store, None).await.unwrap_or_default();
    let is_it = |found: &&Found| found.place.id.as_str().starts_with(id) && found.place.name != *name;
    match found.iter().find(is_it) {
        Some(found) => error.hint(format!("{} is a backup of {}", found.place.id, found.place.name)),
        None => error,
    }
}
