//! Which backups are to be copied, and what the target has of them.

use super::request::CopyOptions;
use super::same::{different, is_same};
use crate::error::{Error, Kind, Result};
use crate::store::{Situation, Store, StoreUrl, Unfinished};
use crate::stored::find::catalogue::{self, Backup};
use crate::stored::find::contents::{self, Entry, Flaw, Folder, Standard};
use crate::stored::find::history::Caution;
use crate::stored::find::newest::Chooser;
use crate::stored::format::name_pattern::NamePattern;
use crate::stored::format::names::{Id, Name, Place};
use crate::stored::format::signing::VerifyKeys;
use crate::stored::write::removal;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

/// A backup to be copied.
pub(super) struct Chosen {
    pub(super) place: Place,
    /// What is written about it, or why that cannot be read.
    pub(super) backup: Result<Backup>,
    /// Its receipts of trial restores.
    pub(super) receipts: Vec<Id>,
}

/// Finds the backups, oldest first within a name, and reads their manifests.
pub(super) async fn choose(store: &Arc<dyn Store>, options: &CopyOptions) -> Result<Vec<Chosen>> {
    let trusted = options.trusted.as_ref();
    let chooser =
        Chooser { store, trusted, history: options.history.as_ref(), caution: Caution::RefuseOlder };
    let chosen = chooser.find_all(&options.which, options.name.as_ref()).await?;
    let (found, refused): (Vec<_>, Vec<_>) = chosen.into_iter().map(|one| (one.found, one.refused)).unzip();
    let read = catalogue::read_all(store, &found, trusted).await;
    let chosen = found.into_iter().zip(refused).zip(read).map(|((found, refused), read)| Chosen {
        place: found.place,
        backup: refused.map_or(read, Err),
        receipts: found.receipts,
    });
    Ok(chosen.collect())
}

/// What the target has.
pub(super) struct There {
    store: String,
    /// What the source has, too: one of these is no sign of a rekey in the target.
    copied: BTreeSet<Place>,
    backups: BTreeMap<Place, Entry>,
    /// Uploads that had not ended before this run.
    pub(super) unfinished: Vec<Unfinished>,
    /// When it was looked at.
    pub(super) looked_at: SystemTime,
}

impl There {
    /// Looks at what the target has of the chosen backups, under whatever id. Credentials that may only write see nothing.
    pub(super) async fn look(
        store: &Arc<dyn Store>,
        chosen: &[Chosen],
        options: &CopyOptions,
    ) -> Result<Self> {
        let is_folder = matches!(options.to.url, StoreUrl::File(_));
        let (url, looked_at) = (store.display_url(), SystemTime::now());
        let mut names: BTreeSet<&Name> = chosen.iter().map(|one| &one.place.name).collect();
        names.extend(&options.name);
        let names: Vec<NamePattern> = names.into_iter().cloned().map(NamePattern::Name).collect();
        let mut folders = match contents::folders(&**store, &names).await {
            Ok(folders) => folders,
            Err(error) => match error.situation::<Situation>() {
                // The first object makes the folder; nothing makes a bucket.
                Some(Situation::NoStore) if is_folder => Vec::new(),
                Some(Situation::Denied) => {
                    tracing::warn!(
                        "what is in {url} is not known, as the credentials may not list: all is copied"
                    );
                    Vec::new()
                }
                _ => return Err(error),
            },
        };
        // What was made from a backup has an id of the same second.
        let wanted: BTreeSet<String> = chosen.iter().map(|one| one.place.prefix_of_second()).collect();
        folders.retain(|folder| wanted.contains(&folder.place.prefix_of_second()));
        let backups = entries(store, folders).await?;
        let unfinished = match store.unfinished(&contents::prefix(&names)).await {
            Ok(unfinished) => unfinished,
            Err(error) => {
                tracing::debug!("whether uploads were left in {url} is not known: {error}");
                Vec::new()
            }
        };
        let copied = chosen.iter().map(|one| one.place.clone()).collect();
        Ok(Self { store: url, copied, backups, unfinished, looked_at })
    }

