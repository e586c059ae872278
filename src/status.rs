//! Whether backups go on: the newest whole backup of each name, its age, and whether it shrank.
//!
//! It reads one listing of objects and one of unfinished uploads, and of each name the manifests of all backups that are
//! young enough, or the newest two. It is the net under every schedule: a job that is dead reports nothing.

use crate::error::{Error, Kind, Result};
use crate::run::Run;
use crate::store::Store;
use crate::stored::find::catalogue::{Backup, Found};
use crate::stored::find::contents::{self, Entry, Flaw, Folder, Standard};
use crate::stored::find::history::{self, Caution, History};
use crate::stored::format::manifest::Manifest;
use crate::stored::format::name_pattern::NamePattern;
use crate::stored::format::names::{Id, Name, Place, Timestamp};
use crate::stored::read::opened::Location;
use crate::stored::write::compare::has_shrunk;
use crate::units::{age, count};
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::{BinaryBytes, HumanCount};
use std::sync::Arc;
use std::time::Duration;

/// Names that are looked at at the same time.
const AT_ONCE: usize = 16;

/// What to look at, and what is expected.
#[derive(Debug)]
pub struct StatusOptions {
    /// Where the backups are.
    pub location: Location,
    /// The names that match, or all if there are no patterns.
    pub names: Vec<NamePattern>,
    /// How old the newest whole backup may be.
    pub max_age: Duration,
    /// The percentage that may be gone since the largest backup that is not older than that, or the one before it.
    pub max_shrink: u8,
    /// Which backups count as whole.
    pub standard: Standard,
    /// Which backups were seen before, if that is to be compared.
    pub history: Option<History>,
}

/// How the backups of every name are.
#[derive(Debug)]
pub struct Status {
    /// One for each name.
    pub names: Vec<NameStatus>,
    /// What to do if a whole name is gone, and that is right.
    how_to_forget: Option<String>,
}

/// How the backups of one name are.
#[derive(Debug)]
pub struct NameStatus {
    /// The name, or a pattern that no backup matches.
    pub name: String,
    /// The newest whole backup.
    pub newest: Option<Backup>,
    /// Its age.
    pub age: Option<Duration>,
    /// What is wrong.
    pub problem: Option<Problem>,
    /// The newest backup that is proven to restore, and when that was.
    pub proven: Option<(Id, Timestamp)>,
    /// Newer backups that do not count as whole: the id, and why.
    pub passed_over: Vec<(Id, Flaw)>,
}

/// What is wrong with the backups of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// There is no whole backup.
    Missing,
    /// The same, and all that there is was left by runs that were killed.
    Torn,
    /// The newest whole backup is too old.
    TooOld,
    /// The newest whole backup has much less than one before it: what.
    Shrank(String),
    /// Backups that were seen before are gone: what is known of it.
    Gone(String),
}

impl Status {
    /// Fails if anything is wrong.
    pub fn conclude(&self) -> Result<()> {
        let wrong = self.names.iter().filter_map(|one| Some(format!("{} ({})", one.name, one.complaint()?)));
        let wrong: Vec<String> = wrong.collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let of = count(self.names.len(), "name");
        let message = format!("attention is needed for {} of {of}: {}", wrong.len(), wrong.join(", "));
        let is_gone = |one: &NameStatus| matches!(one.problem, Some(Problem::Gone(_)));
        let mut error = Error::new(Kind::Overdue, message);
        if self.names.iter().any(is_gone) {
            error = error.hint(history::HINT);
        }
        let is_all_gone = self.names.iter().any(|one| is_gone(one) && one.newest.is_none());
        if let Some(hint) = self.how_to_forget.as_ref().filter(|_| is_all_gone) {
            error = error.hint(hint);
        }
        let partial: Vec<&str> =
            self.names.iter().filter(|one| one.has_newer_parts()).map(|one| one.name.as_str()).collect();
        if !partial.is_empty() {
            error = error.hint(format!(
                "backups of {} are partial, as options left a part of the database out: if that is on purpose, add \
                 --count-partial",
                partial.join(", ")
            ));
        }
        if self.names.iter().any(|one| one.problem.is_some() && !is_gone(one) && !one.has_newer_parts()) {
            error =
                error.hint("look at the job that takes these backups: its log, its schedule, its exit code");
        }
        let torn = self.names.iter().filter(|one| one.problem == Some(Problem::Torn));
        let torn: Vec<&str> = torn.map(|one| one.name.as_str()).collect();
        if !torn.is_empty() {
            error = error.hint(format!(
                "of {} there is nothing with a manifest: if nobody removed manifests, and no backup is to come, this removes \
                 what killed runs left once it is a day old: `pgstow prune --force --keep-last unlimited --name {}`",
                torn.join(", "),
                torn.join(" --name ")
            ));
        }
        Err(error)
    }
}

