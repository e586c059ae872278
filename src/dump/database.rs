//! One database: `pg_dump`'s archive, with its inventory and the server's roles.

use super::announce;
use super::checks::{self, Besides};
use super::look::is_without_tables;
use super::reading::Reading;
use super::request::DumpRequest;
use crate::archive::TIMESCALEDB;
use crate::branch;
use crate::consistent::Dumping;
use crate::error::{Kind, Result};
use crate::layout::FrameSpan;
use crate::postgres::clients::Clients;
use crate::postgres::globals::globals;
use crate::postgres::lock::Lock;
use crate::postgres::{Client, DumpOptions, Psql, Server, refuse_shared_backends};
use crate::run::Run;
use crate::stored::format::inventory::Inventory;
use crate::stored::format::manifest::{self, Globals};
use crate::stored::format::names::Timestamp;
use crate::stored::upload;
use crate::stored::watch::ArchiveWatch;
use crate::stored::write::compare::Before;
use crate::stored::write::destinations::{Destinations, enough_space};
use crate::stored::write::writer::{BackupWriter, Content, SideObjects, StoredBackup, WriteOptions};
use indicatif::BinaryBytes;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::OnceCell;

/// The server's roles as SQL, or why there are none.
type Roles = (Globals, Option<Vec<u8>>);

/// Backs up one database; on Neon it is looked up first, or a branch is made to dump from.
pub async fn back_up_one(request: &DumpRequest, writing: &WriteOptions, run: &Run) -> Result<StoredBackup> {
    let Some(neon) = &request.neon else { return back_up(request, writing, run).await };
    let source = branch::source(neon, run).await?;
    let there = DumpRequest { connection: source.conn.clone(), ..request.clone() };
    let done = back_up(&there, writing, run).await;
    source.close(run).await;
    done
}

/// Backs one database up, with the roles that its server has now.
pub async fn back_up(database: &DumpRequest, writing: &WriteOptions, run: &Run) -> Result<StoredBackup> {
    let dumping = run.step("prepare", run.or(Dump::prepare(database, writing))).await?;
    run.say(format!(
        "backing up {} (PostgreSQL {}, {}) as {}",
        dumping.server.database,
        dumping.server.version_text,
        BinaryBytes(dumping.server.size_bytes),
        dumping.writer.place
    ));
    if database.connection.database().is_none() && dumping.server.database == dumping.server.login {
        run.say(format!("no database was named: libpq takes the user's name, {}", dumping.server.login));
    }
    let Dump { client, psql, options, server, .. } = &dumping;
    let left = dumping.lock.besides(server.sessions_left);
    let (source, may_hold) = (Dumping { client, psql, options, left }, !database.allow_pooled);
    let reading = Reading::start(source, server, database.sessions, may_hold, run);
    let (reading, archive) = run.or(reading).await?;
    let watch = ArchiveWatch::with_digests(dumping.writer.progress.clone());
    let roles = OnceCell::new();
    let judge = async |watch, frames: &[FrameSpan]| dumping.judge(watch, frames, &reading, &roles).await;
    let reading_roles = async {
        // While rows are read, as it takes many round trips. After that where sessions are counted, and if it fails now.
        let passwords = database.role_passwords;
        if left.is_none()
            && let Err(why) = roles.get_or_try_init(|| dumping.read_roles(passwords)).await
        {
            tracing::debug!("the roles are not read yet: {why}");
        }
        pending().await
    };
    let mut stored = tokio::select! {
        stored = dumping.writer.deliver(archive, watch, judge, run) => stored,
        never = reading_roles => never,
        never = reading.check_early(psql) => match never {},
    }?;
    stored.before = dumping.before.as_ref().map(Before::held);
    announce(&stored, run);
    Ok(stored)
}

/// One run, with everything decided before the first byte moves.
struct Dump<'a> {
    settings: &'a DumpRequest,
    client: Client,
    psql: Psql,
    server: Server,
    /// What `pg_dump` is given.
    options: DumpOptions,
    besides: Besides,
    before: Option<Before>,
    writer: BackupWriter<'a>,
    /// Held until the backup exists, or will not.
    lock: Lock,
}