    /// What a rekey has made of this backup since, which was not there when it was looked at first.
    pub(super) async fn rekeyed_since(
        &self,
        store: &Arc<dyn Store>,
        backup: &Backup,
        trusted: Option<&VerifyKeys>,
    ) -> Result<Option<Id>> {
        let mut folders = match contents::of_same_second(&**store, &backup.place).await {
            Err(error) if error.situation() == Some(Situation::Denied) => return Ok(None),
            folders => folders?,
        };
        folders.retain(|folder| folder.place != backup.place && !self.backups.contains_key(&folder.place));
        let now = Self {
            backups: entries(store, folders).await?,
            unfinished: Vec::new(),
            store: self.store.clone(),
            copied: self.copied.clone(),
            ..*self
        };
        now.rekeyed_as(store, backup, trusted).await
    }

    /// Whether there is a backup of this id, or one that was rekeyed and is the same, whatever it is.
    pub(super) fn has(&self, backup: &Backup) -> bool {
        self.backups.contains_key(&backup.place) || self.rekeyed(backup).next().is_some()
    }

    /// The backups there that say they are this one, with an id that a rekey gave them.
    ///
    /// To copy it all the same would give it back to whom the rekey there has locked out.
    fn rekeyed(&self, backup: &Backup) -> impl Iterator<Item = &Entry> {
        let is_it = |entry: &&Entry| {
            let there = entry.backup.as_ref().filter(|_| !self.copied.contains(&entry.folder.place));
            there.is_some_and(|there| there.manifest.was_rekeyed_from(&backup.manifest))
        };
        self.backups.values().filter(is_it)
    }

    /// The id of the one of them that can be believed. Whoever may write to the target must not keep a backup out, so with
    /// keys to believe it is signed.
    ///
    /// # Errors
    /// If it is not whole, and those of the store.
    pub(super) async fn rekeyed_as(
        &self,
        store: &Arc<dyn Store>,
        backup: &Backup,
        trusted: Option<&VerifyKeys>,
    ) -> Result<Option<Id>> {
        for entry in self.rekeyed(backup) {
            let Some(found) = entry.folder.found() else { continue };
            let believed = match trusted {
                Some(_) => catalogue::read(store, &found, trusted).await.map(drop),
                None => Ok(()),
            };
            match believed {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), Kind::Verify | Kind::NotFound) => continue,
                Err(error) => return Err(error),
            }
            self.check_whole(entry)?;
            return Ok(Some(found.place.id));
        }
        Ok(None)
    }

    /// Whether the manifest there is this backup's own, byte for byte.
    pub(super) fn has_manifest(&self, backup: &Backup) -> bool {
        let there = self.backups.get(&backup.place).and_then(|entry| entry.backup.as_ref());
        there.is_some_and(|there| there.manifest_sha256 == backup.manifest_sha256)
    }

    /// The receipts of a backup that are there.
    pub(super) fn receipts(&self, place: &Place) -> Vec<Id> {
        let found = self.backups.get(place).and_then(|entry| entry.folder.found());
        found.map(|found| found.receipts).unwrap_or_default()
    }

    /// Whether this very backup is there, whole.
    ///
    /// # Errors
    /// If another one is there under its id, or if it is not whole.
    pub(super) fn check(&self, backup: &Backup) -> Result<bool> {
        let Some(entry) = self.backups.get(&backup.place) else { return Ok(false) };
        if entry.backup.as_ref().is_some_and(|there| !is_same(&there.manifest, &backup.manifest)) {
            return Err(different(&backup.place.to_string(), &self.store));
        }
        self.check_whole(entry).map(|()| true)
    }

    fn check_whole(&self, entry: &Entry) -> Result<()> {
        match &entry.flaw {
            Some(flaw @ (Flaw::Incomplete(_) | Flaw::Unreadable(_))) => {
                let place = &entry.folder.place;
                Err(Error::verify(format!("{place} is in {}, and is damaged: {flaw}", self.store)).hint(
                    format!(
                        "remove it there with `{}`, and copy it again",
                        removal::command(place, &self.store)
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}

async fn entries(store: &Arc<dyn Store>, folders: Vec<Folder>) -> Result<BTreeMap<Place, Entry>> {
    let standard = Standard { trusted: None, count_partial: true, proven_only: false };
    let entries = contents::entries(store, folders, &standard).await?;
    Ok(entries.into_iter().map(|entry| (entry.folder.place.clone(), entry)).collect())
}
