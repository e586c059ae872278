//! Extensions that the target cannot have, or not in the version that it would create.

use super::Narrowing;
use super::backup::ReadyBackup;
use super::narrow::SCHEDULER;
use super::request::Profile;
use crate::archive::{EntryKind, Preamble, TIMESCALEDB};
use crate::error::{Error, Result};
use crate::postgres::managed::only_a_service_has;
use crate::postgres::{Target, TargetFacts, identifier, literal};
use crate::stored::inventory::Inventory;
use std::borrow::Cow;

impl ReadyBackup {
    /// Fits the extensions of the backup to the target: leaves out those that it cannot have, and asks for the version of
    /// TimescaleDB that the backup is of, whose own rows mean something else in another one.
    pub(super) async fn fit_extensions(&mut self, target: &Target) -> Result<()> {
        self.leave_out_impossible(target).await?;
        let Some(inventory) = self.held() else { return Ok(()) };
        let front = Preamble::read(&inventory.archive.preamble)?;
        let version = version_of_timescaledb(inventory).filter(|_| front.toc.has_timescaledb());
        let Some(version) = version.filter(|_| !target.exists()) else { return Ok(()) };
        let (usual, all) = target.versions_of(TIMESCALEDB).await?;
        // If the server has none, that is reported with what else it lacks.
        if all.is_empty() || usual.as_deref() == Some(version) {
            return Ok(());
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
        self.hold(inventory.clone().only(&front))
    }

    /// Leaves out extensions that cannot be created in the target, with their rows, and says so.
    ///
    /// # Errors
    /// `Kind::Postgres` if something else needs one of them.
    async fn leave_out_impossible(&mut self, target: &Target) -> Result<()> {
        let Some(inventory) = self.held() else { return Ok(()) };
        if self.request.fitting.profile == Profile::Plain {
            return Ok(());
        }
        let front = Preamble::read(&inventory.archive.preamble)?;
        let extensions = front.toc.entries().iter().filter(|entry| entry.kind() == EntryKind::Extension);
        let names = extensions.map(|entry| String::from_utf8_lossy(entry.tag().unwrap_or_default()));
        let is_special = |name: &str| name == SCHEDULER || only_a_service_has(name);
        let special: Vec<String> = names.filter(|name| is_special(name)).map(Cow::into_owned).collect();
        if special.is_empty() {
            return Ok(());
        }
        let facts = target.facts().await?;
        let found = special.into_iter().filter_map(|name| Some((obstacle(&name, &facts, target)?, name)));
        for (why, name) in found {
            let Some(inventory) = self.held().cloned() else { continue };
            let narrowing = Narrowing { without_extensions: vec![name.clone()], ..Narrowing::default() };
            let needed = narrowing.needs(&inventory)?;
            if !needed.is_empty() {
                let needed = needed.join(", ");
                return Err(Error::postgres(format!(
                    "the extension {name} cannot be restored here ({why}), and is needed by: {needed}"
                ))
                .hint(format!("--exclude-extension {name} leaves that out too")));
            }
            let what = format!("EXTENSION {name} ({why})");
            tracing::warn!("left out: {what}");
            self.request.left_out.push(what);
            self.hold(narrowing.of(inventory)?)?;
        }
        Ok(())
    }
}

/// The version of TimescaleDB in the dumped database.
pub fn version_of_timescaledb(inventory: &Inventory) -> Option<&str> {
    inventory.extensions.iter().find(|one| one.name == TIMESCALEDB).map(|one| one.version.as_str())
}

/// Why the target cannot have this extension.
fn obstacle(name: &str, facts: &TargetFacts, target: &Target) -> Option<String> {
    if name != SCHEDULER {
        return (!facts.has_extension(name)).then(|| "only the service that was dumped has it".to_owned());
    }
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
            "the server has it in its database {database} alone; `pgstow fetch --table cron.job` brings the jobs"
        )),
        None if facts.rights.superuser => Some("the server does not load it".to_owned()),
        // Only a superuser sees the setting. It names no database that is yet to be created.
        None => (!target.exists()).then(|| {
            "a new database cannot have it; `pgstow fetch --table cron.job` brings the jobs".to_owned()
        }),
    }
}