impl NameStatus {
    /// A name, or a pattern, without any backup.
    fn without(name: String, problem: Problem) -> Self {
        let (newest, age, proven, passed_over) = (None, None, None, Vec::new());
        Self { name, newest, age, problem: Some(problem), proven, passed_over }
    }

    /// Whether there are backups that would do, if partial ones counted.
    fn has_newer_parts(&self) -> bool {
        matches!(self.problem, Some(Problem::Missing | Problem::TooOld))
            && self.passed_over.iter().any(|(_, flaw)| *flaw == Flaw::Partial)
    }

    /// What is wrong, in a few words.
    pub fn complaint(&self) -> Option<String> {
        Some(match self.problem.as_ref()? {
            Problem::Missing | Problem::Torn => "no whole backup".to_owned(),
            Problem::TooOld => format!("{} old", age(self.age.unwrap_or_default())),
            Problem::Shrank(what) | Problem::Gone(what) => what.clone(),
        })
    }
}

/// Looks at the newest backups.
pub async fn status(options: &StatusOptions, run: &Run) -> Result<Status> {
    run.or(look(options)).await
}

async fn look(options: &StatusOptions) -> Result<Status> {
    let store = options.location.open().await?;
    let (folders, unfinished) =
        tokio::join!(contents::folders(&*store, &options.names), left_unfinished(&*store, options));
    let mut folders = folders?;
    folders.retain(|folder| !folder.is_of_doctor());
    let (mut by_name, mut torn) = (Vec::new(), Vec::new());
    for of_name in folders.chunk_by(|a, b| a.place.name == b.place.name) {
        let backups = of_name.iter().filter(|folder| folder.found().is_some()).cloned();
        match backups.collect::<Vec<Folder>>() {
            backups if backups.is_empty() => torn.extend(of_name.last().map(|last| last.place.clone())),
            backups => by_name.push(backups),
        }
    }
    for place in unfinished {
        let whole = by_name.iter().filter_map(|folders| folders.first()).map(|folder| &folder.place);
        if !whole.chain(&torn).any(|known| known.name == place.name) {
            torn.push(place);
        }
    }
    let there: Vec<Name> =
        by_name.iter().flat_map(|folders| folders.first()).map(|one| one.place.name.clone()).collect();
    let gone = vanished(&*store, &there, options);
    let mut names: Vec<NameStatus> = stream::iter(by_name)
        .map(|folders| of_name(&store, folders, options))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    for place in &torn {
        tracing::warn!(
            "{place}: it has no manifest, so it is no backup: its run has not ended, was killed, or somebody removed the \
             manifest"
        );
    }
    let torn =
        torn.into_iter().map(|place| place.name).filter(|name| gone.iter().all(|(gone, _)| gone != name));
    let without: Vec<(Name, Problem)> =
        gone.iter().cloned().chain(torn.map(|name| (name, Problem::Torn))).collect();
    let is_missing = |pattern: &&NamePattern| {
        !there.iter().chain(without.iter().map(|(name, _)| name)).any(|name| pattern.matches(name))
    };
    let missing = options.names.iter().filter(is_missing);
    let missing = missing.map(|pattern| NameStatus::without(pattern.to_string(), Problem::Missing));
    names
        .extend(without.iter().map(|(name, problem)| NameStatus::without(name.to_string(), problem.clone())));
    names.extend(missing);
    if names.is_empty() {
        let message = format!("{} holds no backup", store.display_url());
        return Err(Error::new(Kind::Overdue, message).hint("check the store's URL"));
    }
    Ok(Status { names, how_to_forget: options.history.as_ref().map(History::how_to_forget) })
}

