//! `doctor --thief`: what somebody could do who has stolen the backup job's key to the store.
//!
//! It tries, with that key, on a folder of its own in which nothing else is, and never touches a backup. What it wrote
//! it removes; if the key may not do that, it names what stays.

use super::folder::{self, Absent};
use crate::error::{Error, Result};
use crate::run::Run;
use crate::store::{Attempt, Guard, Situation, Store, StoreError, Versioning, guard};
use crate::stored::find::contents;
use crate::stored::format::names::Name;
use crate::stored::read::opened::Location;
use bytes::Bytes;
use futures_util::TryStreamExt;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// What the probe holds.
const PROBE: &[u8] = b"written by pgstow doctor --thief, which removes it again\n";
/// Why something was not tried.
const NOTHING_THERE: &str = "nothing could be written to try it on";
/// Versions that are removed at the end: what was written, what replaced it, and what says that it was deleted.
const VERSIONS: usize = 6;

/// What a thief could do.
#[derive(Debug)]
pub struct Theft {
    /// Each thing that was tried.
    pub deeds: Vec<Deed>,
    /// The keys of what could not be removed.
    pub left: Vec<String>,
}

/// One thing that was tried.
#[derive(Debug)]
pub struct Deed {
    /// What.
    pub act: Act,
    /// Whether it can be done; `None` if that is not known.
    pub can: Option<bool>,
    /// What else is known of it.
    pub detail: String,
    /// What would keep a thief from it.
    pub fix: Option<&'static str>,
}

/// What a thief would like to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// See which backups there are.
    List,
    /// Copy them.
    Read,
    /// Put something new next to them.
    Write,
    /// Replace them.
    Overwrite,
    /// Copy what was replaced.
    ReadVersion,
    /// End a lock early.
    ShortenLock,
    /// Remove one version for good.
    DeleteVersion,
    /// Delete them.
    Delete,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list backups",
            Self::Read => "read objects",
            Self::Write => "write new objects",
            Self::Overwrite => "overwrite objects",
            Self::ReadVersion => "read old versions",
            Self::ShortenLock => "shorten a lock",
            Self::DeleteVersion => "delete a version for good",
            Self::Delete => "delete objects",
        })
    }
}

/// What keeps a thief from it in such a store; `None` if a backup job needs it.
fn fix(guard: Guard, act: Act) -> Option<&'static str> {
    Some(match (act, guard) {
        (Act::Write, _) => return None,
        (Act::List, Guard::Policies) => {
            "take s3:ListBucket away; then a backup does not compare itself with the last one"
        }
        (Act::List, Guard::Capabilities) => "take the capability listFiles away",
        (Act::List, Guard::Permissions) => {
            "take storage.objects.list away: roles/storage.objectCreator has no more than it needs"
        }
        (Act::Read, Guard::Policies) => "take s3:GetObject away; restores use another key",
        (Act::Read | Act::ReadVersion, Guard::Capabilities) => {
            "take the capability readFiles away; restores use another key"
        }
        (Act::Read | Act::ReadVersion, Guard::Permissions) => {
            "take storage.objects.get away; restores use another account"
        }
        (Act::ReadVersion, Guard::Policies) => "take s3:GetObjectVersion away",
        (Act::Overwrite, Guard::Policies) => {
            "s3:PutObject allows it: turn on versioning, or object lock with a default retention, so that old versions stay"
        }
        (Act::Overwrite, Guard::Capabilities) => {
            "writeFiles allows it: keep old versions (lifecycle), or lock files (Object Lock)"
        }
        (Act::Overwrite | Act::Delete | Act::DeleteVersion, Guard::Permissions) => {
            "take storage.objects.delete away, or give the bucket a retention policy"
        }
        (Act::ShortenLock, Guard::Policies) => {
            "take s3:PutObjectRetention and s3:BypassGovernanceRetention away, or lock in COMPLIANCE mode"
        }
        (Act::ShortenLock, Guard::Capabilities) => "take writeFileRetentions and bypassGovernance away",
        (Act::ShortenLock, Guard::Permissions) => {
            "take storage.objects.update away: without it neither a hold nor a retention that is not locked can be ended"
        }
        (Act::DeleteVersion, Guard::Policies) => "take s3:DeleteObjectVersion away",
        (Act::Delete, Guard::Policies) => "take s3:DeleteObject away; prune uses another key",
        (Act::Delete | Act::DeleteVersion, Guard::Capabilities) => {
            "take the capability deleteFiles away; prune uses another key"
        }
        (Act::List | Act::Read, Guard::Nothing) => {
            "give the job a key that may only write; restores use another key"
        }
        (_, Guard::Nothing) => {
            "here a key that may write may do that, too: copy backups to a second place (`pgstow copy`)"
        }
        (_, Guard::Owner) => {
            "who may write into a folder may do all of that: let another user copy the backups away, or use a bucket"
        }
    })
}

/// Tries what a thief would.
///
/// # Errors
/// The store's, if it does not answer; a signal.
pub async fn rob(location: &Location, name: Option<&Name>, run: &Run) -> Result<Theft> {
    let store = run.or(location.open()).await?;
    let absent = Absent::of(location).await;
    let place = folder::of_probe(name)?;
    let mut thief = Thief {
        guard: guard(&location.url, &location.options),
        key: place.key(contents::PROBE),
        store,
        deeds: Vec::new(),
    };
    let tried = run.or(thief.try_all(&place.key(""))).await;
    // It is removed whatever happened, and if it was interrupted.
    let left = thief.tidy().await;
    absent.again().await;
    tried?;
    Ok(Theft { deeds: thief.deeds, left })
}

