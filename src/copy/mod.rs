//! Whole backups from one store into another, as they are: the encrypted bytes, and the manifest as it was signed.
//!
//! It needs no key to a backup. Nothing is overwritten and nothing whole is deleted: what is whole in the target is
//! left alone, and the manifest goes last, so that a copy that was killed is no backup until a later one ends it. Only
//! receipts of trial restores come after it: they are about a backup that is there.

mod choose;
mod object;
mod outcome;
mod receipts;
mod request;
mod same;

pub use outcome::{CopiedBackup, Copies, Outcome};
pub use request::CopyOptions;

use crate::error::{Error, Kind, Result};
use crate::failures::{Failed, Failures};
use crate::progress::{Direction, Progress};
use crate::run::Run;
use crate::store::{Situation, Unfinished};
use crate::stored::download;
use crate::stored::find::catalogue::Backup;
use crate::stored::format::manifest::Manifest;
use crate::stored::format::names::{MANIFEST, Place, SIGNATURE};
use crate::stored::format::signing::VerifyKeys;
use crate::units::{age, count};
use choose::{Chosen, There};
use futures_util::{StreamExt, stream};
use indicatif::BinaryBytes;
use object::Way;
use same::{different, is_same_manifest};
use std::time::Instant;

/// Copies the chosen backups that the target does not have.
pub async fn copy(options: &CopyOptions, run: &Run) -> Result<Copies> {
    let preparing = async {
        let (from, to) = (options.from.open().await?, options.to.open().await?);
        if from.identity() == to.identity() {
            return Err(Error::usage("a store cannot be copied into itself")
                .hint("give another one with --to, or another folder of the bucket"));
        }
        let chosen = choose::choose(&from, options).await?;
        let there = There::look(&to, &chosen, options).await?;
        Ok((from, to, chosen, there))
    };
    let (from, to, chosen, there) = run.or(preparing).await?;
    let missing: Vec<&Backup> =
        chosen.iter().filter_map(|one| one.backup.as_ref().ok()).filter(|one| !there.has(one)).collect();
    let expected = missing.iter().map(|backup| backup.manifest.stored_bytes()).fold(0, u64::saturating_add);
    let progress =
        Progress { direction: Direction::Between, expected: Some(expected), ..Progress::default() };
    let at_once = options.jobs.min(missing.len()).max(1);
    let way = Way::new(from, to, at_once, progress);
    let following = run.follow(&way.progress);
    let copying = chosen.iter().map(async |one| {
        let begun = Instant::now();
        let copied = run.step("copy", one_backup(one, &there, &way, options.trusted.as_ref(), run)).await;
        (one, copied, begun.elapsed())
    });
    // After a signal the others end by themselves: each takes back what it has begun.
    let done: Vec<_> = stream::iter(copying).buffered(at_once).collect().await;
    drop(following);
    let mut all = Copies {
        from: way.from.display_url(),
        to: way.to.display_url(),
        backups: Vec::new(),
        failures: Failures::of(chosen.len()),
    };
    for (one, outcome, took) in done {
        let place = &one.place;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                let is_known = all.has_failed_like(place, &Failed::of(&error));
                Outcome::Failed(all.failures.keep(error, |why| match is_known {
                    true => format!("{place} was not copied, for the same reason"),
                    false => format!("{place} was not copied: {why}"),
                })?)
            }
        };
        let stored_bytes = one.backup.as_ref().ok().map(|backup| backup.manifest.stored_bytes());
        all.backups.push(CopiedBackup { place: place.clone(), stored_bytes, took, outcome });
    }
    run.say(all.summary());
    Ok(all)
}

/// Copies one backup, unless it is in the target.
async fn one_backup(
    one: &Chosen,
    there: &There,
    way: &Way,
    trusted: Option<&VerifyKeys>,
    run: &Run,
) -> Result<Outcome> {
    let (backup, begun) = (one.backup.as_ref().map_err(Clone::clone)?, Instant::now());
    let (outcome, has_manifest) = if there.check(backup)? {
        (Outcome::Present, there.has_manifest(backup))
    } else if let Some(id) = run.or(there.rekeyed_as(&way.to, backup, trusted)).await? {
        (Outcome::Rekeyed(id), false)
    } else {
        for object in &backup.manifest.objects {
            if let Err(error) = way.object(backup, object, run).await {
                // It was removed from the source, so that no later copy can end this one.
                if error.kind() == Kind::NotFound {
                    take_back(backup, way).await;
                }
                return Err(error);
            }
        }
        match run.or(there.rekeyed_since(&way.to, backup, trusted)).await? {
            Some(id) => {
                take_back(backup, way).await;
                (Outcome::Rekeyed(id), false)
            }
            None => (Outcome::Copied, manifest(backup, begun, way, run).await?),
        }
    };
    run.or(clear(backup, there, way)).await?;
    if has_manifest {
        receipts::copy(backup, &one.receipts, &there.receipts(&backup.place), way, trusted, run).await?;
    }
    Ok(outcome)
}

