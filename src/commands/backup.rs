//! `pgstow backup`: one database into the store, encrypted, visible only when it is whole.

use super::list::age;
use super::watch::ArchiveWatch;
use crate::archive::Contents;
use crate::catalogue;
use crate::error::{Error, Kind, Result};
use crate::manifest::{self, Compression, Globals, Manifest, Object};
use crate::names::{Id, MANIFEST, Name, Place, SIGNATURE, Timestamp};
use crate::pipeline::keys::Recipients;
use crate::pipeline::{self, FRAME, Pack, Packed};
use crate::postgres::clients::Clients;
use crate::postgres::dump::dump;
use crate::postgres::{Client, Psql, Server};
use crate::progress::Progress;
use crate::report::Report;
use crate::settings::{self, Encryption};
use crate::signal::Stop;
use crate::signing::SigningKey;
use crate::store::{Metadata, Situation, Store, Stored};
use crate::upload::{self, Uploading};
use indicatif::BinaryBytes;
use serde_json::json;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What `manifest.json` says of the program that wrote it.
const TOOL: &str = concat!("pgstow ", env!("CARGO_PKG_VERSION"));

/// How long a store may take, after a signal, to say that it has begun the upload we no longer want.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Runs `pgstow backup`.
pub async fn run(settings: settings::Backup, report: &Report, stop: &Stop) -> Result<()> {
    let run = stop.or(Run::prepare(&settings)).await?;
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
    let shipped = shipped?;

    let manifest = run.describe(&shipped);
    // Everything is in the store; what is left takes a moment and is not interrupted, so that the
    // exit code and the store never disagree on whether there is a backup.
    publish(&*run.store, &run.place, &manifest, settings.signing.as_ref()).await?;
    say_done(report, &manifest, &shipped)
}

/// One run of `backup`, with everything decided before the first byte moves.
struct Run<'a> {
    settings: &'a settings::Backup,
    started_at: Timestamp,
    store: Arc<dyn Store>,
    client: Client,
    server: Server,
    place: Place,
    part_size: u64,
    progress: Progress,
}

