//! Removes the backups that somebody names by their ids, as `prune` removes those that its rules name.
//!
//! It never removes a backup that was not named and, unless that is forced, never the newest whole one of a name.

use super::outcome::{Fate, Pruned, PrunedBackup, PrunedStore};
use super::remove::{self, Keys};
use crate::error::{Error, Kind, Result};
use crate::failures::Failures;
use crate::run::Run;
use crate::store::Store;
use crate::stored::find::catalogue;
use crate::stored::find::contents::{self, Entry, Flaw, Folder, Standard};
use crate::stored::find::renamed;
use crate::stored::format::name_pattern::NamePattern;
use crate::stored::format::names::{Id, Name, Place};
use crate::stored::format::signing::VerifyKeys;
use crate::stored::read::opened::Location;
use std::sync::Arc;

/// Which backups to remove, and where.
#[derive(Debug)]
pub struct DeleteOptions {
    /// The store that they are in.
    pub location: Location,
    /// Their ids.
    pub ids: Vec<Id>,
    /// Of this name only.
    pub name: Option<Name>,
    /// Whose manifests to believe: others' backups are not whole.
    pub trusted: Option<VerifyKeys>,
    /// Whether the newest whole backup of a name goes, too.
    pub force: bool,
    /// Whether nobody has to be asked.
    pub yes: bool,
    /// Whether nothing is removed, only decided.
    pub dry_run: bool,
}

/// Removes the named backups: all of them are there, or none goes.
///
/// # Errors
/// `Kind::NotFound` if one is not there, `Kind::Prune` if one is the newest of its name, `Kind::Usage` if nobody can be
/// asked or the answer is no, and those of the store.
pub async fn delete(options: &DeleteOptions, run: &Run) -> Result<Pruned> {
    let store = run.or(options.location.open()).await?;
    let (mut deleted, keys) = run.or(plan(&store, options)).await?;
    let mut lost = None;
    if options.dry_run {
        run.say(format!("would remove {}", deleted.how_many()));
    } else {
        agree(&deleted, options.yes, run).await?;
        remove::all(&store, &mut deleted, &keys, run).await?;
        run.say(format!("removed {}", deleted.how_many()));
        lost = kept(&deleted);
    }
    Ok(Pruned { dry_run: options.dry_run, stores: vec![deleted], lost })
}

/// Finds the backups, and refuses what must not go.
async fn plan(store: &Arc<dyn Store>, options: &DeleteOptions) -> Result<(PrunedStore, Keys)> {
    let names: Vec<NamePattern> = options.name.iter().cloned().map(NamePattern::Name).collect();
    let mut folders = contents::folders(&**store, &names).await?;
    folders.retain(|folder| folder.found().is_some());
    let mut named = Vec::new();
    for id in &options.ids {
        match place(&folders, id)? {
            Some(place) => named.push(place),
            None => return Err(missing(store, options, !folders.is_empty(), id).await),
        }
    }
    folders.retain(|folder| named.iter().any(|place| place.name == folder.place.name));
    let standard = Standard { trusted: options.trusted.clone(), count_partial: false, proven_only: false };
    let entries = contents::entries(store, folders, &standard).await?;
    for of_name in entries.chunk_by(|a, b| a.folder.place.name == b.folder.place.name) {
        let newest = newest(of_name).map(|entry| &entry.folder.place);
        if let Some(newest) = newest.filter(|newest| !options.force && named.contains(newest)) {
            return Err(Error::new(Kind::Prune, format!("{newest} is the newest whole backup of its name"))
                .hint("--force removes it all the same"));
        }
    }
    let going = entries.iter().filter(|entry| named.contains(&entry.folder.place));
    let (keys, backups): (Keys, Vec<PrunedBackup>) = going.map(one).unzip();
    let (url, failures) = (store.display_url(), Failures::of_unnamed(backups.len()));
    Ok((PrunedStore { store: url, backups, leftovers: Vec::new(), stale: Vec::new(), failures }, keys))
}

/// Says of a backup that is not there what it is called now, or whose name it has.
async fn missing(store: &Arc<dyn Store>, options: &DeleteOptions, has_others: bool, id: &Id) -> Error {
    let name = options.name.as_ref();
    let error = match has_others {
        true => {
            Error::not_found(format!("there is no backup {id}")).hint("`pgstow list` shows what is there")
        }
        false => catalogue::nothing_found(&**store, name).await,
    };
    renamed::explain(error, store, options.trusted.as_ref(), name, id.as_str()).await
}

/// Where the backup with this id is.
fn place(folders: &[Folder], id: &Id) -> Result<Option<Place>> {
    let places: Vec<&Place> =
        folders.iter().map(|folder| &folder.place).filter(|place| place.id == *id).collect();
    match places[..] {
        [] => Ok(None),
        [place] => Ok(Some(place.clone())),
        [one, other, ..] => Err(Error::usage(format!("{one} and {other} have the same id"))
            .hint("add --name with the one that is meant")),
    }
}

/// The newest whole backup of one name, whose backups come oldest first. If options left a part out of all of them, the
/// newest of these is all that there is.
fn newest(entries: &[Entry]) -> Option<&Entry> {
    let whole = entries.iter().rfind(|entry| entry.flaw.is_none());
    whole.or_else(|| entries.iter().rfind(|entry| entry.flaw == Some(Flaw::Partial)))
}

/// A backup that goes, and the keys of its objects.
fn one(entry: &Entry) -> ((Place, Vec<String>), PrunedBackup) {
    let Entry { folder, proven, .. } = entry;
    let backup = PrunedBackup {
        place: folder.place.clone(),
        started_at: folder.place.id.started_at(),
        stored_bytes: folder.bytes(),
        proven: proven.at(),
        fate: Fate::Removed,
    };
    ((folder.place.clone(), folder.keys()), backup)
}

/// Asks whether they may go; if nobody can be asked, `--yes` has to say it.
async fn agree(going: &PrunedStore, yes: bool, run: &Run) -> Result<()> {
    if yes {
        return Ok(());
    }
    let places: Vec<String> = going.removed().map(|backup| backup.place.to_string()).collect();
    let (many, places) = (going.how_many(), places.join(", "));
    let question = format!("Remove {many} from {}: {places}?", going.store);
    match run.or(async { Ok(run.ask(&question).await) }).await? {
        Some(true) => Ok(()),
        Some(false) => Err(Error::usage("nothing was removed")),
        None => Err(Error::usage(format!("{places} would be removed, and there is no terminal to ask on"))
            .hint("--yes answers yes, and --dry-run shows what would go")),
    }
}

/// The failure that something named is still there, because it is locked.
fn kept(deleted: &PrunedStore) -> Option<Error> {
    let why = |backup: &PrunedBackup| match &backup.fate {
        Fate::KeptAnyway(why) => Some(format!("{} is kept: {why}", backup.place)),
        _ => None,
    };
    let kept: Vec<String> = deleted.backups.iter().filter_map(why).collect();
    (!kept.is_empty()).then(|| Error::new(Kind::Prune, kept.join("; ")))
}
