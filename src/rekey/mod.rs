//! Gives existing backups new recipients: each is encrypted again under a new id, and the old one is removed after the
//! new one was read back.
//!
//! The new id has the moment of the old one, so rules of keeping and "latest" mean the same backups as before. A run
//! can end at any moment: what it leaves is the old backup, or both, or the new one; the next run does the rest.

mod make;
mod outcome;
mod request;
mod said;
mod second;
mod successor;
mod versions;

pub use outcome::{Old, Rekeyed, RekeyedBackup};
pub use request::{Change, RekeyOptions};

use crate::error::{Error, Kind, Result};
use crate::failures::Failures;
use crate::pipeline::keys::Identities;
use crate::progress::{Direction, Progress};
use crate::run::Run;
use crate::store::{Situation, StoreError, StoreUrl};
use crate::stored::find::catalogue::{self, Found};
use crate::stored::find::contents::{self, Folder};
use crate::stored::find::newest::{Chosen, Which};
use crate::stored::format::manifest::{Encryption, Manifest};
use crate::stored::format::names::{Id, Name, Place};
use crate::stored::format::receipt;
use crate::stored::format::signing::SigningKey;
use crate::stored::read::opened::{OpenStore, OpenedBackup};
use crate::stored::read::{header, read_back};
use crate::stored::write::removal;
use indicatif::BinaryBytes;
use make::{MayNotWrite, Remaking};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use successor::{Side, refused};
use versions::warn_of_versions;

/// Why a backup cannot be taken that is nothing that a run of this kind has made.
const OF_OTHERS: [Kind; 3] = [Kind::Verify, Kind::NotFound, Kind::Settings];

/// Gives the chosen backups new recipients, the newest first.
pub async fn rekey(options: RekeyOptions, run: &Run) -> Result<Rekeyed> {
    let RekeyOptions { which, name, reading, change, dry_run } = options;
    let identities = Arc::clone(&reading.identities);
    let is_folder = matches!(reading.location.url, StoreUrl::File(_));
    let choosing = async {
        change.recipients.check().await?;
        let store = OpenStore::open(reading).await?;
        let chosen = choose(&store, &which, name.as_ref()).await?;
        Ok((store, chosen))
    };
    let (store, chosen) = run.or(choosing).await?;
    let mut all = Rekeyed { backups: Vec::new(), failures: Failures::of(chosen.len()) };
    let mut work = Work { change: &change, store: &store, identities, run, handled: BTreeSet::new() };
    let mut denied = None;
    for Chosen { found, .. } in chosen {
        if work.handled.contains(&found.place) {
            continue;
        }
        let mut done = RekeyedBackup::of(found.place.clone());
        if denied.is_some() {
            done.failed.clone_from(&denied);
            all.backups.push(done);
            continue;
        }
        let worked = match dry_run {
            true => work.foresee(&found, &mut done).await,
            false => work.one(&found, &mut done).await,
        };
        match worked {
            Ok(said) => run.say(said),
            Err(error) => {
                let place = &found.place;
                let is_denied = error.situation::<MayNotWrite>().is_some();
                done.failed =
                    Some(all.failures.keep(error, |why| format!("{place}: {}", place.without(why)))?);
                if is_denied {
                    denied.clone_from(&done.failed);
                }
            }
        }
        all.backups.push(done);
    }
    if denied.is_some() && all.backups.len() > 1 {
        run.say("the key may not write: no more backups were tried");
    }
    if all.backups.iter().any(|one| one.old == Old::Removed) {
        run.or(warn_of_versions(store.store(), is_folder)).await?;
    }
    said::notes(&all.backups, dry_run).into_iter().for_each(|note| run.say(note));
    Ok(all)
}

/// The chosen backups, the newest of each name first: it is what the new keys are wanted for first.
async fn choose(store: &OpenStore, which: &Which, name: Option<&Name>) -> Result<Vec<Chosen>> {
    let mut chosen = store.chooser().find_all(which, name).await?;
    chosen.sort_by(|one, other| {
        let (one, other) = (&one.found.place, &other.found.place);
        one.name.cmp(&other.name).then(other.id.cmp(&one.id))
    });
    Ok(chosen)
}

/// What all backups of one run have in common.
struct Work<'a> {
    change: &'a Change,
    store: &'a OpenStore,
    identities: Arc<Identities>,
    run: &'a Run,
    /// Backups that need no more work: those that others were made from.
    handled: BTreeSet<Place>,
}