struct Thief {
    store: Arc<dyn Store>,
    guard: Guard,
    key: String,
    deeds: Vec<Deed>,
}

impl Thief {
    async fn try_all(&mut self, folder: &str) -> Result<()> {
        let written = self.store.put_new(&self.key, Bytes::from_static(PROBE)).await;
        let is_there = written.is_ok();
        self.note(Act::Write, written.map(drop))?;
        let listed = self.store.list(folder).await;
        // The first backup makes the folder.
        let listed =
            listed.or_else(|e| if e.situation() == Situation::NoStore { Ok(Vec::new()) } else { Err(e) });
        self.note(Act::List, listed.map(drop))?;
        let reading = async {
            let read = self.store.read(&self.key, 0..PROBE.len() as u64, None).await?;
            read.try_collect::<Vec<_>>().await.map(drop)
        };
        let read = reading.await;
        self.note(Act::Read, read)?;
        for (act, attempt) in [
            (Act::Overwrite, Attempt::Overwrite(Bytes::from_static(b"overwritten\n"))),
            (Act::ReadVersion, Attempt::ReadVersion),
            (Act::ShortenLock, Attempt::ShortenLock),
            (Act::DeleteVersion, Attempt::DeleteVersion),
        ] {
            if is_there {
                let tried = self.store.attempt(attempt, &self.key).await;
                self.note(act, tried)?;
            } else {
                self.unknown(act, NOTHING_THERE);
            }
        }
        if is_there || self.guard != Guard::Owner {
            let deleted = self.store.delete(&self.key).await;
            self.note(Act::Delete, deleted)?;
        } else {
            // What is not in a folder is deleted by everybody.
            self.unknown(Act::Delete, NOTHING_THERE);
        }
        self.consider_versions().await;
        Ok(())
    }

    /// Notes what came of it; what the store does not answer ends everything.
    fn note(&mut self, act: Act, tried: std::result::Result<(), StoreError>) -> Result<()> {
        let (can, detail) = match tried {
            Ok(()) => (Some(true), String::new()),
            Err(error) => match error.situation() {
                Situation::Denied => (Some(false), String::new()),
                Situation::Locked => (Some(false), "it is locked".to_owned()),
                Situation::Unsupported | Situation::NotFound => (None, error.to_string()),
                _ => return Err(Error::from(error).context(format!("try to {act}"))),
            },
        };
        let fix = fix(self.guard, act).filter(|_| can == Some(true));
        self.deeds.push(Deed { act, can, detail, fix });
        Ok(())
    }

    fn unknown(&mut self, act: Act, why: &str) {
        self.deeds.push(Deed { act, can: None, detail: why.to_owned(), fix: None });
    }

    /// Says what overwriting and deleting is worth in a bucket that keeps versions.
    async fn consider_versions(&mut self) {
        let keeps =
            self.store.rules().await.is_some_and(|rules| matches!(rules.versioning, Ok(Versioning::On)));
        let can =
            |deeds: &[Deed], act: Act| deeds.iter().any(|deed| deed.act == act && deed.can == Some(true));
        if !keeps {
            return;
        }
        let is_for_good = can(&self.deeds, Act::DeleteVersion);
        for deed in self.deeds.iter_mut().filter(|deed| matches!(deed.act, Act::Overwrite | Act::Delete)) {
            if deed.can == Some(true) && !is_for_good {
                "the old version stays, and can be brought back".clone_into(&mut deed.detail);
            }
        }
    }

    /// Removes the probe with all its versions; returns what stays.
    async fn tidy(&self) -> Vec<String> {
        if self.deeds.iter().any(|deed| deed.act == Act::Write && deed.can == Some(false)) {
            return Vec::new();
        }
        let deleted = self.store.delete(&self.key).await;
        for _ in 0..VERSIONS {
            match self.store.attempt(Attempt::DeleteVersion, &self.key).await {
                Ok(()) => {}
                // There are no versions, or none any more.
                Err(error) if matches!(error.situation(), Situation::Unsupported | Situation::NotFound) => {
                    break;
                }
                Err(_) if deleted.is_err() => return vec![format!("{} and its versions", self.key)],
                Err(_) => return vec![format!("old versions of {}, if the bucket keeps any", self.key)],
            }
        }
        match deleted {
            Ok(()) => Vec::new(),
            Err(_) => vec![self.key.clone()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_advice_for_what_a_backup_job_does_not_need() {
        use Guard::{Capabilities, Nothing, Owner, Permissions, Policies};
        for guard in [Policies, Capabilities, Permissions, Owner, Nothing] {
            for act in [
                Act::List,
                Act::Read,
                Act::Overwrite,
                Act::ReadVersion,
                Act::ShortenLock,
                Act::DeleteVersion,
                Act::Delete,
            ] {
                assert!(fix(guard, act).is_some(), "{guard:?} {act}");
            }
            assert_eq!(fix(guard, Act::Write), None);
        }
    }
}
