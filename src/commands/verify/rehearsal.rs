//! `verify --restore`: the restore rehearsed, in a database that is gone afterwards.
//!
//! On a server of the user's, else in a throw-away cluster. Then the data is proven, everything the
//! backup defines is looked for, and the user's own questions are asked.

use super::super::list::age;
use super::super::proof::{self, Proof, catalog, redump};
use super::super::restore::plan::Wishes;
use super::super::restore::{Filled, fill};
use super::super::source::Source;
use crate::archive::{Front, Toc};
use crate::error::{Error, Kind, Result};
use crate::inventory::Inventory;
use crate::manifest::{self, Postgres};
use crate::names::Place;
use crate::numbers::{count, told_rows};
use crate::pipeline::Watch;
use crate::postgres::clients::{Clients, Version};
use crate::postgres::{Cluster, ConnInfo, Psql, RestoreOptions, Situation, Target};
use crate::progress::Progress;
use crate::report::Report;
use crate::script::NamedRoles;
use crate::settings::Rehearsal;
use crate::signal::Stop;
use indicatif::BinaryBytes;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How a rehearsal went.
#[derive(Debug, Serialize)]
pub struct Rehearsed {
    /// Version of the server that was restored into.
    server_version: String,
    /// Whether that was a cluster of our own.
    own_cluster: bool,
    /// How long the restore took, to where an application could begin: the user's recovery time.
    restore_s: f64,
    /// What was proven of the data, where the backup has an inventory.
    proof: Option<Proof>,
    /// How many objects of each kind were found again.
    objects: catalog::Counts,
    /// What is not there of what the backup defines, or stands elsewhere; a sentence each.
    catalog_differences: Vec<String>,
    /// The user's own questions.
    checks: Vec<Check>,
    /// Tables that came.
    #[serde(skip)]
    pub tables: u64,
    /// Rows that came, where they were counted.
    #[serde(skip)]
    pub rows: Option<u64>,
}

/// A question of the user's, and its answer.
#[derive(Debug, Serialize)]
struct Check {
    sql: String,
    passed: bool,
    /// Whether it is no SQL, which says nothing about the backup.
    #[serde(skip)]
    mistyped: bool,
    /// What is wrong with the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Restores, looks, and takes everything away again, whatever happens.
pub async fn rehearse(
    source: &Source,
    inventory: Option<&Inventory>,
    how: &Rehearsal,
    report: &Report,
    stop: &Stop,
) -> Result<Rehearsed> {
    let clients = stop.or(Clients::find(&how.clients)).await?;
    let name = how.to.as_ref().and_then(|conn| conn.get("dbname")).filter(|name| !name.is_empty());
    let name = name.map_or_else(|| generated(source), str::to_owned);
    let front = inventory.map(|inventory| Front::read(&inventory.archive.preamble)).transpose()?;
    if source.kind() == manifest::Kind::Sql {
        tracing::warn!(
            "{} is a plain dump: whether it restores is tried, and its rows cannot be compared",
            source.place()
        );
    } else if front.is_none() {
        tracing::warn!("{} has no inventory: what comes of it cannot be compared", source.place());
    }
    let play = Play { source, inventory, front, how, report, clients: &clients };
    if let Some(conn) = &how.to {
        let mut target = stop.or(play.open(&conn.with_dbname(&name))).await?;
        let played = stop.or(play.run(&mut target)).await;
        let dropped = target.drop_created().await;
        return after(played, dropped);
    }
    let mut cluster = Cluster::prepare(how.scratch.as_deref())?;
    let played = stop.or(play.in_cluster(&mut cluster, &name)).await;
    let removed = cluster.remove().await;
    after(played, removed)
}

/// The first error is the one to report; a failure to tidy up is said beside it.
fn after(played: Result<Rehearsed>, tidied: Result<()>) -> Result<Rehearsed> {
    match (played, tidied) {
        (Ok(played), Ok(())) => Ok(played),
        (Ok(_), Err(second)) => Err(second),
        (Err(first), tidied) => {
            if let Err(second) = tidied {
                tracing::warn!("{second}");
            }
            Err(first)
        }
    }
}

/// A name nobody else has: the backup's id in it tells whose it is, should it ever be met.
fn generated(source: &Source) -> String {
    format!("pgstow_verify_{}", source.place().id.to_string().to_lowercase().replace('-', "_"))
}

/// What a rehearsal needs.
struct Play<'a> {
    source: &'a Source,
    inventory: Option<&'a Inventory>,
    front: Option<Front>,
    how: &'a Rehearsal,
    report: &'a Report,
    clients: &'a Clients,
}

