//! All that lies in a store: whose folder each object is in, and which backups count as whole.
//!
//! Everything comes from one listing; only the manifests are read. What does not look like ours is not seen.

use super::catalogue::{self, Backup, Found};
use super::proven::{self, MOST_READ, MaybeProven, Proven};
use crate::error::{Error, Kind, Result};
use crate::store::{Listed, Situation, Store};
use crate::stored::download::NotWhole;
use crate::stored::format::manifest::Manifest;
use crate::stored::format::name_pattern::NamePattern;
use crate::stored::format::names::{Id, MANIFEST, Place, Timestamp};
use crate::stored::format::receipt;
use crate::stored::format::signing::VerifyKeys;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// What doctor tries things on. It lies in a folder as a backup has one, so that what a killed run leaves is found.
pub const PROBE: &str = "pgstow-doctor-probe";

/// What lies in the folder of one backup.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Whose it is.
    pub place: Place,
    /// Its objects, by their names there.
    objects: Vec<(String, Listed)>,
}

impl Folder {
    /// The keys of its objects, in the order in which they are deleted: without its manifest it is no backup.
    pub fn keys(&self) -> Vec<String> {
        let mut objects: Vec<&(String, Listed)> = self.objects.iter().collect();
        objects.sort_by_key(|(name, _)| name != MANIFEST);
        objects.into_iter().map(|(_, listed)| listed.key.clone()).collect()
    }

    /// The size of all its objects in bytes.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|(_, listed)| listed.bytes).fold(0, u64::saturating_add)
    }

    /// When the youngest of its objects was written, according to the store's clock.
    pub fn last_written(&self) -> Option<SystemTime> {
        self.objects.iter().filter_map(|(_, listed)| listed.modified).max()
    }

    /// The backup, if its manifest is there.
    pub fn found(&self) -> Option<Found> {
        let manifest = self.object(MANIFEST)?;
        let mut receipts: Vec<Id> =
            self.objects.iter().filter_map(|(name, _)| receipt::id_of(name)).collect();
        receipts.sort();
        Some(Found { place: self.place.clone(), manifest_bytes: manifest.bytes, receipts })
    }

    /// Whether nothing is in it but what doctor left.
    pub fn is_of_doctor(&self) -> bool {
        self.objects.iter().all(|(name, _)| name == PROBE)
    }

    fn object(&self, name: &str) -> Option<&Listed> {
        self.objects.iter().find(|(have, _)| have == name).map(|(_, listed)| listed)
    }

    /// What the manifest names and the store does not have, or not at this size.
    fn lacks(&self, manifest: &Manifest) -> Option<String> {
        manifest.objects.iter().find_map(|object| match self.object(&object.key) {
            None => Some(format!("{} is missing", object.key)),
            Some(listed) if listed.bytes != object.stored_bytes => {
                Some(format!("{} has {} bytes instead of {}", object.key, listed.bytes, object.stored_bytes))
            }
            Some(_) => None,
        })
    }
}

/// Lists the folders of all backups whose names match, oldest first within a name.
pub async fn folders(store: &dyn Store, names: &[NamePattern]) -> Result<Vec<Folder>> {
    let listed = store.list(&prefix(names)).await?;
    let mut folders = grouped(listed);
    folders.retain(|folder| NamePattern::any(names, &folder.place.name));
    Ok(folders)
}

/// Says that no name matches this pattern.
pub async fn nothing_of(store: &dyn Store, pattern: &NamePattern) -> Error {
    match pattern {
        NamePattern::Name(name) => catalogue::nothing_found(store, Some(name)).await,
        NamePattern::Pattern(pattern) => {
            Error::not_found(format!("no backup has a name like {pattern} in {}", store.display_url()))
                .hint("`pgstow list` shows what is there")
        }
    }
}

fn grouped(listed: Vec<Listed>) -> Vec<Folder> {
    let mut objects: Vec<(Place, String, Listed)> = Vec::new();
    for listed in listed {
        if let Some((place, object)) = Place::of_object(&listed.key) {
            objects.push((place, object.to_owned(), listed));
        }
    }
    objects.sort_by(|a, b| a.0.cmp(&b.0));
    let mut folders: Vec<Folder> = Vec::new();
    for (place, object, listed) in objects {
        match folders.last_mut().filter(|last| last.place == place) {
            Some(folder) => folder.objects.push((object, listed)),
            None => folders.push(Folder { place, objects: vec![(object, listed)] }),
        }
    }
    folders
}

/// What all keys of these names begin with.
pub fn prefix(names: &[NamePattern]) -> String {
    match names {
        [NamePattern::Name(only)] => format!("{}/", only.folder()),
        _ => String::new(),
    }
}

