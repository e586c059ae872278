//! `verify --restore`: a trial restore (a rehearsal), into a database that is removed afterwards.
//!
//! On a server of the user's, else in a temporary cluster. Then the data is compared, everything the
//! backup defines is looked for, and the user's own checks are run.

mod machine;
mod outcome;
mod preload;

use machine::{Versions, blame, locks_for, refused};
use outcome::Check;
pub use outcome::Rehearsed;

use crate::archive::{EntryKind, Preamble, TIMESCALEDB, Toc, TocEntry};
use crate::error::{Error, Kind, Result};
use crate::pipeline::Watch;
use crate::postgres::Search;

use crate::postgres::clients::{Clients, Version};
use crate::postgres::{
    Cluster, ConnInfo, Locale, Naming, PgRestoreOptions, Psql, Situation, TRIAL, Target, identifier,
};
use crate::proof::ProofBy;
use crate::proof::{catalog, redump};
use crate::restore::Narrowing;
use crate::restore::backup::ReadyBackup;
use crate::restore::plan::extensions::{may_be_left_out, version_of_timescaledb};
use crate::restore::request::Profile;
use crate::restore::run::Content;
use crate::run::Run;
use crate::script::NamedRoles;
use crate::stored::format::inventory::Inventory;
use crate::stored::format::manifest::{BackupKind, Postgres};
use crate::stored::read::reader::BackupReader;
use crate::units::age;
use indicatif::BinaryBytes;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

/// Where to restore for a trial, and what must hold then.
#[derive(Debug)]
pub struct Rehearsal {
    /// On which server; else in a temporary cluster.
    pub to: Option<ConnInfo>,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
    /// In which folder the temporary cluster lies.
    pub scratch: Option<PathBuf>,
    /// How many workers, where the user says so.
    pub jobs: Option<u8>,
    /// How the data is proven.
    pub proof: ProofBy,
    /// Queries that must give true.
    pub checks: Vec<String>,
    /// Extensions that are left out, with what needs them.
    pub without_extensions: Vec<String>,
    /// In which schemas functions find what they name without one, as `search_path` lists them.
    pub search_path: Option<String>,
}

/// Restores, looks, and takes everything away again, whatever happens.
///
/// The reader comes back, and reads no more than what could be restored.
///
/// # Errors
/// `Kind::NotFound` if something is to be left out of a backup without an inventory.
pub async fn rehearse(
    mut reader: BackupReader,
    inventory: Option<Inventory>,
    how: &Rehearsal,
    run: &Run,
) -> Result<(BackupReader, Rehearsed)> {
    let without_extensions = how.without_extensions.clone();
    let narrowing = Narrowing { without_extensions, ..Narrowing::default() };
    let (inventory, of_extensions) = narrowing.apply(&mut reader, inventory)?;
    let clients = run.or(Clients::find(&how.clients)).await?;
    let given = how.to.as_ref().and_then(|conn| conn.get("dbname")).filter(|name| !name.is_empty());
    let ready = ReadyBackup::for_trial(reader, inventory, clients, how.jobs, how.proof);
    let front = front(&ready)?;
    if ready.reader.kind() == BackupKind::Sql {
        tracing::warn!(
            "{} is a plain SQL dump: it is restored as a test, but its rows cannot be compared",
            ready.reader.place()
        );
    } else if front.is_none() {
        tracing::warn!(
            "{} has no inventory: what is restored cannot be compared with it",
            ready.reader.place()
        );
    }
    let generated = generated(&ready.reader);
    let mut rehearsal = RehearsalRun { ready, front, how, run };
    let rehearsed = match &how.to {
        Some(conn) => {
            let mut target = run.or(rehearsal.open(conn, given)).await?;
            let rehearsed = run.or(rehearsal.restore(&mut target)).await;
            let rehearsed = rehearsed.map_err(|error| target.with_name_of_now(error));
            let dropped = target.drop_created().await;
            after(rehearsed, dropped)
        }
        None => {
            let mut cluster = Cluster::prepare(how.scratch.as_deref())?;
            let rehearsed = run.or(rehearsal.in_cluster(&mut cluster, given.unwrap_or(&generated))).await;
            let removed = cluster.remove().await;
            after(rehearsed, removed)
        }
    };
    let mut rehearsed = rehearsed?;
    rehearsed.left_out.extend(of_extensions);
    Ok((rehearsal.ready.reader, rehearsed))
}