/// Backups, newest first within a name, that were begun longer ago than the newest backup may be old, and have an upload
/// that has not ended: a younger one may be a first backup that is on its way. A key that may not list uploads sees none.
async fn left_unfinished(store: &dyn Store, options: &StatusOptions) -> Vec<Place> {
    let unfinished = store.unfinished(&contents::prefix(&options.names)).await.unwrap_or_else(|error| {
        tracing::debug!("unfinished uploads cannot be listed: {error}");
        Vec::new()
    });
    let now = Timestamp::now();
    let is_left = |(place, object): &(Place, &str)| {
        *object != contents::PROBE
            && NamePattern::any(&options.names, &place.name)
            && place.id.started_at().is_some_and(|begun| now.since(begun) > options.max_age)
    };
    let uploads = unfinished.iter().filter_map(|upload| Place::of_object(&upload.key));
    uploads.rev().filter(is_left).map(|(place, _)| place).collect()
}

/// The names that had backups before, and have none now, if that is to be compared.
fn vanished(store: &dyn Store, there: &[Name], options: &StatusOptions) -> Vec<(Name, Problem)> {
    let (Some(history), Some(_)) = (&options.history, &options.standard.trusted) else { return Vec::new() };
    let gone = history.vanished(store, there).unwrap_or_else(|unknown| {
        // Whoever compares the newest backup of a name says so too.
        if there.is_empty() {
            tracing::warn!("{}", unknown.with_hints());
        }
        Vec::new()
    });
    let is_asked_for = |(name, _): &(Name, String)| NamePattern::any(&options.names, name);
    gone.into_iter().filter(is_asked_for).map(|(name, what)| (name, Problem::Gone(what))).collect()
}

/// What is known of the backups of one name, newest first, as far as they were read.
#[derive(Default)]
struct Seen {
    /// Those that count as whole; one that is there twice, for other recipients, once.
    whole: Vec<Backup>,
    /// The newest whose manifest is believed.
    latest: Option<Backup>,
    proven: Option<(Id, Timestamp)>,
    passed_over: Vec<(Id, Flaw)>,
    /// Those that were not read, oldest first.
    older: Vec<Folder>,
}

impl Seen {
    /// Reads all that are at most `max_age` old, and from there on until two whole backups are found.
    async fn of(store: &Arc<dyn Store>, folders: Vec<Folder>, options: &StatusOptions) -> Result<Self> {
        let now = Timestamp::now();
        let is_old = |folder: &Folder| {
            folder.place.id.started_at().is_some_and(|begun| now.since(begun) > options.max_age)
        };
        let (older, recent): (Vec<Folder>, Vec<Folder>) = folders.into_iter().partition(is_old);
        let (mut seen, mut next) = (Self { older, ..Self::default() }, recent);
        loop {
            let (entries, failed) = contents::readable(store, next, &options.standard).await;
            entries.into_iter().rev().for_each(|entry| seen.add(entry));
            failed.into_iter().try_for_each(|(place, error)| seen.go_on_without(&place, error))?;
            if seen.whole.len() > 1 {
                return Ok(seen);
            }
            let Some(one) = seen.older.pop() else { return Ok(seen) };
            next = vec![one];
        }
    }

    /// Warns of a backup that cannot be read, if a newer whole one is known: then it does not decide.
    fn go_on_without(&self, place: &Place, error: Error) -> Result<()> {
        match self.whole.first() {
            Some(newest) if place.id < newest.place.id => {
                tracing::warn!("{place} is not compared with newer ones: {}", error.with_hints());
                Ok(())
            }
            _ => Err(error),
        }
    }

