//! The store: what the key may do there, whether the store keeps its promises, and what its rules are.
//!
//! An upload that is begun and aborted shows that the key may write, and leaves nothing. An object is written only
//! with a key that may delete it again.

use super::finding::Findings;
use super::folder;
use crate::error::{Error, Kind, Result};
use crate::run::Run;
use crate::store::{
    BucketRules, Guard, Metadata, ObjectLock, Situation, Store, StoreError, Versioning, guard,
};
use crate::stored::find::catalogue::{self, Found};
use crate::stored::find::clocks::Skew;
use crate::stored::find::contents;
use crate::stored::format::names::{CLOCK_SKEW, Name};
use crate::stored::read::opened::Location;
use crate::stored::upload::{LAST_WAIT, Uploading};
use bytes::Bytes;
use futures_util::TryStreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What a probe holds.
const PROBE: &[u8] = b"written by pgstow doctor, which removes it again\n";
/// What is left to do if the service itself protects nothing.
const COPY: &str = "this service has no versions, no locks and no key that may write but not delete: copy backups to a second place (`pgstow copy`)";
/// A clock that differs by more than this is reported.
const SKEW: Duration = Duration::from_secs(60);

/// Looks at the store; the backups there are, if the key may list them.
pub async fn examine(
    findings: &mut Findings<'_>,
    (store, location): (&Arc<dyn Store>, &Location),
    name: Option<&Name>,
    writes: bool,
) -> Result<Option<Vec<Found>>> {
    let copies_only = guard(&location.url, &location.options) == Guard::Nothing;
    let key = folder::of_probe(name)?.key(contents::PROBE);
    let written = writing(store, &key, findings.run()).await;
    let may_only_read = !writes && written.as_ref().is_err_and(is_denied);
    let is_lost = match written {
        Ok(()) => {
            findings.fine("writing", "an upload was begun, got a part, and was aborted");
            false
        }
        // A key that may not list either is no key for this store.
        Err(_) if may_only_read && reads(findings, store).await? => {
            findings.fine("writing", "this key may not write: right for one that only restores");
            false
        }
        Err(error) => {
            findings.failed("writing", error)?;
            may_only_read || !reached(store).await
        }
    };
    findings.warned("writing");
    if is_lost {
        findings.not_checked("store", "nothing more, as the store does not answer as it should");
        return Ok(None);
    }
    let found = listing(findings, store).await?;
    probe(findings, (store, copies_only), &key).await?;
    clock(findings, &**store)?;
    if let Some(rules) = store.rules().await {
        bucket(findings, &rules, copies_only);
    }
    Ok(found)
}

/// Whether the key may list anything.
async fn reads(findings: &Findings<'_>, store: &Arc<dyn Store>) -> Result<bool> {
    let asking = async { Ok(store.page("", None).await) };
    Ok(!findings.run().or(asking).await?.is_err_and(|error| error.situation() == Situation::Denied))
}

fn is_denied(error: &Error) -> bool {
    error.situation::<Situation>() == Some(Situation::Denied)
}

/// Whether the store can be asked at all.
async fn reached(store: &Arc<dyn Store>) -> bool {
    use Situation::{Denied, NotFound};
    match store.head("pgstow-doctor").await {
        Ok(_) => true,
        Err(error) => matches!(error.situation(), Denied | NotFound),
    }
}

/// Begins an upload, sends a part, and aborts it.
async fn writing(store: &Arc<dyn Store>, key: &str, run: &Run) -> Result<()> {
    let part_size = store.limits().min_part;
    let upload = Uploading::begin_for(run, &**store, key, &Metadata::new(), part_size).await?;
    let sending = async {
        let (sender, parts) = mpsc::channel(1);
        let part = async {
            // The receiver says itself why it has ended.
            let _ = sender.send(Bytes::from_static(PROBE)).await;
            drop(sender);
        };
        tokio::join!(upload.send(parts, 1, Arc::default()), part).0
    };
    let sent = run.or(sending).await;
    match (sent, upload.abort().await) {
        // A signal ends the findings, and what is left in the store is to be known all the same.
        (Err(first), Err(second)) => Err(first.and(second.with_hints())),
        (sent, aborted) => sent.and(aborted),
    }
}

