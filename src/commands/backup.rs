//! `pgstow backup`: one database into the store, encrypted, visible only when it is whole.

use super::list::age;
use super::neon;
use super::shrink::Before;
use super::watch::ArchiveWatch;
use crate::archive::Contents;
use crate::error::{Error, Kind, Result};
use crate::inventory::Inventory;
use crate::manifest::{self, Compression, Globals, Manifest, Object, Totals};
use crate::names::{Id, MANIFEST, Name, Place, SIGNATURE, Timestamp};
use crate::pipeline::keys::Recipients;
use crate::pipeline::{self, FRAME, Pack, Packed, Tally, seal};
use crate::postgres::clients::Clients;
use crate::postgres::dump::dump;
use crate::postgres::{Client, Psql, Server};
use crate::progress::Progress;
use crate::report::Report;
use crate::settings::{self, Encryption};
use crate::signal::Stop;
use crate::store::{Metadata, Situation, Store};
use crate::upload::{self, Uploading};
use indicatif::BinaryBytes;
use serde_json::json;
use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What `manifest.json` says of the program that wrote it.
const TOOL: &str = concat!("pgstow ", env!("CARGO_PKG_VERSION"));

/// How long a store may take, after a signal, to say that it has begun the upload we no longer want.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Runs `pgstow backup`.
pub async fn run(mut settings: settings::Backup, report: &Report, stop: &Stop) -> Result<()> {
    let Some(neon) = settings.neon.take() else { return database(&settings, report, stop).await };
    let source = neon::source(&neon, report, stop).await?;
    settings.connection = source.conn.clone();
    let done = database(&settings, report, stop).await;
    source.close(report).await;
    done
}

/// Backs the database up that the settings connect to.
async fn database(settings: &settings::Backup, report: &Report, stop: &Stop) -> Result<()> {
    let run = stop.or(Run::prepare(settings)).await?;
    report.say(format!(
        "backing up {} (PostgreSQL {}, {}) as {}",
        run.server.database,
        run.server.version_text,
        BinaryBytes(run.server.size_bytes),
        run.place
    ));

    let following = report.follow(&run.progress);
    let shipped = run.ship(stop).await;
    drop(following);
    // The dump is in the store; what is left takes a moment and is not interrupted, so that the exit
    // code and the store never disagree on whether there is a backup.
    let Shipped { dump, inventory, read_back } = shipped?;
    let manifest = run.publish(dump, &inventory).await?;
    say_done(report, &manifest, read_back)
}

/// One run of `backup`, with everything decided before the first byte moves.
struct Run<'a> {
    settings: &'a settings::Backup,
    started_at: Timestamp,
    store: Arc<dyn Store>,
    client: Client,
    server: Server,
    place: Place,
    before: Option<Before>,
    part_size: u64,
    progress: Progress,
}

/// A dump that is in the store, whole, and not yet a backup.
struct Shipped {
    dump: Object,
    inventory: Inventory,
    /// Whether size and checksum were asked for again afterwards.
    read_back: bool,
}

impl<'a> Run<'a> {
    async fn prepare(settings: &'a settings::Backup) -> Result<Self> {
        settings.dump.check()?;
        let clients = Clients::find(&settings.clients).await?;
        let server = Server::inspect(&Psql::new(clients.newest()?, &settings.connection)).await?;
        if !settings.allow_pooled {
            server.refuse_pooler()?;
        }
        server.check_dump(settings.dump.is_filtered())?;
        let client = clients.for_dump(server.version())?.clone();
        let store = super::open(&settings.store).await?;
        let name = match &settings.name {
            Some(name) => name.clone(),
            None => Name::of_database(&server.database)?,
        };
        let part_size = upload::part_size(store.limits(), Some(server.size_bytes), settings.part_size)?;
        let before = before(settings, &store, &name).await?;
        if settings.check_space {
            enough_space(&*store, before.as_ref(), server.size_bytes).await?;
        }
        let started_at = Timestamp::now();
        let place = Place { name, id: Id::new(started_at)? };
        let progress = Progress { expected: Some(server.size_bytes), ..Progress::default() };
        Ok(Self { settings, started_at, store, client, server, place, before, part_size, progress })
    }

    fn recipients(&self) -> Option<&Arc<Recipients>> {
        match &self.settings.encryption {
            Encryption::To(recipients) => Some(recipients),
            Encryption::None => None,
        }
    }

    /// The file name of an object of this backup.
    fn object(&self, what: &str) -> String {
        format!("{what}.zst{}", if self.recipients().is_some() { ".age" } else { "" })
    }

