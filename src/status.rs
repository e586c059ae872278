//! Whether backups go on: the newest whole backup of each name, its age, and whether it shrank.
//!
//! It reads one listing and two manifests of each name. It is the net under every schedule: a job that is dead
//! reports nothing.

use crate::error::{Error, Kind, Result};
use crate::run::Run;
use crate::store::Store;
use crate::stored::catalogue::{Backup, Found};
use crate::stored::compare::has_shrunk;
use crate::stored::contents::{self, Flaw, Folder, Standard};
use crate::stored::history::{self, Caution, History};
use crate::stored::manifest::Manifest;
use crate::stored::name_pattern::NamePattern;
use crate::stored::names::{Id, Name, Timestamp};
use crate::stored::opened::Location;
use crate::stored::proven;
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
    /// The percentage that may be gone since the backup before it.
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
    pub passed_over: Vec<(String, String)>,
}

/// What is wrong with the backups of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// There is no whole backup.
    Missing,
    /// The newest whole backup is too old.
    TooOld,
    /// The newest whole backup has much less than the one before it: what.
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
        if self.names.iter().any(|one| one.problem.is_some() && !is_gone(one)) {
            error =
                error.hint("look at the job that takes these backups: its log, its schedule, its exit code");
        }
        Err(error)
    }
}

impl NameStatus {
    /// What is wrong, in a few words.
    pub fn complaint(&self) -> Option<String> {
        Some(match self.problem.as_ref()? {
            Problem::Missing => "no whole backup".to_owned(),
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
    let folders = contents::folders(&*store, &options.names).await?;
    let by_name: Vec<Vec<Folder>> = folders
        .chunk_by(|a, b| a.place.name == b.place.name)
        .map(|of_name| of_name.iter().filter(|folder| folder.found().is_some()).cloned().collect())
        .filter(|of_name: &Vec<Folder>| !of_name.is_empty())
        .collect();
    let found: Vec<Name> = by_name.iter().map(|folders| folders[0].place.name.clone()).collect();
    let mut names: Vec<NameStatus> = stream::iter(by_name)
        .map(|folders| of_name(&store, folders, options))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let is_missing = |pattern: &&NamePattern| !found.iter().any(|name| pattern.matches(name));
    names.extend(options.names.iter().filter(is_missing).map(|pattern| NameStatus {
        name: pattern.to_string(),
        newest: None,
        age: None,
        problem: Some(Problem::Missing),
        proven: None,
        passed_over: Vec::new(),
    }));
    if names.is_empty() {
        let message = format!("{} holds no backup", store.display_url());
        return Err(Error::new(Kind::Overdue, message).hint("check the store's URL"));
    }
    Ok(Status { names })
}

/// Looks at one name: reads manifests from the newest on, until two whole backups are found.
async fn of_name(
    store: &Arc<dyn Store>,
    folders: Vec<Folder>,
    options: &StatusOptions,
) -> Result<NameStatus> {
    let name = folders.first().map(|folder| folder.place.name.to_string()).unwrap_or_default();
    let found: Vec<Found> = folders.iter().filter_map(Folder::found).collect();
    let (mut whole, mut passed_over) = (Vec::new(), Vec::new());
    let (mut latest, mut proven, mut read) = (None, None, 0);
    for folder in folders.into_iter().rev() {
        read += 1;
        for entry in contents::entries(store, vec![folder], &options.standard).await? {
            // Of what is older than the newest one, nobody has to know here.
            let complaint = entry.complaint().filter(|_| whole.is_empty());
            complaint.inspect(|complaint| tracing::warn!("{complaint}"));
            if latest.is_none() && entry.flaw != Some(Flaw::FromTheFuture) {
                latest.clone_from(&entry.backup);
            }
            if proven.is_none() && entry.flaw != Some(Flaw::FromTheFuture) {
                proven = entry.proven.map(|moment| (entry.folder.place.id.clone(), moment));
            }
            match (entry.backup, entry.flaw) {
                // One that is there twice, for other recipients, is not the one before.
                (Some(backup), None) if is_same(&whole, &backup) => {}
                (Some(backup), None) => whole.push(backup),
                (_, Some(flaw)) if whole.is_empty() => {
                    passed_over.push((entry.folder.place.id.to_string(), flaw.to_string()));
                }
                _ => {}
            }
        }
        if whole.len() == 2 {
            break;
        }
    }
    let mut whole = whole.into_iter();
    let (newest, before) = (whole.next(), whole.next());
    let age = newest.as_ref().map(|newest| Timestamp::now().since(newest.manifest.started_at));
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
        (Some(newest), _) => before
            .and_then(|before| shrank(&before.manifest, &newest.manifest, options.max_shrink))
            .map(Problem::Shrank),
        (None, _) => Some(Problem::Missing),
    };
    // Of those that were read it is known already, and what is wrong with a receipt was said.
    let older = &found[..found.len().saturating_sub(read)];
    let proven = match proven {
        Some(proven) => Some(proven),
        None => proven::newest(store, older, options.standard.trusted.as_ref()).await?,
    };
    Ok(NameStatus { name, newest, age, problem, proven, passed_over })
}

/// Whether one of these is this one for other recipients.
fn is_same(whole: &[Backup], backup: &Backup) -> bool {
    whole.iter().any(|newer| newer.manifest.is_twin_of(&backup.manifest))
}

/// What shrank by more than `percent`: the rows, if both were counted, else the bytes of the dump.
fn shrank(before: &Manifest, now: &Manifest, percent: u8) -> Option<String> {
    if let (Some(before), Some(now)) = (before.totals, now.totals) {
        let what = format!("{} instead of {}", count(now.rows, "row"), HumanCount(before.rows));
        return has_shrunk(before.rows, now.rows, percent).then_some(what);
    }
    let bytes = |manifest: &Manifest| manifest.dump().map(|dump| dump.plain_bytes).unwrap_or_default();
    let (before, now) = (bytes(before), bytes(now));
    has_shrunk(before, now, percent)
        .then(|| format!("{} instead of {}", BinaryBytes(now), BinaryBytes(before)))
}