/// What backups there are.
async fn listing(findings: &mut Findings<'_>, store: &Arc<dyn Store>) -> Result<Option<Vec<Found>>> {
    let found = findings.run().or(async { Ok(catalogue::search(&**store, None).await) }).await?;
    match found {
        Ok(found) => {
            findings.fine("listing", "this key may list the backups");
            Ok(Some(found))
        }
        // The first backup makes the folder.
        Err(error) if error.situation() == Situation::NoStore => Ok(Some(Vec::new())),
        Err(error) if error.situation() == Situation::Denied => {
            findings.not_checked(
                "listing",
                "this key may not list the backups: right for a backup job; what is there is not looked at",
            );
            Ok(None)
        }
        Err(error) => {
            findings.failed("listing", error.into())?;
            Ok(None)
        }
    }
}

/// Writes a probe, twice, reads it, and removes it, if this key may remove it.
async fn probe(
    findings: &mut Findings<'_>,
    (store, copies_only): (&Arc<dyn Store>, bool),
    key: &str,
) -> Result<()> {
    let trying = async {
        // What is not there may be deleted by whoever may delete at all.
        store.delete(key).await?;
        store.put_new(key, Bytes::from_static(PROBE)).await?;
        let again = store.put_new(key, Bytes::from_static(b"another\n")).await;
        let read = async { store.read(key, 0..1024, None).await?.try_collect::<Vec<_>>().await };
        let read = read.await.map(|chunks| chunks.concat());
        store.delete(key).await?;
        Ok::<_, StoreError>((again, read))
    };
    // A signal comes too late for a probe that is being written: it is removed first.
    let outcome = findings.run().or_late(LAST_WAIT, async { Ok(trying.await) }, async |_| ()).await?;
    let (again, read) = match outcome {
        Ok(tried) => tried,
        Err(error) if error.situation() == Situation::Denied => {
            let why = "this key may not write and delete a probe: right for a backup job, whose key cannot remove backups";
            findings.not_checked("overwriting", why);
            return Ok(());
        }
        Err(error) => {
            findings.failed("probe", Error::from(error).context("write a probe, and remove it"))?;
            return Ok(());
        }
    };
    findings.warned("probe");
    overwriting(findings, (store, copies_only), &again)?;
    reading(findings, read)
}

/// Whether the second writer of an object was refused.
fn overwriting<T>(
    findings: &mut Findings<'_>,
    (store, copies_only): (&Arc<dyn Store>, bool),
    again: &Result<T, StoreError>,
) -> Result<()> {
    let what = "overwriting";
    match again {
        Err(error) if error.situation() == Situation::Exists && store.limits().put_is_create_only => {
            findings.fine(what, "the store refuses to overwrite an object (conditional writes)");
        }
        Err(error) if error.situation() == Situation::Exists => findings.warning(
            what,
            "the store is not known to refuse overwriting: pgstow asks whether an object is there before it writes one",
            match copies_only {
                true => COPY,
                false => "if it has conditional writes (If-None-Match), name its profile=… in the store's URL; versioning or object lock protect backups too",
            },
        ),
        Ok(_) if store.limits().put_is_create_only => {
            let error = Error::store("the store overwrites an object, although it was asked not to");
            findings.failed(what, error.hint("its profile=… in the store's URL promises conditional writes, which it does not have: name another"))?;
        }
        Ok(_) => findings.warning(
            what,
            "the store overwrites objects, and this key may not ask what is there",
            if copies_only { COPY } else { "turn on versioning or object lock for the bucket" },
        ),
        Err(error) => findings.warning(what, format!("whether it overwrites is not known: {error}"), "run it again"),
    }
    Ok(())
}