/// Looks again, and returns what the folder of one backup holds now.
pub async fn look_again(store: &dyn Store, place: &Place) -> Result<Option<Folder>> {
    Ok(grouped(store.list(&place.key("")).await?).pop())
}

/// Lists the folders of all backups of the same name and second as this one, in their order.
pub async fn of_same_second(store: &dyn Store, place: &Place) -> Result<Vec<Folder>> {
    Ok(grouped(store.list(&place.prefix_of_second()).await?))
}

/// Says why an object of a backup is missing, if that is what failed. It is damage, unless the manifest is gone too: that is
/// removed first, so then all of the backup was.
pub async fn missing(store: &dyn Store, place: &Place, key: &str, error: Error) -> Error {
    if error.kind() != Kind::NotFound {
        return error;
    }
    match store.head(&place.key(MANIFEST)).await {
        Err(manifest) if manifest.situation() == Situation::NotFound => Error::not_found(format!(
            "{key} is missing, and so is its manifest: the backup was removed meanwhile, by prune, delete or rekey"
        ))
        .hint("take another one: `latest` is the newest that is there now, and `pgstow list` shows all"),
        _ => Error::verify(format!("{key} is missing, although its manifest exists")).in_situation(NotWhole),
    }
    .because(error)
}

/// One backup, and whether it counts as a whole one.
#[derive(Debug)]
pub struct Entry {
    /// What lies in its folder.
    pub folder: Folder,
    /// What is written about it, if that can be trusted.
    pub backup: Option<Backup>,
    /// Whether it was proven to restore, and when.
    pub proven: Proven,
    /// Why it does not count as a whole one.
    pub flaw: Option<Flaw>,
}

impl Entry {
    /// Whether it counts as whole, proven or not.
    pub fn is_whole(&self) -> bool {
        matches!(self.flaw, None | Some(Flaw::Unproven | Flaw::Undecided))
    }

    /// When it was last proven to restore, if it counts as whole: what was lost since then, or was never in it, is not
    /// proven.
    pub fn proven_at(&self) -> Option<Timestamp> {
        self.proven.at().filter(|_| self.is_whole())
    }

    /// Whether something of it is missing.
    pub fn is_torn(&self) -> bool {
        matches!(self.flaw, Some(Flaw::Incomplete(_)))
    }

    /// What is wrong with it, in a sentence that names it; nothing is if it is only partial, or not proven.
    pub fn complaint(&self) -> Option<String> {
        match self.flaw.as_ref()? {
            Flaw::Partial | Flaw::Unproven => None,
            // Whoever looked has warned of it.
            Flaw::Undecided => None,
            // The sentence begins with its place.
            Flaw::Unreadable(why) => Some(why.clone()),
            flaw => Some(format!("{}: {flaw}", self.folder.place)),
        }
    }
}

/// Why a backup does not count as a whole one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// Its manifest is damaged, forged, or not signed as it must be.
    Unreadable(String),
    /// The store lacks what its manifest names.
    Incomplete(String),
    /// Its id is of a moment that is still to come.
    FromTheFuture,
    /// Options left a part of the database out.
    Partial,
    /// No trial restore has proven it, and only proven ones count.
    Unproven,
    /// Whether one has is not known, and only proven ones count.
    Undecided,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => f.write_str(why),
            Self::Incomplete(why) => write!(f, "incomplete: {why}"),
            Self::FromTheFuture => f.write_str("its id is of a moment that is still to come"),
            Self::Partial => f.write_str("partial: options left a part of the database out"),
            Self::Unproven => f.write_str("not proven: no trial restore of it is recorded"),
            Self::Undecided => write!(
                f,
                "whether it is proven is not known: none of the newest {MOST_READ} of its receipts holds"
            ),
        }
    }
}

/// What backups must have to count as whole.
#[derive(Debug, Clone)]
pub struct Standard {
    /// Whose manifests to believe.
    pub trusted: Option<VerifyKeys>,
    /// Whether partial backups count too.
    pub count_partial: bool,
    /// Whether only those count that a trial restore has proven.
    pub proven_only: bool,
}

/// Reads the manifests of backups, and says which of them are whole; those that are gone by now are left out.
///
/// A manifest that is damaged is no failure here; a store that does not answer is.
pub async fn entries(
    store: &Arc<dyn Store>,
    folders: Vec<Folder>,
    standard: &Standard,
) -> Result<Vec<Entry>> {
    let (entries, failed) = readable(store, folders, standard).await;
    failed.into_iter().next().map_or(Ok(entries), |(_, error)| Err(error))
}

