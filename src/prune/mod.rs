//! Removes old backups by rule, and what runs that were killed have left.
//!
//! A backup's manifest goes first, then its objects: whatever ends a run, what is left is either a backup or something
//! that the next run removes. What cannot be read, or is locked, is kept and reported.

mod delete;
mod gaps;
mod leftovers;
mod outcome;
mod refused;
mod remove;
mod request;

pub use delete::{DeleteOptions, delete};
pub use outcome::{Fate, Leftover, LeftoverKind, Pruned, PrunedBackup, PrunedStore};
pub use request::PruneOptions;

use crate::error::{Error, Kind, Result};
use crate::failures::Failures;
use crate::retention::{self, Candidate, Decision, Policy, Series, Why};
use crate::run::Run;
use crate::store::Store;
use crate::stored::find::contents::{self, Entry, Flaw};
use crate::stored::find::proven::Proven;
use crate::stored::format::name_pattern::NamePattern;
use crate::stored::format::names::Place;
use crate::stored::write::writer::StoredBackup;
use remove::Keys;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

/// Removes what the rules do not keep, in every store by itself.
pub async fn prune(options: &PruneOptions, run: &Run) -> Result<Pruned> {
    let mut all = prune_but(options, &New::default(), run).await?;
    if all.lost.is_none() {
        all.lost = run.or(nothing_of(options, &all)).await?;
    }
    Ok(all)
}

/// What was named, and is nowhere: with a name that is misspelt, nothing would ever be removed.
async fn nothing_of(options: &PruneOptions, all: &Pruned) -> Result<Option<Error>> {
    let is_nowhere = |pattern: &&NamePattern| !all.names().any(|name| pattern.matches(name));
    let Some(pattern) = options.names.iter().find(is_nowhere) else { return Ok(None) };
    let several = all.stores.len() > 1;
    let Some(first) = options.destinations.first() else { return Ok(None) };
    let store = first.location.open().await?;
    let error = contents::nothing_of(&*store, pattern).await;
    Ok(Some(if several { error.and("the other stores have none either") } else { error }))
}

/// The same without these new backups, and not in the stores that lack one of them.
async fn prune_but(options: &PruneOptions, new: &New, run: &Run) -> Result<Pruned> {
    let mut all = Pruned { dry_run: options.dry_run, stores: Vec::new(), lost: None };
    for destination in &options.destinations {
        let is_alone = options.destinations.len() == 1;
        let store = run.or(destination.location.open()).await?;
        let url = store.display_url();
        if new.lacking.contains(&url) {
            continue;
        }
        match prune_one(&store, options, &new.places, run).await {
            Ok(pruned) => {
                let at = if is_alone { String::new() } else { format!("{url}: ") };
                run.say(format!("{at}{}", pruned.summary(options.dry_run)));
                all.stores.push(pruned);
            }
            Err(error) if is_alone || error.kind().is_signal() => {
                return Err(error);
            }
            Err(error) => {
                tracing::warn!("nothing was removed in {url}: {}", error.with_hints());
                if !destination.is_optional && all.lost.is_none() {
                    let message = format!("nothing was removed in {url}");
                    all.lost = Some(Error::new(error.kind(), message).because(error));
                }
            }
        }
    }
    Ok(all)
}

/// Prunes one store.
async fn prune_one(
    store: &Arc<dyn Store>,
    options: &PruneOptions,
    new: &[Place],
    run: &Run,
) -> Result<PrunedStore> {
    let (mut pruned, keys) = run.or(plan(store, options, new)).await?;
    if !options.dry_run {
        remove::all(store, &mut pruned, &keys, run).await?;
    }
    Ok(pruned)
}

/// The new backups that old ones may make room for.
#[derive(Default)]
pub struct New {
    /// They stay: a backup by a clock that is ahead may be newer to the rules.
    places: Vec<Place>,
    /// The stores that lack one of them: nothing is removed there.
    lacking: Vec<String>,
}