fn reading(findings: &mut Findings<'_>, read: Result<Vec<u8>, StoreError>) -> Result<()> {
    match read {
        Ok(bytes) if bytes == PROBE => {
            findings.fine("reading", "a probe was written, read back, and removed");
        }
        Ok(_) => {
            findings
                .failed("reading", Error::verify("the store gives back other bytes than were written"))?;
        }
        Err(error) if error.situation() == Situation::Denied => {
            findings.not_checked(
                "reading",
                "this key may not read: right for a backup job; a restore needs another key",
            );
        }
        Err(error) => findings.failed("reading", error.into())?,
    }
    Ok(())
}

/// Ids are moments: a clock that is ahead makes backups of the future.
fn clock(findings: &mut Findings<'_>, store: &dyn Store) -> Result<()> {
    let fix = "set the clock of this machine (NTP)";
    match Skew::from(store) {
        None => findings.not_checked("clock", "the store does not say what time it is"),
        Some(skew) if skew.by > CLOCK_SKEW => {
            findings.failed("clock", Error::new(Kind::Settings, skew.said()).hint(fix))?;
        }
        Some(skew) if skew.by > SKEW => findings.warning("clock", skew.said(), fix),
        Some(_) => findings.fine("clock", "this machine's clock agrees with the store's"),
    }
    Ok(())
}

/// The bucket's own rules.
fn bucket(findings: &mut Findings<'_>, rules: &BucketRules, copies_only: bool) {
    match &rules.versioning {
        Ok(Versioning::On) => findings.fine("versioning", "the bucket keeps old versions of what is deleted or overwritten"),
        Ok(_) if matches!(rules.lock, Ok(ObjectLock::Default(_))) => {}
        Ok(Versioning::Off | Versioning::Suspended) => findings.warning(
            "versioning",
            "the bucket keeps no old versions: whoever has a key that may write or delete can destroy backups",
            match copies_only {
                true => COPY,
                false => "turn on versioning, or object lock with a default retention; and give the backup job a key that may not delete",
            },
        ),
        Err(error) => unknown(findings, "versioning", "s3:GetBucketVersioning", error),
    }
    match &rules.lock {
        Ok(ObjectLock::Default(span)) => {
            findings.fine("object lock", format!("everything is locked: {span}"));
        }
        Ok(ObjectLock::WithoutDefault) => findings.warning(
            "object lock",
            "the bucket has object lock, but no default retention, so backups are not locked",
            "set a default retention for the bucket; the backup job then needs no right to lock",
        ),
        Ok(ObjectLock::Off) => findings.fine("object lock", "the bucket has none"),
        Err(error) => unknown(findings, "object lock", "s3:GetBucketObjectLockConfiguration", error),
    }
    match &rules.lifecycle {
        Ok(lifecycle) => {
            if lifecycle.aborts_unfinished {
                findings.fine("lifecycle", "a rule aborts uploads that have not ended");
            } else {
                findings.warning(
                    "lifecycle",
                    "no rule aborts uploads that have not ended: what a killed backup has sent stays, unseen and paid for",
                    "add a lifecycle rule with AbortIncompleteMultipartUpload after 7 days",
                );
            }
            if let Some(days) = lifecycle.deletes_after {
                let after = if days == 0 { "at a date".to_owned() } else { format!("after {days} days") };
                findings.warning(
                    "lifecycle",
                    format!("a rule deletes objects {after}, also if no new backup was made meanwhile: in the end the last one"),
                    "monitor that new backups arrive",
                );
            }
        }
        Err(error) => unknown(findings, "lifecycle", "s3:GetLifecycleConfiguration", error),
    }
}

fn unknown(findings: &mut Findings<'_>, what: &'static str, right: &str, error: &StoreError) {
    match error.situation() {
        Situation::Denied => findings.not_checked(what, format!("this key may not ask ({right})")),
        Situation::Unsupported => findings.not_checked(what, "the store does not know it"),
        _ => findings.not_checked(what, format!("the store does not say: {error}")),
    }
}
