//! What is in the store: the newest backups, whether they can be opened, and what was left.

use super::finding::Findings;
use super::request::DoctorRequest;
use crate::error::Result;
use crate::pipeline::keys::Identities;
use crate::postgres::{Version, first_names};
use crate::store::{Situation, Store};
use crate::stored::find::catalogue::{self, Found};
use crate::stored::find::contents::folders;
use crate::stored::find::history::Caution;
use crate::stored::format::names::{Name, Timestamp};
use crate::stored::read::opened::{Location, OpenStore, ReadOptions};
use crate::units::{age, count};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// No schedule is rarer than weekly.
const OLD: Duration = Duration::from_secs(8 * 24 * 3600);
/// What is younger may belong to a run that still goes on.
const LEFT: Duration = Duration::from_secs(24 * 3600);

/// Looks at the backups of the name, or of all names.
pub async fn examine(
    findings: &mut Findings<'_>,
    store: (&Arc<dyn Store>, &Location),
    found: &[Found],
    name: Option<&Name>,
    request: &DoctorRequest,
) -> Result<()> {
    catalogue::warn_of_the_future(found);
    findings.warned("backups");
    let mut names: Vec<&Name> = found.iter().map(|found| &found.place.name).collect();
    names.dedup();
    names.retain(|one| name.is_none_or(|name| name == *one));
    if names.is_empty() {
        let of = name.map(|name| format!(" of {name}")).unwrap_or_default();
        findings.warning(
            "backups",
            format!("there is no backup{of} yet"),
            "make the first one, and verify it",
        );
    }
    for name in names {
        let of_name: Vec<Found> = found.iter().filter(|found| found.place.name == *name).cloned().collect();
        newest(findings, store.1, &of_name, name, request).await?;
    }
    leftovers(findings, store.0).await
}

/// The newest backup of a name.
async fn newest(
    findings: &mut Findings<'_>,
    location: &Location,
    found: &[Found],
    name: &Name,
    request: &DoctorRequest,
) -> Result<()> {
    let Some(newest) = catalogue::newest(found) else { return Ok(()) };
    let id = &newest.place.id;
    let old = id.started_at().map(|start| Timestamp::now().since(start)).unwrap_or_default();
    let detail = format!("{name}: {}, the newest is {id}, {} old", count(found.len(), "backup"), age(old));
    if old > OLD {
        findings.warning("backups", detail, "look whether the backup job still runs, and what it says");
    } else {
        findings.fine("backups", detail);
    }
    let Ok(trusted) = &request.trusted else { return Ok(()) };
    let identities = match &request.identities {
        Ok(Some(identities)) => Some(Arc::clone(identities)),
        _ => None,
    };
    let reading = ReadOptions {
        location: location.clone(),
        identities: identities.clone().unwrap_or_default(),
        ask: |_| None,
        trusted: trusted.clone(),
        history: None,
        caution: Caution::Report,
        allow_unencrypted: false,
    };
    let now = Timestamp::now();
    let candidates = found.iter().rev().filter(|found| !found.is_from_the_future(now)).cloned().collect();
    let opening = opened(reading, candidates, identities.as_deref());
    findings.check("newest", opening, String::clone).await?;
    Ok(())
}

/// Reads the manifest of the newest of these backups of one name, which come newest first, and, with an identity, its
/// inventory; says what that shows.
async fn opened(
    reading: ReadOptions,
    candidates: Vec<Found>,
    identities: Option<&Identities>,
) -> Result<String> {
    let store = OpenStore::open(reading).await?;
    let backup = store.take(&store.chooser().newest(candidates).await?).await?;
    let id = &backup.place().id;
    backup.look().await?;
    let Some(identities) = identities else {
        return Ok(format!("all objects of {id} are there"));
    };
    let made_for = &backup.backup.manifest.recipients;
    if backup.inventory().await?.is_none() {
        let known = identities.fingerprints().iter().any(|here| made_for.contains(here));
        let verb = if known { "is for" } else { "may not be for" };
        return Ok(format!("{id} has no inventory to open; it {verb} these identities"));
    }
    let dumped_by = backup.backup.manifest.postgres.as_ref();
    let dumped_by = dumped_by.and_then(|postgres| Version::parse(&postgres.pg_dump_version));
    Ok(match dumped_by {
        Some(version) => format!("an identity opens {id}, which pg_dump {version} wrote"),
        None => format!("an identity opens {id}"),
    })
}

/// Uploads that have not ended, and dumps that never became backups.
async fn leftovers(findings: &mut Findings<'_>, store: &Arc<dyn Store>) -> Result<()> {
    let asking = async { Ok(store.unfinished("").await) };
    let unfinished = match findings.run().or(asking).await? {
        Ok(unfinished) => unfinished,
        // The first backup makes the folder.
        Err(error) if error.situation() == Situation::NoStore => {
            findings.fine("leftovers", "nothing is there yet");
            return Ok(());
        }
        Err(error) => {
            findings.not_checked("leftovers", format!("unfinished uploads cannot be listed: {error}"));
            return Ok(());
        }
    };
    findings.warned("leftovers");
    let now = SystemTime::now();
    let asking = folders(&**store, &[]);
    let folders = findings.check("leftovers", asking, |_| String::new()).await?.unwrap_or_default();
    let torn = folders.iter().filter(|folder| folder.found().is_none());
    let torn =
        torn.filter(|folder| is_left(folder.last_written(), now)).map(|folder| folder.place.to_string());
    let unfinished = unfinished.into_iter().filter(|upload| is_left(upload.started, now));
    let old: Vec<String> = unfinished.map(|upload| upload.key).chain(torn).collect();
    if old.is_empty() {
        findings.fine("leftovers", "nothing older than a day was left by a killed run");
    } else {
        let detail = format!("{} of killed runs: {}", count(old.len(), "leftover"), first_names(&old));
        let fix = "`pgstow prune --keep-last unlimited` removes them; a lifecycle rule (AbortIncompleteMultipartUpload) ends uploads too";
        findings.warning("leftovers", detail, fix);
    }
    Ok(())
}

/// Whether what was begun then is of a run that no longer goes on; one without a date is not known to be.
fn is_left(started: Option<SystemTime>, now: SystemTime) -> bool {
    started.and_then(|started| now.duration_since(started).ok()).is_some_and(|span| span > LEFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_still_go_on_is_not_called_left() {
        let now = SystemTime::now();
        assert!(is_left(Some(now - LEFT - Duration::from_secs(1)), now));
        for started in [None, Some(now), Some(now - LEFT), Some(now + LEFT)] {
            assert!(!is_left(started, now), "{started:?}");
        }
    }
}