/// A backup for the new recipients that was read back, and the identity that has opened it.
struct Proven {
    backup: OpenedBackup,
    opened_by: Option<String>,
}

impl Proven {
    /// Why it cannot take the place of the old one.
    fn refused(&self, signed: bool, old: Side) -> Option<String> {
        let manifest = &self.backup.backup.manifest;
        refused(Side { manifest, signed }, self.opened_by.as_ref(), old)
    }
}

impl Work<'_> {
    /// Gives one backup new recipients, or finishes what an earlier run has begun; what was done, in a sentence.
    async fn one(&mut self, found: &Found, done: &mut RekeyedBackup) -> Result<String> {
        let place = &found.place;
        let (old, signed, peers) = self.run.or(self.look(found)).await?;
        if self.has_new_recipients(&old.backup.manifest) {
            let opened_by = self.run.or(self.opens(&old)).await?;
            match &opened_by {
                // Whoever can write to the store can make it look done.
                Some(by) if !header::is_named(&old.backup.manifest, by) => tracing::warn!(
                    "{place}: {by} opens it, and its manifest does not name that recipient; it is encrypted again"
                ),
                _ => return self.finish(old, signed, opened_by, &peers, done).await,
            }
        }
        let side = Side { manifest: &old.backup.manifest, signed };
        let new = match self.run.or(self.made_before(side, &peers)).await? {
            Some(new) => new,
            None => {
                let began = Instant::now();
                let new = self.make(&old, signed, &peers).await?;
                let took = began.elapsed();
                self.run
                    .or(self.refuse_second(&old.backup.manifest, new.backup.place(), &peers, took))
                    .await?;
                new
            }
        };
        self.note(&new, done);
        let what = self.said(place, &new);
        match self.change.keep_old {
            true => Ok(format!("{what}; the old one stays")),
            false => {
                self.remove(place, &new, done).await?;
                Ok(format!("{what}; the old one is removed"))
            }
        }
    }

    /// Says what would be done with one backup; of it only the manifest is read, so no identity is tried on it.
    async fn foresee(&self, found: &Found, done: &mut RekeyedBackup) -> Result<String> {
        let place = &found.place;
        let (old, ..) = self.run.or(self.look(found)).await?;
        let manifest = &old.backup.manifest;
        if self.has_new_recipients(manifest) {
            done.old = Old::Unchanged;
            return Ok(format!("{place} is encrypted to these recipients already"));
        }
        let what = format!("would rekey {place}, which {}", said::readers(manifest));
        if self.change.keep_old {
            return Ok(format!("{what}; the old one would stay"));
        }
        done.old = Old::WouldGo;
        done.receipts_removed = found.receipts.len();
        Ok(format!("{what}; the old one would be removed"))
    }

    /// Opens a backup, says whether it is signed, and what else there is of the same name and second.
    ///
    /// # Errors
    /// `Kind::Settings` if it is signed, and the new one could not be; `Kind::Verify` if it is signed by somebody else:
    /// a signature must never say more than the one before.
    async fn look(&self, found: &Found) -> Result<(OpenedBackup, bool, Vec<Folder>)> {
        let place = &found.place;
        let signed = catalogue::is_signed(self.store.store(), place).await?;
        let public = match &self.change.signing {
            Some(key) if signed => Some(key.public()?),
            None if signed => {
                return Err(Error::settings(format!(
                    "{place} is signed, and there is no signing key for the one that is to replace it"
                ))
                .hint("give it with --signing-key-file, or in PGSTOW_SIGNING_KEY"));
            }
            _ => None,
        };
        let opened = match (
            self.store.take_trusting(found, self.store.trusted().or(public.as_ref())).await,
            &public,
        ) {
            // One that an earlier run has made is signed with the new key.
            (Err(error), Some(_)) if error.kind() == Kind::Verify => {
                self.store.take_trusting(found, public.as_ref()).await.map_err(|_| error)?
            }
            (opened, _) => opened?,
        };
        let peers = contents::of_same_second(self.store.store(), place).await?;
        Ok((opened, signed, peers))
    }

    /// Whether the new recipients can read it, and nobody else.
    fn has_new_recipients(&self, manifest: &Manifest) -> bool {
        let of = |all: &[String]| all.iter().cloned().collect::<BTreeSet<String>>();
        manifest.encryption == Encryption::Age
            && of(&manifest.recipients) == of(&self.change.recipients.fingerprints())
    }

    /// Finds the backup that an earlier run has made from this one, and reads it back.
    async fn made_before(&self, side: Side<'_>, peers: &[Folder]) -> Result<Option<Proven>> {
        let old = side.manifest;
        for found in peers.iter().rev().filter_map(Folder::found).filter(|found| found.place.id > old.id) {
            let (new, signed, _) = match self.look(&found).await {
                Err(error) if OF_OTHERS.contains(&error.kind()) => continue,
                looked => looked?,
            };
            if !new.backup.manifest.is_made_from(&old.id) || !self.has_new_recipients(&new.backup.manifest) {
                continue;
            }
            match self.read_back(new, signed).await {
                Ok(new) if new.backup.backup.manifest.holds_the_same(old) => {
                    match new.refused(signed, side) {
                        None => return Ok(Some(new)),
                        Some(why) => tracing::warn!("{why}; it is made again"),
                    }
                }
                Ok(new) => tracing::warn!("{}", differs(new.backup.place(), &old.id)),
                Err(error) if error.kind() == Kind::Verify => tracing::warn!("{error}; it is made again"),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn make(&self, old: &OpenedBackup, signed: bool, peers: &[Folder]) -> Result<Proven> {
        let ids: Vec<Id> = peers.iter().map(|folder| folder.place.id.clone()).collect();
        let Place { name, id } = old.place();
        let place = Place { name: name.clone(), id: id.again(&ids)? };
        let expected = Some(old.backup.manifest.stored_bytes());
        let progress = Progress { expected, direction: Direction::There, ..Progress::default() };
        let (change, run) = (self.change, self.run);
        let place = &place;
        let manifest = Remaking { change, old, place, signed, progress, run }.make().await?;
        let checking = async {
            let manifest_bytes = manifest.to_bytes()?.len() as u64;
            let found = Found { place: place.clone(), manifest_bytes, receipts: Vec::new() };
            let public =
                self.change.signing.as_ref().filter(|_| signed).map(SigningKey::public).transpose()?;
            let backup = self.store.take_trusting(&found, public.as_ref()).await?;
            if backup.backup.manifest != manifest {
                return Err(Error::verify(format!("{place}: its manifest is not what was written")));
            }
            let opened_by = self.opens(&backup).await?;
            self.read(&backup, opened_by.is_some()).await?;
            Ok(Proven { backup, opened_by })
        };
        let checked = self.run.or(checking).await;
        if checked.as_ref().is_err_and(|error| error.kind() == Kind::Verify) {
            self.discard(place).await;
        }
        checked
    }

    /// Removes a new backup that was not read back as it was sent: it must not be the "latest" one.
    async fn discard(&self, place: &Place) {
        let store = self.store.store();
        let discarded = async {
            let keys =
                contents::look_again(store, place).await?.map(|folder| folder.keys()).unwrap_or_default();
            Ok::<_, Error>(removal::delete(store, &keys).await?)
        };
        match discarded.await {
            Ok(None) => {}
            Ok(Some(kept)) => tracing::warn!("{place} is of no use, and stays: {}", kept.why),
            Err(error) => tracing::warn!("{place} is of no use, and stays: {error}"),
        }
    }

    /// Reads back what an earlier run has made. Anybody who can write to the store could have put it there, so it must be
    /// opened, or signed.
    async fn read_back(&self, new: OpenedBackup, signed: bool) -> Result<Proven> {
        let opened_by = self.opens(&new).await?;
        if opened_by.is_none() && !signed {
            return Err(Error::settings(format!(
                "{} was made by an earlier run, and no identity was given that opens it",
                new.place()
            ))
            .hint("give the identity of a new recipient too, so that it can be compared with the old one")
            .hint(format!(
                "or remove it with `{}`, and run it again",
                removal::command(new.place(), &new.store().display_url())
            )));
        }
        self.read(&new, opened_by.is_some()).await?;
        Ok(Proven { backup: new, opened_by })
    }

    async fn opens(&self, backup: &OpenedBackup) -> Result<Option<String>> {
        if self.identities.is_empty() {
            return Ok(None);
        }
        header::opened_by(backup, header::start(backup).await?, &self.identities).await
    }

    async fn read(&self, backup: &OpenedBackup, open: bool) -> Result<()> {
        let sizes = backup.backup.manifest.objects.iter().map(|object| object.plain_bytes);
        let expected = Some(sizes.fold(0, u64::saturating_add));
        let progress = Progress { expected, direction: Direction::Back, ..Progress::default() };
        let following = self.run.follow(&progress);
        let read = read_back::all(backup, open, &progress).await;
        drop(following);
        read
    }

    /// Removes the backups that this one was made from, if they are still there: it has the new recipients already, as
    /// its manifest says.
    ///
    /// # Errors
    /// `Kind::Verify` if the manifest names the recipient of an identity that does not open it.
    async fn finish(
        &mut self,
        new: OpenedBackup,
        signed: bool,
        opened_by: Option<String>,
        peers: &[Folder],
        done: &mut RekeyedBackup,
    ) -> Result<String> {
        let place = new.place().clone();
        let checked = match &opened_by {
            Some(by) => format!("opened with {by}"),
            None => match header::not_as_named(&new.backup.manifest, &self.identities) {
                Some(wrong) => return Err(wrong),
                None => "not opened: no identity was given that opens it".to_owned(),
            },
        };
        (done.old, done.opened_by) = (Old::Unchanged, opened_by);
        let is_former = |folder: &&Folder| new.backup.manifest.is_made_from(&folder.place.id);
        let formers: Vec<&Folder> = peers.iter().filter(is_former).collect();
        let unchanged = format!("{place} is encrypted to these recipients already, {checked}");
        if formers.is_empty() || self.change.keep_old {
            return Ok(unchanged);
        }
        let new = self.run.or(self.read_back(new, signed)).await?;
        self.note(&new, done);
        for former in &formers {
            if let Some(found) = former.found() {
                let (old, old_signed, _) = self.run.or(self.look(&found)).await?;
                let old = &old.backup.manifest;
                if !new.backup.backup.manifest.holds_the_same(old) {
                    return Err(Error::verify(differs(&place, &old.id)));
                }
                if let Some(why) = new.refused(signed, Side { manifest: old, signed: old_signed }) {
                    return Err(Error::verify(why).hint(format!(
                        "find out who wrote it, and remove it: `{}`",
                        removal::command(&place, &self.store.store().display_url())
                    )));
                }
            }
            self.remove(&former.place, &new, done).await?;
        }
        let formers: Vec<&str> = formers.iter().map(|former| former.place.id.as_str()).collect();
        Ok(format!("{unchanged}; {} is removed, from which it was made", formers.join(", ")))
    }

    /// Removes a backup that was replaced, unless it is locked.
    async fn remove(&mut self, old: &Place, new: &Proven, done: &mut RekeyedBackup) -> Result<()> {
        self.handled.insert(old.clone());
        done.old = Old::Kept;
        let store = self.store.store();
        let keys = match contents::look_again(store, old).await? {
            Some(folder) => folder.keys(),
            None => Vec::new(),
        };
        let by = new.backup.place();
        match removal::delete(store, &keys).await.map_err(explain)? {
            None => {
                done.old = Old::Removed;
                done.receipts_removed +=
                    keys.iter().filter_map(|key| receipt::id_of(Place::of_object(key)?.1)).count();
            }
            Some(kept) if kept.deleted == 0 => {
                done.old = Old::Locked;
                return Err(Error::new(
                    Kind::Prune,
                    format!("{old} stays, and its old recipients can read it: {}", kept.why),
                )
                .hint(format!(
                    "{by} is stored for the new ones; run it again when nothing keeps the old one"
                )));
            }
            Some(kept) => {
                done.old = Old::Removed;
                return Err(Error::store(format!("some objects of {old} are left: {}", kept.why)).hint(
                    format!("{by} is stored for the new recipients; run it again to remove the rest"),
                ));
            }
        }
        Ok(())
    }

    fn note(&self, new: &Proven, done: &mut RekeyedBackup) {
        done.new_id = Some(new.backup.place().id.clone());
        done.stored_bytes = Some(new.backup.backup.manifest.stored_bytes());
        done.opened_by = new.opened_by.clone();
        done.old = Old::Kept;
    }

    fn said(&self, old: &Place, new: &Proven) -> String {
        let stored = BinaryBytes(new.backup.backup.manifest.stored_bytes());
        let checked = match &new.opened_by {
            Some(by) => format!("read back with {by}"),
            None => "read back, but not opened: no identity of a new recipient was given".to_owned(),
        };
        format!("rekeyed {old}: now {}, {stored}, {checked}", new.backup.place().id)
    }
}

fn differs(new: &Place, old: &Id) -> String {
    format!("{new} says it was made from {old}, but its content is different")
}

fn explain(error: StoreError) -> Error {
    match error.situation() {
        Situation::Denied => Error::from(error).without_hints().hint(
            "the new backup is stored; removing the old one needs a key that may delete, or use --keep-old",
        ),
        _ => error.into(),
    }
}