/// The same of those that can be read, and why the others cannot.
pub async fn readable(
    store: &Arc<dyn Store>,
    folders: Vec<Folder>,
    standard: &Standard,
) -> (Vec<Entry>, Vec<(Place, Error)>) {
    let found: Vec<(Found, Folder)> =
        folders.into_iter().filter_map(|folder| Some((folder.found()?, folder))).collect();
    let (found, folders): (Vec<Found>, Vec<Folder>) = found.into_iter().unzip();
    let read = proven::read_all(store, &found, standard.trusted.as_ref()).await;
    let now = Timestamp::now();
    let (mut entries, mut failed) = (Vec::new(), Vec::new());
    for ((found, folder), read) in found.iter().zip(folders).zip(read) {
        match read.map_err(Unreadable::of) {
            Ok(MaybeProven { backup, proven }) => {
                let flaw = flaw(found, &folder, &backup, standard, now);
                let unproven = match proven {
                    _ if !standard.proven_only => None,
                    Proven::At(_) => None,
                    Proven::No => Some(Flaw::Unproven),
                    Proven::NotKnown => Some(Flaw::Undecided),
                };
                let flaw = flaw.or(unproven);
                entries.push(Entry { folder, backup: Some(backup), proven, flaw });
            }
            Err(Unreadable::Damaged(why)) => {
                let flaw = Some(Flaw::Unreadable(why));
                entries.push(Entry { folder, backup: None, proven: Proven::No, flaw });
            }
            Err(Unreadable::Gone) => {}
            Err(Unreadable::Failed(error)) => failed.push((folder.place, error)),
        }
    }
    share_proofs(&mut entries);
    (entries, failed)
}

/// The newest of these backups of one name, oldest first, that counts as whole and is proven; reads only those with
/// receipts.
///
/// # Errors
/// Those of the store.
pub async fn newest_proven(
    store: &Arc<dyn Store>,
    folders: &[Folder],
    standard: &Standard,
) -> Result<Option<(Id, Timestamp)>> {
    let now = Timestamp::now();
    let may_be = |found: Found| !found.receipts.is_empty() && !found.is_from_the_future(now);
    let with_receipts = folders.iter().rev().filter(|folder| folder.found().is_some_and(may_be));
    for folder in with_receipts.take(MOST_READ) {
        let read = entries(store, vec![folder.clone()], standard).await?;
        let proven = read.iter().find_map(Entry::proven_at);
        if let Some(moment) = proven {
            return Ok(Some((folder.place.id.clone(), moment)));
        }
    }
    Ok(None)
}

/// Lets what is proven of a backup count for those that `rekey` made from it, and the other way round: they hold the
/// same, and none of them may go because only another one has a receipt.
fn share_proofs(entries: &mut [Entry]) {
    let second = |entry: &Entry| (entry.folder.place.name.clone(), entry.folder.place.id.started_at());
    for of_second in entries.chunk_by_mut(|one, other| second(one) == second(other)) {
        let best = |this: &Entry| {
            let this = this.backup.as_ref()?;
            let is_twin =
                |other: &&Backup| other.place == this.place || other.manifest.is_twin_of(&this.manifest);
            let twins = of_second.iter().filter(|other| other.backup.as_ref().is_some_and(|it| is_twin(&it)));
            twins
                .filter_map(|twin| Some((doubt(twin.flaw.as_ref())?, twin.flaw.clone())))
                .min_by_key(|(doubt, _)| *doubt)
        };
        let best: Vec<_> = of_second.iter().map(best).collect();
        for (entry, best) in of_second.iter_mut().zip(best) {
            if let (Some(_), Some((_, flaw))) = (doubt(entry.flaw.as_ref()), best) {
                entry.flaw = flaw;
            }
        }
    }
}

/// How little is known of whether a backup is proven; `None` if that does not matter, because of another flaw.
fn doubt(flaw: Option<&Flaw>) -> Option<u8> {
    match flaw {
        None => Some(0),
        Some(Flaw::Undecided) => Some(1),
        Some(Flaw::Unproven) => Some(2),
        Some(_) => None,
    }
}

/// Why a manifest was not read.
enum Unreadable {
    Damaged(String),
    Gone,
    Failed(Error),
}

impl Unreadable {
    fn of(error: Error) -> Self {
        match error.kind() {
            Kind::Verify => Self::Damaged(error.message().to_owned()),
            Kind::NotFound => Self::Gone,
            _ => Self::Failed(error),
        }
    }
}

fn flaw(
    found: &Found,
    folder: &Folder,
    backup: &Backup,
    standard: &Standard,
    now: Timestamp,
) -> Option<Flaw> {
    if found.is_from_the_future(now) {
        return Some(Flaw::FromTheFuture);
    }
    if let Some(why) = folder.lacks(&backup.manifest) {
        return Some(Flaw::Incomplete(why));
    }
    (backup.manifest.partial && !standard.count_partial).then_some(Flaw::Partial)
}