impl New {
    /// Of these backups.
    pub fn of<'a>(stored: impl IntoIterator<Item = &'a StoredBackup>) -> Self {
        let mut new = Self::default();
        for backup in stored {
            let (name, id) = (backup.manifest.name.clone(), backup.manifest.id.clone());
            new.places.push(Place { name, id });
            let lacking = backup.stores.iter().filter(|one| one.failed.is_some());
            new.lacking.extend(lacking.map(|one| one.store.clone()));
        }
        new
    }
}

/// The same after a backup, of the names that have a new one. The backup exists, whatever happens here: a failure is
/// a warning, and has a kind of its own.
pub async fn after_backup(options: Option<PruneOptions>, new: New, run: &Run) -> Result<()> {
    let Some(options) = options.filter(|_| !new.places.is_empty()) else { return Ok(()) };
    let names = new.places.iter().map(|place| NamePattern::Name(place.name.clone())).collect();
    let pruned = prune_but(&PruneOptions { names, ..options }, &new, run).await;
    // Each that could not be removed has been warned of.
    let is_said = pruned.as_ref().is_ok_and(Pruned::has_failed);
    pruned.and_then(Pruned::conclude).map_err(|error| match error.kind() {
        kind if kind.is_signal() => error,
        _ => {
            if !is_said {
                tracing::warn!("old backups were not removed: {}", error.with_hints());
            }
            Error::new(Kind::Prune, "the backup is stored, but old ones were not removed").because(error)
        }
    })
}

/// Decides about everything that one listing shows.
async fn plan(store: &Arc<dyn Store>, options: &PruneOptions, new: &[Place]) -> Result<(PrunedStore, Keys)> {
    let now = SystemTime::now();
    let (complete, left): (Vec<_>, Vec<_>) = contents::folders(&**store, &options.names)
        .await?
        .into_iter()
        .partition(|folder| folder.found().is_some());
    let keys = complete.iter().chain(&left).map(|folder| (folder.place.clone(), folder.keys())).collect();
    let entries = contents::entries(store, complete, &options.standard).await?;
    let mut backups = Vec::new();
    let mut stale = BTreeMap::new();
    for of_name in entries.chunk_by(|a, b| a.folder.place.name == b.folder.place.name) {
        let mut decision = decide(of_name, &options.policy, now);
        for (entry, why) in of_name.iter().zip(&mut decision.reasons) {
            if why.is_empty() && new.contains(&entry.folder.place) {
                why.push(Why::New);
            }
        }
        if options.standard.trusted.is_some() {
            gaps::warn(of_name, &options.policy);
        }
        if let (Some(why), Some(entry)) = (decision.stale, of_name.first()) {
            stale.insert(entry.folder.place.name.clone(), why);
        }
        backups.extend(fates(of_name, decision.reasons));
    }
    let leftovers = leftovers::find(&**store, left, options, &stale, &backups, now).await?;
    warn_of_flaws(&entries);
    let going = |fate: &Fate| *fate == Fate::Removed;
    let things = backups.iter().filter(|backup| going(&backup.fate)).count()
        + leftovers.iter().filter(|left| going(&left.fate)).count();
    let failures = Failures::of_unnamed(things);
    let stale = stale.into_iter().collect();
    let url = store.display_url();
    Ok((PrunedStore { store: url, backups, leftovers, stale, failures }, keys))
}

/// What would become of the backups of one name, oldest first, if they were pruned now.
pub fn foresee(entries: &[Entry], policy: &Policy, now: SystemTime) -> Vec<Fate> {
    fates(entries, decide(entries, policy, now).reasons).map(|backup| backup.fate).collect()
}