/// Completes a backup whose objects are there; whether the manifest there is its own, byte for byte.
async fn manifest(backup: &Backup, begun: Instant, way: &Way, run: &Run) -> Result<bool> {
    let has_manifest = publish(backup, way, run).await?;
    confirm(backup, way, has_manifest).await?;
    run.say(format!(
        "copied {}: {}, {}, {}",
        backup.place,
        count(backup.manifest.objects.len(), "object"),
        BinaryBytes(backup.manifest.stored_bytes()),
        age(begun.elapsed())
    ));
    Ok(has_manifest)
}

/// Looks once more, now that the manifest is there: what an earlier copy left may have been old, and a prune that removed
/// it had seen no manifest. One without its objects is taken back.
async fn confirm(backup: &Backup, way: &Way, has_manifest: bool) -> Result<()> {
    let Some(key) = way.lacks(backup).await? else { return Ok(()) };
    let error = Error::store(format!("{key} was removed while the rest was copied"));
    // Whoever wrote another one looks after it.
    for object in [MANIFEST, SIGNATURE].into_iter().filter(|_| has_manifest) {
        if let Err(second) = way.to.delete(&backup.place.key(object)).await {
            return Err(error.hint(format!("remove its manifest, which remains there: {second}")));
        }
    }
    Err(error.hint("a prune took it for what a killed run had left; run the copy again"))
}

/// Removes the objects that were copied of a backup that is there under another id, for other recipients, or gone from the
/// source, unless another run has completed it: that one says what becomes of it.
async fn take_back(backup: &Backup, way: &Way) {
    match way.to.head(&backup.place.key(MANIFEST)).await {
        Err(error) if error.situation() == Situation::NotFound => {}
        _ => return,
    }
    for object in &backup.manifest.objects {
        let key = backup.place.key(&object.key);
        if let Err(error) = way.to.delete(&key).await {
            tracing::warn!("{key} remains; without a manifest it is no backup: {error}");
        }
    }
}

/// Removes the uploads that killed runs left in the target of a backup that is whole there. One to which something was
/// written since this run began is another run's, which goes on.
async fn clear(backup: &Backup, there: &There, way: &Way) -> Result<()> {
    let is_of_it =
        |upload: &&Unfinished| Place::of_object(&upload.key).is_some_and(|(place, _)| place == backup.place);
    for upload in there.unfinished.iter().filter(is_of_it) {
        let Unfinished { key, .. } = upload;
        if way.to.last_written(upload).await.is_ok_and(|last| last >= Some(there.looked_at)) {
            continue;
        }
        match way.to.abort_unfinished(upload).await {
            Ok(()) => tracing::info!("an unfinished upload of {key} was removed"),
            // It is unseen, and prune removes it.
            Err(error) => tracing::warn!("an unfinished upload of {key} remains: {error}"),
        }
    }
    Ok(())
}

/// Signature and manifest, exactly as they are: from here on the backup exists in the target too.
///
/// Whether they are there: another run may have written a manifest of its own for the same backup meanwhile.
async fn publish(backup: &Backup, way: &Way, run: &Run) -> Result<bool> {
    let place = &backup.place;
    let reading = async {
        let manifest = way.small(&place.key(MANIFEST)).await?;
        let manifest = manifest.ok_or_else(|| Error::not_found(format!("{place} was removed meanwhile")))?;
        if Manifest::from_bytes(&manifest)? != backup.manifest {
            return Err(Error::verify(format!("the manifest of {place} was replaced meanwhile")));
        }
        Ok((manifest, way.small(&place.key(SIGNATURE)).await?))
    };
    let (manifest, signature) = run.or(reading).await?;
    let mut is_own = true;
    // What is left takes a moment and is not interrupted.
    for (name, bytes) in [(SIGNATURE, signature), (MANIFEST, Some(manifest))] {
        let (key, Some(bytes)) = (place.key(name), bytes) else { continue };
        match way.to.put_new(&key, bytes.clone()).await {
            Err(error) if error.situation() == Situation::Exists => {
                let there = download::twice(&key, async || Ok(way.there(&key).await?)).await?;
                let is_same = name == MANIFEST && is_same_manifest(there.as_deref(), &backup.manifest);
                if !is_same && there.as_ref() != Some(&bytes) {
                    return Err(different(&key, &way.to.display_url()));
                }
                is_own &= there.as_ref() == Some(&bytes);
            }
            put => drop(put?),
        }
    }
    Ok(is_own)
}
