//! Removes old backups by rule, and what runs that were killed have left.
//!
//! A backup's manifest goes first, then its objects: whatever ends a run, what is left is either a backup or something
//! that the next run removes. What cannot be read, or is locked, is kept and reported.

mod leftovers;
mod remove;

pub use leftovers::{Leftover, LeftoverKind};

use crate::error::{Error, Kind, Result};
use crate::failures::Failures;
use crate::retention::{self, Candidate, Decision, Policy, Stale, Why};
use crate::run::Run;
use crate::store::Store;
use crate::stored::contents::{self, Entry, Flaw, Standard};
use crate::stored::name_pattern::NamePattern;
use crate::stored::names::{Name, Place, Timestamp};
use crate::stored::opened::Location;
use crate::units::{age, count};
use indicatif::BinaryBytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What to remove, and where.
#[derive(Debug)]
pub struct PruneOptions {
    /// Where the backups are.
    pub location: Location,
    /// Of which names; of all if there are none.
    pub names: Vec<NamePattern>,
    /// What is kept.
    pub policy: Policy,
    /// Which backups count as whole.
    pub standard: Standard,
    /// How old something must be that a killed run left.
    pub leftovers: Duration,
    /// Whether nothing is removed, only decided.
    pub dry_run: bool,
}

/// What became of the backups.
#[derive(Debug)]
pub struct Pruned {
    /// Whether nothing was removed, only decided.
    pub dry_run: bool,
    /// Every backup, oldest first within a name.
    pub backups: Vec<PrunedBackup>,
    /// What killed runs have left.
    pub leftovers: Vec<Leftover>,
    /// The names of which nothing was removed.
    stale: Vec<(Name, Stale)>,
    failures: Failures,
}

/// What became of one backup.
#[derive(Debug)]
pub struct PrunedBackup {
    /// Which it is.
    pub place: Place,
    /// When it was begun.
    pub started_at: Option<Timestamp>,
    /// Bytes of all its objects in the store.
    pub stored_bytes: u64,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a backup, or of something that was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is kept, by these rules.
    Kept(Vec<Why>),
    /// It is kept, whatever the rules say, because of this.
    KeptAnyway(String),
    /// It goes, or has gone.
    Removed,
    /// It could not be removed.
    Failed(String),
}

impl Pruned {
    /// Fails if something could not be removed, or if nothing was because backups have stopped.
    pub fn conclude(self) -> Result<()> {
        self.failures.conclude(|failed, of| format!("{failed} of {of} could not be removed"))?;
        let [(name, stale), more @ ..] = &self.stale[..] else { return Ok(()) };
        let others = match more.len() {
            0 => String::new(),
            more => format!(", nor of {}", count(more, "more name")),
        };
        let what = match stale.0 {
            Some(old) => format!("its newest whole backup is {} old", age(old)),
            None => "it has no whole backup".to_owned(),
        };
        Err(Error::new(Kind::Prune, format!("nothing of {name} is removed{others}: {what}"))
            .hint("find out why backups have stopped; `pgstow status` watches over them")
            .hint("if that is as it should be, --force removes old ones all the same, or raise --stale"))
    }

    /// What was removed, in a sentence.
    fn summary(&self) -> String {
        let gone = |fate: &Fate| *fate == Fate::Removed;
        let removed: Vec<&PrunedBackup> = self.backups.iter().filter(|backup| gone(&backup.fate)).collect();
        let leftovers = self.leftovers.iter().filter(|left| gone(&left.fate));
        let bytes = removed.iter().map(|backup| backup.stored_bytes).fold(0, u64::saturating_add);
        let more = match leftovers.count() {
            0 => String::new(),
            number => format!(", {}", count(number, "leftover")),
        };
        let kept = count(self.backups.len() - removed.len(), "backup");
        let verb = if self.dry_run { "would remove" } else { "removed" };
        format!("{verb} {} ({}){more}; kept {kept}", count(removed.len(), "backup"), BinaryBytes(bytes))
    }
}

/// Removes what the rules do not keep.
pub async fn prune(options: &PruneOptions, run: &Run) -> Result<Pruned> {
    let store = run.or(options.location.open()).await?;
    let (mut pruned, keys) = run.or(plan(&store, options)).await?;
    if !options.dry_run {
        remove::all(&*store, &mut pruned, &keys, run).await?;
    }
    run.say(pruned.summary());
    Ok(pruned)
}

/// The same after a backup, of the names that have a new one. The backup exists, whatever happens here: a failure is
/// a warning, and has a kind of its own.
pub async fn after_backup(options: Option<PruneOptions>, names: Vec<Name>, run: &Run) -> Result<()> {
    let Some(options) = options.filter(|_| !names.is_empty()) else { return Ok(()) };
    let names = names.into_iter().map(NamePattern::Name).collect();
    let pruned = prune(&PruneOptions { names, ..options }, run).await;
    pruned.and_then(Pruned::conclude).map_err(|error| match error.kind() {
        Kind::Interrupted | Kind::Terminated => error,
        _ => {
            tracing::warn!("old backups were not removed: {}", error.with_hints());
            Error::new(Kind::Prune, "the backup is stored, but old ones were not removed").because(error)
        }
    })
}

/// The keys of what goes: those of a backup, or of what was left of one.
type Keys = BTreeMap<Place, Vec<String>>;

/// Decides about everything that one listing shows.
async fn plan(store: &Arc<dyn Store>, options: &PruneOptions) -> Result<(Pruned, Keys)> {
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
        let decision = decide(of_name, &options.policy, now);
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
    Ok((Pruned { dry_run: options.dry_run, backups, leftovers, stale, failures }, keys))
}

/// Lets the rules decide about the backups that they may decide about.
fn decide(entries: &[Entry], policy: &Policy, now: SystemTime) -> Decision {
    let candidates: Vec<Candidate> = entries.iter().filter_map(candidate).collect();
    let decision = retention::decide(&candidates, policy, now);
    let mut reasons = decision.reasons.into_iter();
    let of_entry = |entry: &Entry| candidate(entry).and_then(|_| reasons.next()).unwrap_or_default();
    Decision { reasons: entries.iter().map(of_entry).collect(), stale: decision.stale }
}

/// A backup as the rules see it; none that is kept whatever they say.
fn candidate(entry: &Entry) -> Option<Candidate> {
    let at = entry.folder.place.id.started_at()?.into();
    match entry.flaw {
        None => Some(Candidate { at, whole: true }),
        Some(Flaw::Partial) => Some(Candidate { at, whole: false }),
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
            fate,
        }
    })
}

/// Names every backup that is kept because it cannot be trusted, or used.
fn warn_of_flaws(entries: &[Entry]) {
    for entry in entries {
        let place = &entry.folder.place;
        match &entry.flaw {
            None | Some(Flaw::Partial) => {}
            // Its sentence begins with the place.
            Some(Flaw::Unreadable(why)) => tracing::warn!("{why}; it is kept, and counts as no backup"),
            Some(flaw) => tracing::warn!("{place}: {flaw}; it is kept, and counts as no backup"),
        }
    }
}