/// The first error is the one to report; a failure to tidy up becomes a warning.
fn after(rehearsed: Result<Rehearsed>, tidied: Result<()>) -> Result<Rehearsed> {
    match (rehearsed, tidied) {
        (Ok(rehearsed), Ok(())) => Ok(rehearsed),
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
fn generated(reader: &BackupReader) -> String {
    format!("{TRIAL}{}", reader.place().id.to_string().to_lowercase().replace('-', "_"))
}

/// The header and the table of contents of what is restored, if that is known.
fn front(ready: &ReadyBackup) -> Result<Option<Preamble>> {
    ready.held().map(|held| Preamble::read(&held.archive.preamble)).transpose()
}

/// What a rehearsal needs.
struct RehearsalRun<'a> {
    ready: ReadyBackup,
    front: Option<Preamble>,
    how: &'a Rehearsal,
    run: &'a Run,
}

impl RehearsalRun<'_> {
    /// Reaches the user's server, on which the database must not exist. Without a name it gets one that has the moment in
    /// it, so that one which a killed run left is in nobody's way.
    async fn open(&self, conn: &ConnInfo, given: Option<&str>) -> Result<Target> {
        let naming = match given {
            Some(_) => Naming::AtOnce,
            None => Naming::ForTrial,
        };
        let conn = conn.with_dbname(given.unwrap_or(&generated(&self.ready.reader)));
        let target = Target::open(self.ready.clients.newest()?, &conn, naming).await?;
        if target.exists() {
            return Err(Error::target_exists(format!("database {} exists", target.name())).hint(
                "verify --restore drops the database it restores into, so it must create it itself: leave the name out of --to",
            ));
        }
        // What was restored will be dumped again.
        self.ready.clients.for_dump(target.version())?;
        Ok(target)
    }

    async fn in_cluster(&mut self, cluster: &mut Cluster, database: &str) -> Result<Rehearsed> {
        let (dumped, dumped_by) = self.dumped();
        let server = self.ready.clients.for_cluster(dumped, dumped_by)?;
        let postgres = self.ready.reader.backup.manifest.postgres.as_ref();
        let size = postgres.and_then(|postgres| postgres.database_bytes).unwrap_or_default();
        if let Some(free) = cluster.free_space().filter(|free| *free < size) {
            tracing::warn!(
                "the temporary cluster has room for {}, and the database had {}: name a larger folder with --scratch",
                BinaryBytes(free),
                BinaryBytes(size)
            );
        }
        self.run.say(format!("starting a temporary cluster of PostgreSQL {}", server.version));
        let mut settings = self.locks();
        let encoding = self.encoding();
        self.run.step("start-cluster", cluster.start(server, &settings, &encoding)).await?;
        if let Some(Preamble { toc, .. }) = &self.front {
            let extensions: Vec<String> = toc.extensions().map(Cow::into_owned).collect();
            let (lacking, there): (Vec<String>, Vec<String>) = {
                let lacking = cluster.lacks(server, &extensions).await?;
                extensions.into_iter().partition(|name| lacking.contains(name))
            };
            // The others are left out, as a restore on this server would leave them out.
            let lacking: Vec<String> = lacking.into_iter().filter(|name| !may_be_left_out(name)).collect();
            if !lacking.is_empty() {
                let what =
                    format!("PostgreSQL {} here lacks the extensions {}", server.version, lacking.join(", "));
                return Err(Error::settings(what)
                    .hint("install them, or verify on a server with --to")
                    .hint("or leave them out, with what needs them: --exclude-extension NAME"));
            }
            let loading = preload::settings(&there, database);
            if !loading.is_empty() {
                settings.extend(loading);
                let next = Cluster::prepare(self.how.scratch.as_deref())?;
                std::mem::replace(cluster, next).remove().await?;
                cluster.start(server, &settings, &encoding).await?;
            }
            let text = |roles: BTreeSet<Vec<u8>>| -> Vec<String> {
                roles.into_iter().filter_map(|role| toc.text(&role).map(Cow::into_owned)).collect()
            };
            cluster.create_roles(server, &text(toc.roles()), &text(toc.superusers())).await?;
        }
        if self.ready.reader.kind() == BackupKind::Sql {
            let roles = self.roles_of_script().await?;
            cluster.create_roles(server, &roles, &roles).await?;
        }
        let mut target = Target::open(server, &cluster.conn(database), Naming::AtOnce).await?;
        self.restore(&mut target).await
    }

    /// The versions of the server that was dumped, and of the `pg_dump` that did it.
    fn dumped(&self) -> (Version, Version) {
        let postgres = self.ready.reader.backup.manifest.postgres.as_ref();
        let version =
            |text: fn(&Postgres) -> &str| postgres.and_then(|postgres| Version::parse(text(postgres)));
        let dumped_by = version(|postgres| &postgres.pg_dump_version).unwrap_or_default();
        (version(|postgres| &postgres.server_version).unwrap_or(dumped_by), dumped_by)
    }

    /// What the temporary cluster gets for `max_locks_per_transaction`, if the usual is not enough; it is reported.
    fn locks(&self) -> Vec<String> {
        let is_locked = |entry: &&TocEntry| {
            use EntryKind::{MaterializedView, Sequence, Table, View};
            matches!(entry.kind(), Table | View | MaterializedView | Sequence)
        };
        let count = |front: &Preamble| front.toc.entries().iter().filter(is_locked).count() as u64;
        let Some((locks, why)) = locks_for(self.front.as_ref().map_or(0, count)) else { return Vec::new() };
        self.run.say(why);
        vec![format!("max_locks_per_transaction={locks}")]
    }

    /// Reads a plain dump once for the roles it names, which nothing else tells.
    async fn roles_of_script(&self) -> Result<Vec<String>> {
        self.run.say("finding the roles it needs");
        let mut watch = RolesWatch(NamedRoles::default());
        let following = self.run.follow(&self.ready.reader.progress);
        self.ready.reader.shown_to(&mut watch).await?;
        drop(following);
        self.ready.reader.progress.begin_again();
        Ok(watch.0.finish())
    }

    /// The encoding of the database that will be restored. Roles are made in another one, and their names are the same bytes
    /// only if that has the same.
    fn encoding(&self) -> String {
        let statement = self.front.as_ref().and_then(|front| front.toc.create_database());
        let locale = statement.map(|statement| Locale::from_create_database(&statement));
        locale.and_then(|locale| locale.encoding).unwrap_or_else(|| "UTF8".to_owned())
    }

    /// The restore, and all that is asked about it afterwards.
    async fn restore(&mut self, target: &mut Target) -> Result<Rehearsed> {
        self.check_timescaledb(target).await?;
        // As a restore on this server would leave them out.
        let fitted = self.ready.fit_extensions(Profile::Auto, target).await?;
        self.front = front(&self.ready)?;
        let own_cluster = self.how.to.is_none();
        let (dumped, dumped_by) = self.dumped();
        let versions = Versions { dumped, dumped_by, cluster: target.version() };
        let fitting = &mut self.ready.request.fitting;
        // Materialized views may look at servers that are not reached from here: they come afterwards.
        fitting.skip_refresh = self.front.is_some();
        fitting.search_path.clone_from(&self.how.search_path);
        self.ready.request.fitting.options = self.options();
        self.ready.request.fitting.trial = true;
        let (ready, run) = (&self.ready, self.run);
        run.say(format!("restoring {} into {}", ready.reader.place(), target.called()));
        let started = Instant::now();
        let filled = run
            .step("fill", ready.fill(target, run))
            .await
            .map_err(|e| if own_cluster { blame(e, versions) } else { refused(e) })?;
        let not_refreshed = self.refresh(target).await;
        target.analyze().await;
        let took = started.elapsed();
        run.say(format!("restored in {}", age(took)));

        let proof = run.step("prove", ready.prove(target, &filled, run)).await?;
        let (mut objects, mut catalog_differences) = Default::default();
        if let (Some(held), Some(front)) = (ready.held(), &self.front) {
            let encoding = &held.archive.encoding;
            let found = redump::table_of_contents(target, &ready.clients, encoding).await?;
            (objects, catalog_differences) = catalog::compare(&filled.plan.came(front).toc, &found);
        }
        Ok(Rehearsed {
            server_version: target.server().version_text.clone(),
            own_cluster,
            restore_s: took.as_secs_f64(),
            proof,
            objects,
            catalog_differences,
            checks: self.checks(target).await?,
            left_out: filled.plan.left_out.clone(),
            extensions_left_out: fitted.extensions.into_iter().map(|one| one.name).collect(),
            rows_left_out: fitted.rows,
            not_refreshed,
            tables: filled.tables,
            rows: filled.rows,
        })
    }

    /// Refuses a server whose TimescaleDB is not the one that the backup is of: nothing is known of the backup then.
    async fn check_timescaledb(&self, target: &Target) -> Result<()> {
        let Some(version) = self.ready.held().and_then(|held| version_of_timescaledb(&held.extensions))
        else {
            return Ok(());
        };
        match target.versions_of(TIMESCALEDB).await? {
            (Some(usual), _) if usual != version => Err(Error::settings(format!(
                "the backup is of TimescaleDB {version}, and the server for the trial has {usual}"
            ))
            .hint("verify on a server with the same version, with --to")),
            _ => Ok(()),
        }
    }

    /// Fills the materialized views; returns those that could not be, which may be due to where this is.
    async fn refresh(&self, target: &Target) -> Vec<String> {
        let Some(front) = &self.front else { return Vec::new() };
        let views = front.toc.of_kind(EntryKind::MaterializedViewData);
        let mut failed = Vec::new();
        for view in views {
            let (_, schema, name) = view.identity();
            let Some(name) = schema_and_name(&front.toc, schema, name) else {
                failed.push(format!("{}: its name is not valid in the encoding of the dump", view.label()));
                continue;
            };
            if let Err(error) = target.refresh(&name).await {
                let failure = format!("{}: {error}", view.label());
                tracing::warn!(
                    "not refreshed, which may be due to this server and not to the backup: {failure}"
                );
                failed.push(failure);
            }
        }
        failed
    }

    /// How `pg_restore` treats the backup; a plain dump is run as it is.
    fn options(&self) -> PgRestoreOptions {
        if self.ready.reader.kind() == BackupKind::Sql {
            return PgRestoreOptions::default();
        }
        // Roles belong to a whole server: on somebody's, none is made, and without a table of contents
        // beforehand none can be.
        let no_roles = self.how.to.is_some() || self.ready.held().is_none();
        PgRestoreOptions {
            no_owner: no_roles,
            no_acl: no_roles,
            // A subscription would tie the database down, and tablespaces are folders of another machine.
            extra: vec!["--no-subscriptions".into(), "--no-tablespaces".into()],
            ..PgRestoreOptions::default()
        }
    }

    async fn checks(&self, target: &Target) -> Result<Vec<Check>> {
        let psql = Psql::new(self.ready.clients.newest()?, &target.conn_of_anybody());
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
}

/// A relation's name as SQL, if it can be read.
fn schema_and_name(toc: &Toc, schema: &[u8], name: &[u8]) -> Option<String> {
    let [schema, name] = [toc.text(schema)?, toc.text(name)?];
    Some(format!("{}.{}", identifier(&schema), identifier(&name)))
}

/// An answer for a message: quoted, and not too long.
fn shortened(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let start: String = text.trim_end().chars().take(60).collect();
    match (start.is_empty(), start.len() < text.trim_end().len()) {
        (true, _) => "nothing".to_owned(),
        (_, true) => format!("{start:?} and more"),
        _ => format!("{start:?}"),
    }
}
