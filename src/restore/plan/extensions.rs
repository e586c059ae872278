//! Extensions that the target cannot have, or not in the version that it would create.

use super::super::request::Profile;
use super::narrow::{Narrowing, SCHEDULER, entries_gone, rows_gone};
use crate::archive::{EntryKind, Preamble, TIMESCALEDB};
use crate::error::{Error, Result};
use crate::postgres::managed::only_a_service_has;
use crate::postgres::{Target, TargetFacts, identifier, literal};
use crate::stored::format::extension::Extension;
use crate::stored::format::inventory::Inventory;
use std::borrow::Cow;

/// What is left out of a backup, if the target cannot have all of its extensions.
#[derive(Default)]
pub struct Fitted {
    /// The extensions.
    pub extensions: Vec<Lacking>,
    /// Their rows, a phrase for each table that has some.
    pub rows: Vec<String>,
}

/// An extension that the target cannot have.
pub struct Lacking {
    /// Its name.
    pub name: String,
    why: String,
}

impl Lacking {
    /// What is left out, and why.
    pub fn said(&self) -> String {
        format!("EXTENSION {} ({})", self.name, self.why)
    }
}

impl Fitted {
    /// What is left out, and why, a phrase each.
    pub fn left_out(&self) -> Vec<String> {
        self.extensions.iter().map(Lacking::said).chain(self.rows.iter().cloned()).collect()
    }
}

/// Fits the extensions of what is restored to the target, as [`with_possible`]: the inventory of the rest, and what is left out;
/// `None` if nothing changes.
///
/// # Errors
/// Those of [`with_possible`].
pub async fn fit(held: &Inventory, profile: Profile, target: &Target) -> Result<Option<(Inventory, Fitted)>> {
    let front = Preamble::read(&held.archive.preamble)?;
    let (fitted, extensions) = with_possible(&front, &held.extensions, profile, target).await?;
    if fitted.to_bytes() == front.to_bytes() {
        return Ok(None);
    }
    let rows = rows_gone(held, &held.extensions, &entries_gone(&front, &fitted));
    Ok(Some((held.clone().only(&fitted), Fitted { extensions, rows })))
}

/// Whether this extension may be left out without being asked, if a server cannot have it.
pub fn may_be_left_out(name: &str) -> bool {
    name == SCHEDULER || only_a_service_has(name)
}

/// The same archive with the extensions that the target can have, and what is left out for that: those that it cannot have
/// with their rows, which is said. Of TimescaleDB the version is asked for that the dump is of, as its own rows mean
/// something else in another one.
///
/// # Errors
/// `Kind::Postgres` if something else needs what the target cannot have.
pub async fn with_possible(
    front: &Preamble,
    extensions: &[Extension],
    profile: Profile,
    target: &Target,
) -> Result<(Preamble, Vec<Lacking>)> {
    let (front, left_out) = match profile {
        Profile::Plain => (front.clone(), Vec::new()),
        _ => without_impossible(front.clone(), extensions, target).await?,
    };
    let version = version_of_timescaledb(extensions).filter(|_| front.toc.has_timescaledb());
    let Some(version) = version.filter(|_| !target.exists()) else { return Ok((front, left_out)) };
    let (usual, all) = target.versions_of(TIMESCALEDB).await?;
    // If the server has none, that is reported with what else it lacks.
    if all.is_empty() || usual.as_deref() == Some(version) {
        return Ok((front, left_out));
    }
    if !all.iter().any(|one| one == version) {
        return Err(Error::postgres(format!(
            "the backup is of TimescaleDB {version}, and the target server has {}",
            all.join(", ")
        ))
        .hint("install that version there: the extension's own rows are a part of the backup")
        .hint("or update the source to a version that the target has, and back it up again"));
    }
    let front = front.with(|entry| match entry.kind() {
        EntryKind::Extension if entry.tag() == Some(TIMESCALEDB.as_bytes()) => {
            let text = String::from_utf8_lossy(entry.defn().unwrap_or_default());
            let text = text.trim_end().trim_end_matches(';');
            entry.with_defn(format!("{text} VERSION {};\n", literal(version)).as_bytes())
        }
        _ => entry.clone(),
    });
    Ok((front, left_out))
}

async fn without_impossible(
    mut front: Preamble,
    extensions: &[Extension],
    target: &Target,
) -> Result<(Preamble, Vec<Lacking>)> {
    let names = front.toc.extensions().filter(|name| may_be_left_out(name));
    let special: Vec<String> = names.map(Cow::into_owned).collect();
    let mut left_out = Vec::new();
    if special.is_empty() {
        return Ok((front, left_out));
    }
    let facts = target.facts().await?;
    for name in special {
        let has_rows = extensions.iter().any(|one| one.name == name && !one.content.is_empty());
        let Some(why) = obstacle(&name, has_rows, &facts, target).await? else { continue };
        let narrowing = Narrowing { without_extensions: vec![name.clone()], ..Narrowing::default() };
        let needed = narrowing.needs(&front, extensions);
        if !needed.is_empty() {
            let needed = needed.join(", ");
            return Err(Error::postgres(format!(
                "the extension {name} cannot be restored here ({why}), and is needed by: {needed}"
            ))
            .hint(format!("--exclude-extension {name} leaves that out too")));
        }
        let lacking = Lacking { name, why };
        tracing::warn!("left out: {}", lacking.said());
        left_out.push(lacking);
        front = narrowing.of_front(&front, extensions)?;
    }
    Ok((front, left_out))
}

/// The version of TimescaleDB in the dumped database.
pub fn version_of_timescaledb(extensions: &[Extension]) -> Option<&str> {
    extensions.iter().find(|one| one.name == TIMESCALEDB).map(|one| one.version.as_str())
}

/// Why the target cannot have this extension.
async fn obstacle(
    name: &str,
    has_rows: bool,
    facts: &TargetFacts,
    target: &Target,
) -> Result<Option<String>> {
    if name == SCHEDULER {
        return Ok(obstacle_to_jobs(facts, target));
    }
    if !facts.has_extension(name) {
        return Ok(Some("only the service that was dumped has it".to_owned()));
    }
    let is_possible = facts.rights.superuser || target.takes_extension(name, has_rows).await?;
    Ok((!is_possible).then(|| "only the service itself may create and fill it".to_owned()))
}

/// Why the target cannot have the extension that runs jobs.
fn obstacle_to_jobs(facts: &TargetFacts, target: &Target) -> Option<String> {
    let name = SCHEDULER;
    if !facts.has_extension(name) {
        return Some("the server does not have it".to_owned());
    }
    match &facts.jobs_in {
        Some(database) if database == target.called() => None,
        Some(database) if database == target.name() => Some(format!(
            "a database that gets its name at the end cannot have it: CREATE DATABASE {}, and restore into that",
            identifier(database)
        )),
        Some(database) => Some(format!(
            "the server has it in its database {database} alone; `pgstow fetch … --table cron.job` brings the jobs"
        )),
        None if facts.rights.superuser => Some("the server does not load it".to_owned()),
        // Only a superuser sees the setting. It names no database that is yet to be created.
        None => (!target.exists()).then(|| {
            "a new database cannot have it; `pgstow fetch … --table cron.job` brings the jobs".to_owned()
        }),
    }
}