    fn dump(&self) -> String {
        self.object("dump")
    }

    fn inventory(&self) -> String {
        self.object("inventory.json")
    }

    /// Streams the dump into the store. Either the object is complete and as we sent it, or the
    /// upload is aborted and the first error is returned.
    async fn ship(&self, stop: &Stop) -> Result<Shipped> {
        let (key, metadata) = (self.place.key(&self.dump()), self.metadata());
        let upload = self.begin(&key, &metadata, stop).await?;
        let whole = async {
            let (packed, contents) = self.stream(&upload).await?;
            let stored = upload.complete(packed.stored.bytes).await?;
            Ok(Shipped {
                dump: object(self.dump(), &packed.plain, &packed.stored, stored.checksum),
                inventory: Inventory::new(contents, &packed.frames),
                read_back: stored.read_back,
            })
        };
        let outcome = stop.or(whole).await;
        if outcome.is_err() {
            // The first error is the one to report; what tidying up meets is said beside it.
            if let Err(second) = upload.abort().await {
                tracing::warn!("{second}");
            }
        }
        outcome
    }

    /// Begins the upload. Where a signal comes in the meantime the store may have begun it all the
    /// same: its answer is awaited then, so that the upload can be aborted.
    async fn begin(&self, key: &str, metadata: &Metadata, stop: &Stop) -> Result<Uploading> {
        let mut beginning = pin!(Uploading::begin(&*self.store, key, metadata, self.part_size));
        let begun = stop.or(beginning.as_mut()).await;
        if let Err(Kind::Interrupted | Kind::Terminated) = begun.as_ref().map_err(Error::kind)
            && let Ok(Ok(upload)) = tokio::time::timeout(LAST_WAIT, beginning).await
            && let Err(second) = upload.abort().await
        {
            tracing::warn!("{second}");
        }
        begun
    }

    /// The way of a backup: pg_dump → archive reader → frames → compress → encrypt → parts → store.
    async fn stream(&self, upload: &Uploading) -> Result<(Packed, Contents)> {
        let pg_dump = dump(&self.client, &self.settings.connection, &self.settings.dump)?;
        let mut watch = ArchiveWatch::with_digests(self.progress.clone());
        let (parts, parts_to_send) = mpsc::channel(1);
        let pack = Pack {
            level: self.settings.compression_level,
            recipients: self.recipients().cloned(),
            part_size: usize::try_from(self.part_size)
                .map_err(|e| Error::usage("such parts do not fit into memory").because(e))?,
            frame_size: FRAME,
            workers: self.settings.workers,
            progress: Arc::clone(&self.progress.plain),
        };
        let (packed, sent) = tokio::try_join!(
            pipeline::pack(pg_dump, &mut watch, pack, parts),
            upload.send(parts_to_send, self.settings.uploads, Arc::clone(&self.progress.stored)),
        )?;
        // pg_dump exited 0, or its reader would have failed; now the archive has to be complete too.
        let contents = watch.finish()?;
        if sent.bytes != packed.stored.bytes {
            return Err(Error::unexpected(format!(
                "{} bytes were made and {} sent",
                packed.stored.bytes, sent.bytes
            )));
        }
        Ok((packed, contents))
    }

