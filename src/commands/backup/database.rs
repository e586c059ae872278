//! One database: `pg_dump`'s archive, with its inventory and the server's roles beside it.

use super::super::shrink::Before;
use super::super::watch::ArchiveWatch;
use super::shipment::{Beside, Content, Delivered, Shipment, enough_space};
use crate::error::{Error, Kind, Result};
use crate::inventory::Inventory;
use crate::manifest::{self, Globals};
use crate::names::{Name, Timestamp};
use crate::pipeline::FrameSpan;
use crate::postgres::clients::Clients;
use crate::postgres::dump::dump;
use crate::postgres::globals::globals;
use crate::postgres::lock::Lock;
use crate::postgres::{Client, Psql, Server};
use crate::report::Report;
use crate::settings::{self, Shipping};
use crate::signal::Stop;
use crate::store::Store;
use indicatif::BinaryBytes;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The server's roles, once they were read, or why there are none.
pub type Roles = OnceCell<(Globals, Option<Vec<u8>>)>;

/// Backs one database up. The `roles` of its server are read once, however many databases it has.
pub async fn back_up(
    database: &settings::Database,
    shipping: &Shipping,
    roles: &Roles,
    report: &Report,
    stop: &Stop,
) -> Result<Delivered> {
    let run = stop.or(Run::prepare(database, shipping)).await?;
    report.say(format!(
        "backing up {} (PostgreSQL {}, {}) as {}",
        run.server.database,
        run.server.version_text,
        BinaryBytes(run.server.size_bytes),
        run.shipment.place
    ));
    if database.connection.database().is_none() && run.server.database == run.server.user {
        report.say(format!("no database was named: libpq takes the user's name, {}", run.server.user));
    }
    let pg_dump = dump(&run.client, &database.connection, &database.dump)?;
    let watch = ArchiveWatch::with_digests(run.shipment.progress.clone());
    let judge = async |watch, frames: &[FrameSpan]| run.judge(watch, frames, roles).await;
    run.shipment.deliver(pg_dump, watch, judge, report, stop).await
}

/// One run, with everything decided before the first byte moves.
struct Run<'a> {
    settings: &'a settings::Database,
    client: Client,
    server: Server,
    before: Option<Before>,
    shipment: Shipment<'a>,
    /// Held until the backup exists, or will not.
    _lock: Option<Lock>,
}

impl<'a> Run<'a> {
    async fn prepare(settings: &'a settings::Database, shipping: &'a Shipping) -> Result<Self> {
        settings.dump.check()?;
        let clients = Clients::find(&settings.clients).await?;
        let psql = Psql::new(clients.newest()?, &settings.connection);
        let server = Server::inspect(&psql).await?;
        if !settings.allow_pooled {
            server.refuse_pooler()?;
        }
        server.check_dump(settings.dump.is_filtered())?;
        let client = clients.for_dump(server.version())?.clone();
        let store = super::super::open(&shipping.store).await?;
        let name = match &settings.name {
            Some(name) => name.clone(),
            None => Name::of_database(&server.database)?,
        };
        // A pooler would keep the lock with a session that is not ours, and for ever.
        let lock = match settings.allow_pooled {
            true => None,
            false => Some(Lock::take(&psql, &store.display_url(), name.as_str(), settings.wait).await?),
        };
        let content = Content {
            kind: manifest::Kind::Postgres,
            postgres: Some(manifest::Postgres {
                server_version: server.version_text.clone(),
                pg_dump_version: client.version.to_string(),
                database_bytes: Some(server.size_bytes),
            }),
            expected: Some(server.size_bytes),
            started_at: Timestamp::now(),
        };
        let shipment = Shipment::prepare(shipping, Arc::clone(&store), name, content)?;
        let before = before(settings, &store, &shipment.place.name).await?;
        if shipping.check_space {
            // The last backup is the best guess; without one, a fifth of the database is what dumps of
            // ordinary data come to.
            let expected = before.as_ref().map_or(server.size_bytes / 5, |before| before.stored_bytes);
            enough_space(&*store, expected).await?;
        }
        Ok(Self { settings, client, server, before, shipment, _lock: lock })
    }

    /// `pg_dump` exited 0, or its reader would have failed; the archive has to be complete too.
    async fn judge(&self, watch: ArchiveWatch, frames: &[FrameSpan], roles: &Roles) -> Result<Beside> {
        let inventory = Inventory::new(watch.finish()?, frames);
        self.compare_with_last(&inventory)?;
        let (globals_status, globals) = roles.get_or_init(|| self.globals()).await.clone();
        Ok(Beside {
            totals: inventory.totals(),
            inventory: Some(inventory),
            globals,
            globals_status,
            partial: self.settings.dump.is_filtered(),
        })
    }

    /// Says what lost many rows since the last backup, and fails where that was asked for.
    fn compare_with_last(&self, inventory: &Inventory) -> Result<()> {
        let Some(before) = &self.before else { return Ok(()) };
        let shrunk = self.settings.fail_shrink.map(|percent| before.shrunk(inventory, percent));
        if let Some(shrunk) = shrunk.filter(|shrunk| !shrunk.is_empty()) {
            return Err(Error::verify(format!("much is gone since {}: {}", before.id, shrunk.join("; ")))
                .hint("if that is right, back up once without --fail-shrink"));
        }
        for shrunk in before.shrunk(inventory, self.settings.warn_shrink) {
            tracing::warn!("much is gone since {}: {shrunk}", before.id);
        }
        Ok(())
    }

    /// Reads the server's roles. Where that cannot be, it is said, and the backup goes on without them.
    async fn globals(&self) -> (Globals, Option<Vec<u8>>) {
        let read =
            |passwords| globals(&self.client, &self.settings.connection, &self.server.database, passwords);
        let mut outcome = read(self.settings.role_passwords).await;
        if let (Err(why), true) = (&outcome, self.settings.role_passwords) {
            tracing::warn!("the roles are stored without their passwords: {why}");
            outcome = read(false).await;
        }
        match outcome {
            Ok(sql) => (Globals::Stored, Some(sql)),
            Err(why) => {
                tracing::warn!("the backup goes on without the server's roles: {why}");
                // A program that is missing says nothing of rights.
                let missing = why.kind() == Kind::Settings;
                (if missing { Globals::NotTaken } else { Globals::NotReadable }, None)
            }
        }
    }
}

/// What the last backup held, where there is one that can be read.
async fn before(
    settings: &settings::Database,
    store: &Arc<dyn Store>,
    name: &Name,
) -> Result<Option<Before>> {
    match Before::read(store, name).await {
        Err(error) if settings.fail_shrink.is_some() => {
            Err(error.hint("--fail-shrink compares with the last backup: the key must list and read it"))
        }
        // Most keys for backups may only write.
        Err(error) => {
            tracing::debug!("the last backup cannot be compared with: {error}");
            Ok(None)
        }
        Ok(before) => Ok(before),
    }
}