impl Play<'_> {
    /// Reaches the user's server, on which the database must not exist.
    async fn open(&self, conn: &ConnInfo) -> Result<Target> {
        let target = Target::open(self.clients.newest()?, conn).await?;
        if target.exists() {
            return Err(Error::target_exists(format!("database {} exists", target.name())).hint(
                "verify --restore drops the database it restores into, so it must make it: leave the name out of --to",
            ));
        }
        // What was restored will be dumped again.
        self.clients.for_dump(target.version())?;
        Ok(target)
    }

    async fn in_cluster(&self, cluster: &mut Cluster, database: &str) -> Result<Rehearsed> {
        let postgres = self.source.backup.manifest.postgres.as_ref();
        let version =
            |text: fn(&Postgres) -> &str| postgres.and_then(|postgres| Version::parse(text(postgres)));
        let dumped_by = version(|postgres| &postgres.pg_dump_version).unwrap_or_default();
        let dumped = version(|postgres| &postgres.server_version).unwrap_or(dumped_by);
        let server = self.clients.for_cluster(dumped, dumped_by)?;
        let size = postgres.and_then(|postgres| postgres.database_bytes).unwrap_or_default();
        if let Some(free) = cluster.free_space().filter(|free| *free < size) {
            tracing::warn!(
                "the throw-away cluster has room for {}, and the database had {}: name a larger folder with --scratch",
                BinaryBytes(free),
                BinaryBytes(size)
            );
        }
        self.report.say(format!("starting a throw-away cluster of PostgreSQL {}", server.version));
        cluster.start(server).await?;
        if let Some(Front { toc, .. }) = &self.front {
            let lacking = cluster.lacks(server, &names(toc, b"EXTENSION")).await?;
            if !lacking.is_empty() {
                let what =
                    format!("PostgreSQL {} here lacks the extensions {}", server.version, lacking.join(", "));
                return Err(Error::settings(what).hint("install them, or verify on a server with --to"));
            }
            let text = |roles: BTreeSet<Vec<u8>>| -> Vec<String> {
                roles.into_iter().filter_map(|role| String::from_utf8(role).ok()).collect()
            };
            cluster.create_roles(server, &text(toc.roles()), &text(toc.superusers())).await?;
        }
        if self.source.kind() == manifest::Kind::Sql {
            let roles = self.roles_of_script().await?;
            cluster.create_roles(server, &roles, &roles).await?;
        }
        let mut target = Target::open(server, &cluster.conn(database)).await?;
        self.run(&mut target).await
    }

    /// Reads a plain dump once for the roles it names, which nothing else tells.
    async fn roles_of_script(&self) -> Result<Vec<String>> {
        self.report.say("reading which roles it names");
        let mut watch = RolesWatch(NamedRoles::default());
        let following = self.report.follow(&self.source.progress);
        self.source.shown_to(&mut watch).await?;
        drop(following);
        let Progress { plain, stored, .. } = &self.source.progress;
        plain.store(0, Ordering::Relaxed);
        stored.store(0, Ordering::Relaxed);
        Ok(watch.0.finish())
    }

    /// The restore, and all that is asked about it afterwards.
    async fn run(&self, target: &mut Target) -> Result<Rehearsed> {
        let own_cluster = self.how.to.is_none();
        // Roles belong to a whole server: on somebody's, none is made, and where there is no table of
        // contents beforehand none can be.
        let no_roles = !own_cluster || self.inventory.is_none();
        let changed = RestoreOptions {
            no_owner: no_roles,
            no_acl: no_roles,
            // A subscription would tie the database down, and tablespaces are folders of another machine.
            extra: vec!["--no-subscriptions".into(), "--no-tablespaces".into()],
        };
        let (source, report) = (self.source, self.report);
        // A plain dump is run as it is.
        let options = if source.kind() == manifest::Kind::Sql { RestoreOptions::default() } else { changed };
        report.say(format!("restoring {} into {}", source.place(), target.name()));
        let started = Instant::now();
        let following = report.follow(&source.progress);
        let wishes = Wishes::plain(options);
        let restored = fill(source, self.inventory, self.clients, target, &wishes, self.how.jobs).await;
        drop(following);
        let Filled { tables, rows, .. } = restored.map_err(|e| if own_cluster { blame(e) } else { e })?;
        target.analyze().await;
        let took = started.elapsed();
        report.say(format!("restored in {}", age(took)));

        let (mut proof, mut objects, mut catalog_differences) = Default::default();
        if let (Some(inventory), Some(front)) = (self.inventory, &self.front) {
            proof = proof::prove(self.how.proof, target, self.clients, source, inventory, report).await?;
            let encoding = &inventory.archive.encoding;
            let found = redump::table_of_contents(target, self.clients, encoding).await?;
            (objects, catalog_differences) = catalog::compare(&front.toc, &found);
        }
        Ok(Rehearsed {
            server_version: target.server().version_text.clone(),
            own_cluster,
            restore_s: took.as_secs_f64(),
            proof,
            objects,
            catalog_differences,
            checks: self.checks(target).await?,
            tables,
            rows,
        })
    }

    async fn checks(&self, target: &Target) -> Result<Vec<Check>> {
        let psql = Psql::new(self.clients.newest()?, target.conn());
        let mut checks = Vec::new();
        for sql in &self.how.checks {
            // As the application would ask: with the search path it has.
            let answer = psql.run_given(sql).await;
            let answer = answer.map_err(Error::from);
            let situation = answer.as_ref().err().and_then(Error::situation);
            let mistyped = situation == Some(Situation::SyntaxError);
            let problem = match answer {
                Ok(answer) if answer.trim_ascii() == b"t" => None,
                Ok(answer) => Some(format!("gave {} instead of true", shortened(&answer))),
                Err(error) if error.kind() == Kind::Postgres => Some(format!("failed: {error}")),
                Err(error) => return Err(error),
            };
            checks.push(Check { sql: sql.clone(), passed: problem.is_none(), mistyped, problem });
        }
        Ok(checks)
    }
}