impl<'a> Dump<'a> {
    async fn prepare(settings: &'a DumpRequest, writing: &'a WriteOptions) -> Result<Self> {
        settings.dump.check()?;
        let clients = Clients::find(&settings.clients).await?;
        let psql = Psql::new(clients.newest()?, &settings.connection).in_role(settings.dump.role());
        let server = Server::inspect(&psql).await?;
        if !settings.allow_pooled {
            server.refuse_pooler()?;
        }
        server.check_dump(settings.dump.is_filtered())?;
        let psql = if settings.allow_pooled { psql } else { server.as_usual(psql).await };
        let client = clients.for_backup(server.version())?.clone();
        let (mut lock, besides) = Self::first_session(&psql, &server, settings).await?;
        let stores = Arc::new(Destinations::open(&writing.destinations).await?);
        let name = checks::name(settings, &server)?;
        let options = checks::spelled(&psql, &settings.dump).await?;
        for store in stores.identities() {
            lock.of_backup(&store, name.as_str(), settings.wait).await?;
        }
        // Parts that cannot work are refused before the store is asked anything.
        upload::part_size(stores.limits()?, Some(server.size_bytes), writing.part_size)?;
        let like = (settings.dump.is_partial(), writing.signing.as_ref());
        // No sooner: a session of ours besides the lock's would hide from it that a pooler is in between.
        let source = async { Ok(checks::source(&psql, &server, settings).await) };
        let before = checks::before(settings.shrink, &stores, &name, like);
        let ((others, before), source) = tokio::try_join!(before, source)?;
        checks::clock(&others);
        let content = Content {
            kind: manifest::BackupKind::Postgres,
            postgres: Some(manifest::Postgres {
                server_version: server.version_text.clone(),
                pg_dump_version: client.version.to_string(),
                database_bytes: Some(server.size_bytes),
                source: source.clone(),
            }),
            expected: Some(server.size_bytes),
            started_at: Timestamp::now(),
            others,
        };
        let writer = BackupWriter::prepare(writing, Arc::clone(&stores), name, content).await?;
        checks::warn_of_another_source(before.as_ref(), source.as_ref());
        if writing.check_space {
            enough_space(&stores, checks::stored_bytes(before.as_ref(), &server)).await?;
        }
        Ok(Self { settings, client, psql, server, options, besides, before, writer, lock })
    }

    /// Opens the session for the locks, which holds none yet, and looks what the database has besides. If both reach the
    /// same backend, there is a pooler, which would keep a lock with a session that is not ours, and for ever.
    async fn first_session(psql: &Psql, server: &Server, settings: &DumpRequest) -> Result<(Lock, Besides)> {
        let left = server.sessions_left;
        let mut lock = if settings.allow_pooled { Lock::none() } else { Lock::open(psql, left).await? };
        let own = lock.backend().await?;
        let besides = checks::besides(psql, server, &settings.dump).await?;
        match own {
            Some(own) => {
                own.refuse(&besides.backend)?;
                lock.stays().await?;
            }
            None if settings.allow_pooled => {}
            None => refuse_shared_backends(psql, left).await?,
        }
        Ok((lock, besides))
    }

    /// `pg_dump` exited 0, or its reader would have failed; the archive has to be complete too.
    async fn judge(
        &self,
        watch: ArchiveWatch,
        frames: &[FrameSpan],
        reading: &Reading,
        roles: &OnceCell<Roles>,
    ) -> Result<SideObjects> {
        let contents = watch.finish()?;
        if self.settings.dump.is_filtered() && is_without_tables(&contents.toc) {
            tracing::warn!(
                "the backup defines no tables (--data-only, --section and the like): alone, it cannot be restored into a new database"
            );
        }
        if self.settings.dump.is_filtered()
            && self.besides.extensions.iter().any(|one| one.name == TIMESCALEDB)
        {
            tracing::warn!(
                "the database has TimescaleDB, whose hypertables have their rows in other tables: a backup of some tables has few or none of these rows, and cannot be restored as such"
            );
        }
        checks::warn_of_lost_event_triggers(&contents.toc);
        reading.check(&self.psql).await?;
        let mut inventory = Inventory::new(contents, frames);
        inventory.extensions.clone_from(&self.besides.extensions);
        let bytes = self.writer.progress.plain.load(Ordering::Relaxed);
        checks::compare_with_last(self.before.as_ref(), self.settings.shrink, Some(&inventory), bytes)?;
        let (globals_status, globals) = roles.get_or_init(|| self.roles()).await.clone();
        Ok(SideObjects {
            totals: inventory.totals(),
            inventory: Some(inventory),
            globals,
            globals_status,
            partial: self.settings.dump.is_partial(),
            left_out: self.besides.left_out,
        })
    }

    /// The server's roles. Where they cannot be read, it is said, and the backup goes on without them.
    async fn roles(&self) -> Roles {
        let mut roles = self.read_roles(self.settings.role_passwords).await;
        if let (Err(why), true) = (&roles, self.settings.role_passwords) {
            tracing::warn!(target: "pgstow::once", "the roles are stored without their passwords: {why}");
            roles = self.read_roles(false).await;
        }
        roles.unwrap_or_else(|why| {
            tracing::warn!(target: "pgstow::once", "the backup goes on without the server's roles: {why}");
            // A program that is missing says nothing of rights.
            let missing = why.kind() == Kind::Settings;
            (if missing { Globals::NotTaken } else { Globals::NotReadable }, None)
        })
    }

    /// Reads them, with their passwords or without.
    async fn read_roles(&self, passwords: bool) -> Result<Roles> {
        let sql = globals(&self.client, &self.settings.connection, &self.server.database, passwords).await?;
        Ok((Globals::Stored, Some(sql)))
    }
}