/// Lets the rules decide about the backups that they may decide about.
///
/// A backup, and what was made from it for other recipients, are one backup to the rules: both stay, or both go.
fn decide(entries: &[Entry], policy: &Policy, now: SystemTime) -> Decision {
    let counts = |at: &usize| candidate(&entries[*at]).is_some();
    let counted: Vec<usize> =
        (0..entries.len()).filter(counts).filter(|at| later_twin(entries, *at).is_none()).collect();
    let candidates: Vec<Candidate> = counted.iter().filter_map(|at| candidate(&entries[*at])).collect();
    let decision = retention::decide(&candidates, policy, now);
    let mut reasons = vec![Vec::new(); entries.len()];
    for (at, why) in counted.into_iter().zip(decision.reasons) {
        reasons[at] = why;
    }
    for (at, why) in perhaps_proven(entries) {
        reasons[later_twin(entries, at).unwrap_or(at)].push(why);
    }
    for at in (0..entries.len()).filter(counts) {
        if let Some(newest) = later_twin(entries, at) {
            reasons[at] = reasons[newest].clone();
        }
    }
    Decision { reasons, stale: decision.stale }
}

/// The newest whole backup with a receipt of a trial restore: of no newer one it is known that it can be restored. Of those
/// that have too many receipts to know, it may be any that is newer.
fn perhaps_proven(entries: &[Entry]) -> Vec<(usize, Why)> {
    let is_whole = |entry: &Entry| matches!(entry.flaw, None | Some(Flaw::Unproven));
    let mut all = Vec::new();
    for (at, entry) in entries.iter().enumerate().rev().filter(|(_, entry)| is_whole(entry)) {
        match entry.proven {
            Proven::At(_) => {
                all.push((at, Why::Proven));
                break;
            }
            Proven::NotKnown => all.push((at, Why::PerhapsProven)),
            Proven::No => {}
        }
    }
    all
}

/// The newest backup that is the same one for other recipients; it counts for all of them. Only later ones of the same
/// second can be.
pub fn later_twin(entries: &[Entry], at: usize) -> Option<usize> {
    let id = &entries[at].folder.place.id;
    let (this, series) = (entries[at].backup.as_ref()?, candidate(&entries[at])?.series);
    let is_twin = |other: &Entry| {
        let counts = candidate(other).is_some_and(|other| other.series == series);
        counts && other.backup.as_ref().is_some_and(|other| other.manifest.is_twin_of(&this.manifest))
    };
    let of_same_second = |later: &&Entry| later.folder.place.id.started_at() == id.started_at();
    let later = entries.iter().enumerate().skip(at + 1).take_while(|(_, later)| of_same_second(later));
    later.filter(|(_, later)| is_twin(later)).last().map(|(at, _)| at)
}

/// A backup as the rules see it; none that is kept whatever they say.
fn candidate(entry: &Entry) -> Option<Candidate> {
    let at = entry.folder.place.id.started_at()?.into();
    match entry.flaw {
        None => Some(Candidate { at, series: Series::Whole }),
        Some(Flaw::Unproven) => Some(Candidate { at, series: Series::Unproven }),
        Some(Flaw::Partial) => Some(Candidate { at, series: Series::Partial }),
        Some(_) => None,
    }
}

fn fates(entries: &[Entry], reasons: Vec<Vec<Why>>) -> impl Iterator<Item = PrunedBackup> {
    entries.iter().zip(reasons).map(|(entry, why)| {
        let fate = match (&entry.flaw, candidate(entry)) {
            (Some(flaw), None) => Fate::KeptAnyway(flaw.to_string()),
            (_, Some(_)) if why.is_empty() => Fate::Removed,
            _ => Fate::Kept(why),
        };
        PrunedBackup {
            place: entry.folder.place.clone(),
            started_at: entry.folder.place.id.started_at(),
            stored_bytes: entry.folder.bytes(),
            proven: entry.proven.at(),
            fate,
        }
    })
}

/// Names every backup that is kept because it cannot be trusted, or used.
fn warn_of_flaws(entries: &[Entry]) {
    for complaint in entries.iter().filter_map(Entry::complaint) {
        tracing::warn!("{complaint}; it is kept, and counts as no backup");
    }
}