/// Looks for roles while a script passes.
struct RolesWatch(NamedRoles);

impl Watch for RolesWatch {
    fn look(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.feed(bytes);
        Ok(())
    }

    fn boundary(&self) -> Option<u64> {
        None
    }
}

impl Rehearsed {
    /// Says what was proven.
    pub fn said(&self) -> String {
        let took = age(Duration::from_secs_f64(self.restore_s));
        let mut said = format!(
            "{}, {}; restored in {took} into PostgreSQL {}",
            count(self.tables, "table"),
            told_rows(self.rows),
            self.server_version
        );
        if let Some(proof) = self.proof.as_ref().filter(|proof| proof.is_any()) {
            said.push_str(&format!("; proven: {}", proof.said()));
        }
        for kind in ["sequence", "extension", "constraint", "index"] {
            let found: usize =
                self.objects.iter().filter(|(name, _)| name.ends_with(kind)).map(|(_, count)| count).sum();
            said.push_str(&format!(", {}", count(found, kind)));
        }
        if !self.checks.is_empty() {
            said.push_str(&format!(", {} true", count(self.checks.len(), "check")));
        }
        said
    }

    /// Fails where anything is not as it should be.
    pub fn judge(&self, place: &Place) -> Result<()> {
        if let Some(proof) = &self.proof {
            proof.judge(&format!("{place}, restored,"))?;
        }
        proof::judge(&self.catalog_differences, &format!("{place}, restored, is not what was dumped"))?;
        let failed = |check: &Check| {
            let problem = check.problem.as_ref()?;
            Some(format!("the check {:?} {problem}", check.sql))
        };
        let (mistyped, asked): (Vec<&Check>, Vec<&Check>) =
            self.checks.iter().partition(|check| check.mistyped);
        let asked: Vec<String> = asked.into_iter().filter_map(failed).collect();
        proof::judge(&asked, &place.to_string())?;
        match mistyped.into_iter().find_map(failed) {
            None => Ok(()),
            Some(failed) => {
                Err(Error::usage(failed).hint("that is no SQL; nothing was found wrong with the backup"))
            }
        }
    }
}

/// A clean cluster refused what the backup holds: that is the backup's fault, unless it is the machine's.
fn blame(error: Error) -> Error {
    let situation = error.situation::<Situation>();
    if situation == Some(Situation::LocaleMissing) {
        let hint = "install the source's locale here, or verify on a server that has it, with --to";
        return error.without_hints().hint(hint);
    }
    if error.kind() != Kind::Postgres || situation.is_some_and(Situation::is_of_machine) {
        return error;
    }
    error.of_kind(Kind::Verify).context("it does not restore")
}

/// The names of all objects of a kind.
fn names(toc: &Toc, kind: &[u8]) -> Vec<String> {
    let entries = toc.entries().iter().filter(|entry| entry.desc() == Some(kind));
    entries.map(|entry| String::from_utf8_lossy(entry.tag().unwrap_or_default()).into_owned()).collect()
}

/// An answer as it is told: quoted, and not at length.
fn shortened(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let start: String = text.trim_end().chars().take(60).collect();
    match (start.is_empty(), start.len() < text.trim_end().len()) {
        (true, _) => "nothing".to_owned(),
        (_, true) => format!("{start:?} and more"),
        _ => format!("{start:?}"),
    }
}
