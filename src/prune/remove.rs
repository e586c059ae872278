//! Removes what was decided to go: the manifest first, so that what is left of a killed run is no backup.

use super::outcome::{Fate, Leftover, LeftoverKind, PrunedStore};
use super::refused::explain;
use crate::error::{Error, Kind, Result};
use crate::failures::Failed;
use crate::run::Run;
use crate::store::{Situation, Store};
use crate::stored::find::contents::{Entry, Standard, entries, look_again};
use crate::stored::format::names::{MANIFEST, Place};
use crate::stored::write::removal;
use futures_util::{StreamExt, stream};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Backups that are removed at the same time.
const AT_ONCE: usize = 16;

/// The keys of what goes: those of a backup, or of what was left of one.
pub(super) type Keys = BTreeMap<Place, Vec<String>>;

/// Removes all that goes.
pub(super) async fn all(
    store: &Arc<dyn Store>,
    pruned: &mut PrunedStore,
    keys: &Keys,
    run: &Run,
) -> Result<()> {
    let going = pruned.backups.iter().enumerate().filter(|(_, backup)| backup.fate == Fate::Removed);
    let going: Vec<(usize, Place)> = going.map(|(at, backup)| (at, backup.place.clone())).collect();
    let mut removing = stream::iter(going)
        .map(|(at, place)| async move {
            let keys = keys.get(&place).map(Vec::as_slice).unwrap_or_default();
            (at, backup(&**store, &place, keys).await)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((at, outcome)) = run.or(async { Ok(removing.next().await) }).await? {
        let place = pruned.backups[at].place.clone();
        pruned.backups[at].fate = settle(&place.to_string(), &place, outcome, pruned, run)?;
    }
    drop(removing);
    for at in 0..pruned.leftovers.len() {
        if pruned.leftovers[at].fate != Fate::Removed {
            continue;
        }
        let place = &pruned.leftovers[at].place;
        let (what, outcome) = match &pruned.leftovers[at].kind {
            LeftoverKind::Upload(upload) => {
                let abort = async { Ok(store.abort_unfinished(upload).await.map(|()| Fate::Removed)?) };
                (format!("the unfinished upload of {}", upload.key), run.or(abort).await)
            }
            LeftoverKind::Folder(_) => {
                let folder = folder(store, &pruned.leftovers[at]);
                (format!("what was left of {place} without a manifest"), run.or(folder).await)
            }
        };
        let place = pruned.leftovers[at].place.clone();
        pruned.leftovers[at].fate = settle(&what, &place, outcome, pruned, run)?;
    }
    Ok(())
}

/// Says what became of something, and keeps its failure.
fn settle(
    what: &str,
    place: &Place,
    outcome: Result<Fate>,
    pruned: &mut PrunedStore,
    run: &Run,
) -> Result<Fate> {
    match outcome {
        Ok(fate) => {
            match &fate {
                Fate::KeptAnyway(why) => run.say(format!("kept {what}: {why}")),
                _ => run.say(format!("removed {what}")),
            }
            Ok(fate)
        }
        Err(error) => {
            let error = not_removed(error);
            let failed = Failed::of(&error);
            let is_known = pruned.has_failed_like(place, &failed);
            pruned.failures.keep(error, |why| match is_known {
                true => format!("could not remove {what}, for the same reason"),
                false => format!("could not remove {what}: {why}"),
            })?;
            Ok(Fate::Failed(failed))
        }
    }
}

/// Whatever the store said, the exit code says that something old is still there; a signal keeps its own.
fn not_removed(error: Error) -> Error {
    match error.kind() {
        kind if kind.is_signal() => error,
        _ => error.of_kind(Kind::Prune),
    }
}

/// Removes one backup, unless it is locked.
async fn backup(store: &dyn Store, place: &Place, keys: &[String]) -> Result<Fate> {
    delete(store, place, keys).await.map(|kept| kept.map_or(Fate::Removed, Fate::KeptAnyway))
}

/// Deletes these objects; why they are kept, if they are.
///
/// # Errors
/// Once the first one is gone, whatever stops it: without its manifest it is no backup any more, and that it is kept would be
/// wrong.
async fn delete(store: &dyn Store, place: &Place, keys: &[String]) -> Result<Option<String>> {
    match removal::delete(store, keys).await.map_err(explain)? {
        Some(kept) if kept.deleted > 0 => {
            Err(Error::store(format!("some objects of {place} are left: {}", kept.why))
                .hint("they are no backup without their manifest; a later prune removes them"))
        }
        kept => Ok(kept.map(|kept| kept.why)),
    }
}

/// Removes the objects of a backup that never came to be, if it has not come to be since, nor is about to.
async fn folder(store: &Arc<dyn Store>, left: &Leftover) -> Result<Fate> {
    let place = &left.place;
    let Some(folder) = look_again(&**store, place).await? else { return Ok(Fate::Removed) };
    if folder.found().is_some() {
        return Ok(Fate::KeptAnyway("its manifest was written in the meantime".to_owned()));
    }
    if folder.last_written() > left.last_written {
        return Ok(Fate::KeptAnyway("something was written to it in the meantime".to_owned()));
    }
    // No listing says for certain that there is none.
    match store.head(&place.key(MANIFEST)).await {
        Err(error) if error.situation() == Situation::NotFound => {}
        Err(error) => return Err(explain(error)),
        Ok(_) => return Ok(Fate::KeptAnyway("it has a manifest, which no list shows".to_owned())),
    }
    if let Some(why) = delete(&**store, place, &folder.keys()).await? {
        return Ok(Fate::KeptAnyway(why));
    }
    // A copy may have completed it just now: the manifest is there then, and what it had from before is not.
    let standard = Standard { trusted: None, count_partial: true, proven_only: false };
    let now = look_again(&**store, place).await?.into_iter().collect();
    let torn = entries(store, now, &standard).await?.into_iter().find(Entry::is_torn);
    let Some(torn) = torn else { return Ok(Fate::Removed) };
    let error = Error::store(format!("{place} was copied here at the same moment, and is not whole"));
    Err(match delete(&**store, place, &torn.folder.keys()).await? {
        None => error.hint("it is removed; copy it again"),
        Some(why) => error.hint(format!("what is there of it stays: {why}")),
    })
}