    fn add(&mut self, entry: Entry) {
        // Of what is older than the newest one, nobody has to know here.
        let complaint = entry.complaint().filter(|_| self.whole.is_empty());
        complaint.inspect(|complaint| tracing::warn!("{complaint}"));
        if entry.flaw != Some(Flaw::FromTheFuture) {
            self.latest = self.latest.take().or_else(|| entry.backup.clone());
        }
        let proven = entry.proven_at().map(|moment| (entry.folder.place.id.clone(), moment));
        self.proven = self.proven.take().or(proven);
        match (entry.backup, entry.flaw) {
            (Some(backup), None) if is_same(&self.whole, &backup) => {}
            (Some(backup), None) => self.whole.push(backup),
            (_, Some(flaw)) if self.whole.is_empty() => {
                self.passed_over.push((entry.folder.place.id, flaw));
            }
            _ => {}
        }
    }
}

/// Looks at one name.
async fn of_name(
    store: &Arc<dyn Store>,
    folders: Vec<Folder>,
    options: &StatusOptions,
) -> Result<NameStatus> {
    let name = folders.first().map(|folder| folder.place.name.to_string()).unwrap_or_default();
    let found: Vec<Found> = folders.iter().filter_map(Folder::found).collect();
    let Seen { whole, latest, proven, passed_over, older } = Seen::of(store, folders, options).await?;
    let mut whole = whole.into_iter();
    let (newest, before) = (whole.next(), whole);
    let age = newest.as_ref().and_then(|newest| Some(Timestamp::now().since(newest.place.id.started_at()?)));
    let gone = match (&options.history, &options.standard.trusted, &latest) {
        (Some(history), Some(trusted), Some(latest)) => {
            let wrong = history.compare(store, &found, latest, trusted, Caution::Report).await?;
            history.remember(&**store, latest).await;
            wrong
        }
        _ => None,
    };
    let problem = match (&newest, age) {
        _ if gone.is_some() => gone.map(|what| Problem::Gone(what.to_string())),
        (Some(_), Some(age)) if age > options.max_age => Some(Problem::TooOld),
        (Some(newest), _) => {
            let before: Vec<Manifest> = before.map(|before| before.manifest).collect();
            shrank_since(before, &newest.manifest, options.max_shrink).map(Problem::Shrank)
        }
        (None, _) => Some(Problem::Missing),
    };
    // Of those that were read it is known already, and what is wrong with a receipt was said.
    let proven = match proven {
        Some(proven) => Some(proven),
        None => contents::newest_proven(store, &older, &options.standard).await.unwrap_or_else(|error| {
            tracing::warn!("{name}: whether an older backup is proven is not known: {}", error.with_hints());
            None
        }),
    };
    Ok(NameStatus { name, newest, age, problem, proven, passed_over })
}

/// Whether one of these is this one for other recipients.
fn is_same(whole: &[Backup], backup: &Backup) -> bool {
    whole.iter().any(|newer| newer.manifest.is_twin_of(&backup.manifest))
}

/// What shrank since the largest of those before: whoever looks once a day must not miss what an hourly backup lost.
fn shrank_since(mut before: Vec<Manifest>, now: &Manifest, percent: u8) -> Option<String> {
    before.sort_by_key(|one| std::cmp::Reverse((one.totals.map(|totals| totals.rows), dump_bytes(one))));
    before.iter().find_map(|before| shrank(before, now, percent))
}

/// What shrank by more than `percent`: the rows, if both were counted, else the bytes of the dump.
fn shrank(before: &Manifest, now: &Manifest, percent: u8) -> Option<String> {
    if let (Some(before), Some(now)) = (before.totals, now.totals) {
        let what = format!("{} instead of {}", count(now.rows, "row"), HumanCount(before.rows));
        return has_shrunk(before.rows, now.rows, percent).then_some(what);
    }
    let (before, now) = (dump_bytes(before), dump_bytes(now));
    has_shrunk(before, now, percent)
        .then(|| format!("{} instead of {}", BinaryBytes(now), BinaryBytes(before)))
}

fn dump_bytes(manifest: &Manifest) -> u64 {
    manifest.dump().map(|dump| dump.plain_bytes).unwrap_or_default()
}