/// A dump that is in the store, whole, and not yet a backup.
struct Shipped {
    packed: Packed,
    stored: Stored,
    contents: Contents,
    finished_at: Timestamp,
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
        if settings.check_space {
            enough_space(&store, &name, server.size_bytes).await?;
        }
        let started_at = Timestamp::now();
        let place = Place { name, id: Id::new(started_at)? };
        let progress = Progress { expected: Some(server.size_bytes), ..Progress::default() };
        Ok(Self { settings, started_at, store, client, server, place, part_size, progress })
    }

    fn recipients(&self) -> Option<&Arc<Recipients>> {
        match &self.settings.encryption {
            Encryption::To(recipients) => Some(recipients),
            Encryption::None => None,
        }
    }

    fn object(&self) -> &'static str {
        if self.recipients().is_some() { "dump.zst.age" } else { "dump.zst" }
    }

    fn object_key(&self) -> String {
        self.place.key(self.object())
    }

    /// Streams the dump into the store. Either the object is complete and as we sent it, or the
    /// upload is aborted and the first error is returned.
    async fn ship(&self, stop: &Stop) -> Result<Shipped> {
        let (key, metadata) = (self.object_key(), self.metadata());
        let upload = self.begin(&key, &metadata, stop).await?;
        let whole = async {
            let (packed, contents) = self.stream(&upload).await?;
            let stored = upload.complete(packed.stored.bytes).await?;
            Ok(Shipped { packed, stored, contents, finished_at: Timestamp::now() })
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
        let mut watch = ArchiveWatch::new(self.progress.clone());
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
            ("pgstow-format", manifest::FORMAT.to_string()),
            ("pgstow-id", self.place.id.to_string()),
            ("pgstow-name", self.place.name.to_string()),
            ("pgstow-kind", "postgres".to_owned()),
            ("pgstow-started-at", self.started_at.to_string()),
            ("pgstow-server-version", self.server.version_text.clone()),
            ("pgstow-pg-dump-version", self.client.version.to_string()),
            ("pgstow-compression", "zstd".to_owned()),
            ("pgstow-encryption", if self.recipients().is_some() { "age" } else { "none" }.to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    fn describe(&self, shipped: &Shipped) -> Manifest {
        Manifest {
            format: manifest::FORMAT,
            id: self.place.id.clone(),
            name: self.place.name.clone(),
            kind: manifest::Kind::Postgres,
            tool: TOOL.to_owned(),
            started_at: self.started_at,
            finished_at: shipped.finished_at,
            postgres: Some(manifest::Postgres {
                server_version: self.server.version_text.clone(),
                pg_dump_version: self.client.version.to_string(),
                database_bytes: self.server.size_bytes,
            }),
            compression: Compression::Zstd,
            encryption: match self.recipients() {
                Some(_) => manifest::Encryption::Age,
                None => manifest::Encryption::None,
            },
            recipients: self.recipients().map(|recipients| recipients.fingerprints()).unwrap_or_default(),
            objects: vec![Object {
                key: self.object().to_owned(),
                stored_bytes: shipped.packed.stored.bytes,
                stored_sha256: hex::encode(shipped.packed.stored.sha256),
                store_checksum: shipped.stored.checksum.clone(),
                plain_bytes: shipped.packed.plain.bytes,
                plain_sha256: hex::encode(shipped.packed.plain.sha256),
            }],
            globals: Globals::NotTaken,
            labels: self.settings.labels.clone(),
        }
    }
}

/// Signature, then manifest: from here on the backup exists.
///
/// What was stored is taken back when that fails, so that nothing is left behind.
async fn publish(
    store: &dyn Store,
    place: &Place,
    manifest: &Manifest,
    signing: Option<&SigningKey>,
) -> Result<()> {
    let bytes = manifest.to_bytes()?;
    let signature = signing.map(|key| key.sign(&bytes, &format!("pgstow {place}"))).transpose()?;
    let written = async {
        if let Some(signature) = signature {
            store.put_new(&place.key(SIGNATURE), signature.into()).await?;
        }
        store.put_new(&place.key(MANIFEST), bytes.into()).await
    };
    let Err(error) = written.await else { return Ok(()) };
    if error.situation() != Situation::Exists {
        take_back(store, place, manifest).await;
    }
    Err(error.into())
}

/// Removes what was stored of a backup that did not come to be, where the key may.
///
/// The manifest goes first: it may be there, if only the answer to writing it was lost, and a
/// manifest without its dump would be worse than either.
async fn take_back(store: &dyn Store, place: &Place, manifest: &Manifest) {
    let objects = manifest.objects.iter().map(|object| object.key.as_str());
    for key in [MANIFEST, SIGNATURE].into_iter().chain(objects).map(|object| place.key(object)) {
        if let Err(error) = store.delete(&key).await {
            tracing::warn!(
                "what was stored of {place} stays there, and is no backup without its manifest: {error}"
            );
            return;
        }
    }
}

/// Refuses to begin what the store cannot hold, where it can tell.
async fn enough_space(store: &Arc<dyn Store>, name: &Name, database_bytes: u64) -> Result<()> {
    // A store that is not there yet will say so itself when the upload begins.
    let Ok(Some(free)) = store.free_space().await else { return Ok(()) };
    // The last backup is the best guess; without one, a fifth of the database is what dumps of
    // ordinary data come to.
    let known = catalogue::search(&**store, Some(name)).await.unwrap_or_default();
    let last = match known.last() {
        Some(found) => catalogue::read(store, found, None).await.ok(),
        None => None,
    };
    let expected = last.map_or(database_bytes / 5, |backup| backup.manifest.stored_bytes());
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

fn say_done(report: &Report, manifest: &Manifest, shipped: &Shipped) -> Result<()> {
    let (plain, stored) = (shipped.packed.plain.bytes, shipped.packed.stored.bytes);
    report.say(format!(
        "stored {} of {}: {} tables, {} rows, {} of dump in {} stored, {}",
        manifest.id,
        manifest.name,
        shipped.contents.tables(),
        shipped.contents.rows(),
        BinaryBytes(plain),
        BinaryBytes(stored),
        age(manifest.duration()),
    ));
    if !shipped.stored.read_back {
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
            "tables": shipped.contents.tables(),
            "rows": shipped.contents.rows(),
            "read_back": shipped.stored.read_back,
        }),
    )
}