    /// What is known when the upload begins.
    fn metadata(&self) -> Metadata {
        [
            ("format", manifest::FORMAT.to_string()),
            ("id", self.place.id.to_string()),
            ("name", self.place.name.to_string()),
            ("kind", "postgres".to_owned()),
            ("started-at", self.started_at.to_string()),
            ("server-version", self.server.version_text.clone()),
            ("pg-dump-version", self.client.version.to_string()),
            ("compression", "zstd".to_owned()),
            ("encryption", if self.recipients().is_some() { "age" } else { "none" }.to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// Inventory, signature, manifest: from here on the backup exists.
    ///
    /// What was stored is taken back when that fails, so that nothing is left behind.
    async fn publish(&self, dump: Object, inventory: &Inventory) -> Result<Manifest> {
        let theirs = Cell::new(false);
        let put = async |object: &str, bytes: Vec<u8>| {
            let put = self.store.put_new(&self.place.key(object), bytes.into()).await;
            put.inspect_err(|e| theirs.set(e.situation() == Situation::Exists))
        };
        let written = async {
            self.compare_with_last(inventory)?;
            let (name, plain) = (self.inventory(), inventory.to_bytes()?);
            let plain_tally = Tally::of(&plain);
            let sealed = seal(plain, self.settings.compression_level, self.recipients().cloned()).await?;
            let stored_tally = Tally::of(&sealed);
            let stored = put(&name, sealed).await?;
            let inventory_object = object(name, &plain_tally, &stored_tally, stored.checksum);
            let manifest = self.describe(vec![dump, inventory_object], inventory.totals());
            let bytes = manifest.to_bytes()?;
            if let Some(key) = &self.settings.signing {
                let signature = key.sign(&bytes, &format!("pgstow {}", self.place))?;
                put(SIGNATURE, signature.into()).await?;
            }
            put(MANIFEST, bytes).await?;
            Ok(manifest)
        };
        let written: Result<Manifest> = written.await;
        if written.is_err() && !theirs.get() {
            self.take_back().await;
        }
        written
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

    fn describe(&self, objects: Vec<Object>, totals: Totals) -> Manifest {
        Manifest {
            format: manifest::FORMAT,
            id: self.place.id.clone(),
            name: self.place.name.clone(),
            kind: manifest::Kind::Postgres,
            tool: TOOL.to_owned(),
            started_at: self.started_at,
            finished_at: Timestamp::now(),
            postgres: Some(manifest::Postgres {
                server_version: self.server.version_text.clone(),
                pg_dump_version: self.client.version.to_string(),
                database_bytes: self.server.size_bytes,
            }),
            totals: Some(totals),
            compression: Compression::Zstd,
            encryption: match self.recipients() {
                Some(_) => manifest::Encryption::Age,
                None => manifest::Encryption::None,
            },
            recipients: self.recipients().map(|recipients| recipients.fingerprints()).unwrap_or_default(),
            objects,
            globals: Globals::NotTaken,
            labels: self.settings.labels.clone(),
        }
    }

    /// Removes what was stored of a backup that did not come to be, where the key may.
    ///
    /// The manifest goes first: it may be there, if only the answer to writing it was lost, and a
    /// manifest without its dump would be worse than either.
    async fn take_back(&self) {
        for object in [MANIFEST, SIGNATURE, &self.inventory(), &self.dump()] {
            if let Err(error) = self.store.delete(&self.place.key(object)).await {
                tracing::warn!(
                    "what was stored of {} stays there, and is no backup without its manifest: {error}",
                    self.place
                );
                return;
            }
        }
    }
}

fn object(key: String, plain: &Tally, stored: &Tally, store_checksum: Option<String>) -> Object {
    Object {
        key,
        stored_bytes: stored.bytes,
        stored_sha256: hex::encode(stored.sha256),
        store_checksum,
        plain_bytes: plain.bytes,
        plain_sha256: hex::encode(plain.sha256),
    }
}

/// What the last backup held, where there is one that can be read.
async fn before(settings: &settings::Backup, store: &Arc<dyn Store>, name: &Name) -> Result<Option<Before>> {
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

/// Refuses to begin what the store cannot hold, where it can tell.
async fn enough_space(store: &dyn Store, before: Option<&Before>, database_bytes: u64) -> Result<()> {
    // A store that is not there yet will say so itself when the upload begins.
    let Ok(Some(free)) = store.free_space().await else { return Ok(()) };
    // The last backup is the best guess; without one, a fifth of the database is what dumps of
    // ordinary data come to.
    let expected = before.map_or(database_bytes / 5, |before| before.stored_bytes);
    if free >= expected {
        return Ok(());
    }
    Err(Error::store(format!(
        "the store has {} free, and the backup will take about {}",
        BinaryBytes(free),
        BinaryBytes(expected)
    ))
    .hint("make room, or begin all the same with --no-space-check"))
}

fn say_done(report: &Report, manifest: &Manifest, read_back: bool) -> Result<()> {
    let plain = manifest.dump()?.plain_bytes;
    let Totals { tables, rows } = manifest.totals.unwrap_or_default();
    report.say(format!(
        "stored {} of {}: {tables} tables, {rows} rows, {} of dump in {} stored, {}",
        manifest.id,
        manifest.name,
        BinaryBytes(plain),
        BinaryBytes(manifest.stored_bytes()),
        age(manifest.duration()),
    ));
    if !read_back {
        report.say("the key may not read: size and checksum are those the store gave on completion");
    }
    report.answer(
        &manifest.id,
        &json!({
            "id": manifest.id,
            "name": manifest.name,
            "objects": manifest.objects,
            "plain_bytes": plain,
            "stored_bytes": manifest.stored_bytes(),
            "duration_s": manifest.duration().as_secs_f64(),
            "tables": tables,
            "rows": rows,
            "read_back": read_back,
        }),
    )
}
