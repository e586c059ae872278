//! The steps of every backup, in their order, whatever is in it: begin, stream, judge, complete; then the
//! objects next to the dump, the signature, and the manifest.
//!
//! Where the bytes come from, and whether they are whole, is for the callers to know.

use super::digest::Digest;
use super::opened::Location;
use super::signing::SigningKey;
use crate::error::{Error, Kind, Result};
use crate::layout::FrameSpan;
use crate::pipeline::keys::Recipients;
use crate::pipeline::{self, FRAME, Pack, Packed, Tally, Watch, seal};
use crate::progress::Progress;
use crate::run::Run;
use crate::store::{Metadata, Situation, Store};
use crate::stored::compare::Held;
use crate::stored::inventory::Inventory;
use crate::stored::manifest::{
    self, Compression, Encryption, Globals, LARGEST_GLOBALS, LeftOut, Manifest, Object, Postgres, TOOL,
    Totals,
};
use crate::stored::names::{Id, MANIFEST, Name, Place, SIGNATURE, Timestamp};
use crate::stored::upload::{self, Uploading};
use indicatif::BinaryBytes;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

/// How long a store may take, after a signal, to say that it has begun the upload we no longer want.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Where a backup goes, who can decrypt it, who signs it, and how it is written.
#[derive(Debug)]
pub struct WriteOptions {
    /// Where to.
    pub location: Location,
    /// Who can decrypt it; `None` if it is not encrypted, because the user asked for that by name.
    pub recipients: Option<Arc<Recipients>>,
    /// The key that signs its manifest.
    pub signing: Option<SigningKey>,
    /// Notes for the manifest.
    pub labels: BTreeMap<String, String>,
    /// zstd's level.
    pub compression_level: i32,
    /// The size of a part in bytes, if the user chose it.
    pub part_size: Option<u64>,
    /// Frames compressed at the same time.
    pub workers: usize,
    /// Parts uploaded at the same time.
    pub uploads: usize,
    /// Whether free space is checked first.
    pub check_space: bool,
}

/// What is known of a backup before its bytes move.
#[derive(Debug)]
pub struct Content {
    /// What it is.
    pub kind: manifest::BackupKind,
    /// The server it is from, where that is known.
    pub postgres: Option<Postgres>,
    /// About how many bytes will come, where that is known.
    pub expected: Option<u64>,
    /// When what it holds was so.
    pub started_at: Timestamp,
    /// Ids of this name that there are; of those of the same second it becomes the last.
    pub others: Vec<Id>,
}

/// What is stored with the dump.
#[derive(Debug, Default)]
pub struct SideObjects {
    /// What the dump holds, table by table.
    pub inventory: Option<Inventory>,
    /// How much it holds, where that is for everyone to know.
    pub totals: Option<Totals>,
    /// Roles and memberships, as SQL.
    pub globals: Option<Vec<u8>>,
    /// Why there are roles, or none.
    pub globals_status: Globals,
    /// Whether options left a part of the database out.
    pub partial: bool,
    /// What could not be read.
    pub left_out: LeftOut,
}

impl SideObjects {
    /// Refuses what no reader would take.
    fn check_size(&self) -> Result<()> {
        match self.globals.as_ref().map(|sql| sql.len() as u64) {
            Some(bytes) if bytes > LARGEST_GLOBALS => Err(Error::usage(format!(
                "the server's roles have {}, and may have {}",
                BinaryBytes(bytes),
                BinaryBytes(LARGEST_GLOBALS)
            ))),
            _ => Ok(()),
        }
    }
}

/// A backup that exists.
pub struct StoredBackup {
    /// What is written about it.
    pub manifest: Manifest,
    /// Whether size and checksum were asked for again after the upload.
    pub read_back: bool,
    /// How much the backup before it held, if that was read.
    pub before: Option<Held>,
}

/// One backup on its way into the store, with everything decided before the first byte moves.
pub struct BackupWriter<'a> {
    how: &'a WriteOptions,
    store: Arc<dyn Store>,
    content: Content,
    begun: Timestamp,
    part_size: u64,
    /// Where it will lie.
    pub place: Place,
    /// How far it has come.
    pub progress: Progress,
}

/// A dump that is in the store, whole, and not yet a backup.
struct Shipped {
    dump: Object,
    beside: SideObjects,
    read_back: bool,
}

impl<'a> BackupWriter<'a> {
    /// Decides id and part size, and refuses what could not be read back; nothing is written yet.
    pub fn prepare(
        how: &'a WriteOptions,
        store: Arc<dyn Store>,
        name: Name,
        content: Content,
    ) -> Result<Self> {
        let part_size = upload::part_size(store.limits(), content.expected, how.part_size)?;
        let place = Place { name, id: Id::after(content.started_at, &content.others)? };
        let progress = Progress { expected: content.expected, ..Progress::default() };
        let writer = Self { how, store, content, begun: Timestamp::now(), part_size, place, progress };
        writer.describe(Vec::new(), &SideObjects::default()).check_size()?;
        Ok(writer)
    }

    /// Streams `source` into the store and makes it a backup.
    ///
    /// `judge` is asked when all bytes have passed `watch`, and before anything becomes visible: it says
    /// whether they are whole, and what is stored with them.
    pub async fn deliver<W: Watch>(
        &self,
        source: impl AsyncRead + Unpin + Send,
        watch: W,
        judge: impl AsyncFnOnce(W, &[FrameSpan]) -> Result<SideObjects>,
        run: &Run,
    ) -> Result<StoredBackup> {
        let following = run.follow(&self.progress);
        let shipped = self.ship(source, watch, judge, run).await;
        drop(following);
        // The dump is in the store; what is left takes a moment and is not interrupted, so that the exit
        // code and the store never disagree on whether there is a backup.
        let Shipped { dump, beside, read_back } = shipped?;
        Ok(StoredBackup { manifest: self.publish(dump, beside).await?, read_back, before: None })
    }

    /// The file name of an object of this backup.
    fn object(&self, what: &str) -> String {
        format!("{what}.zst{}", if self.how.recipients.is_some() { ".age" } else { "" })
    }

    fn dump(&self) -> String {
        self.object(self.content.kind.dump())
    }

    fn inventory(&self) -> String {
        self.object("inventory.json")
    }

    fn globals(&self) -> String {
        self.object("globals.sql")
    }

    /// Streams the dump into the store. Either the object is complete and as we sent it, or the
    /// upload is aborted and the first error is returned.
    async fn ship<W: Watch>(
        &self,
        source: impl AsyncRead + Unpin + Send,
        mut watch: W,
        judge: impl AsyncFnOnce(W, &[FrameSpan]) -> Result<SideObjects>,
        run: &Run,
    ) -> Result<Shipped> {
        let (key, metadata) = (self.place.key(&self.dump()), self.metadata());
        let upload = self.begin(&key, &metadata, run).await?;
        let whole = async {
            let packed = self.stream(source, &mut watch, &upload).await?;
            let beside = judge(watch, &packed.frames).await?;
            beside.check_size()?;
            let stored = upload.complete(packed.stored.bytes).await?;
            let dump = object(self.dump(), &packed.plain, &packed.stored, stored.checksum);
            Ok(Shipped { dump, beside, read_back: stored.read_back })
        };
        let outcome = run.or(whole).await;
        if outcome.is_err() {
            // The first error is the one to report; a failure while tidying up becomes a warning.
            if let Err(second) = upload.abort().await {
                tracing::warn!("{second}");
            }
        }
        outcome
    }

    /// Begins the upload. Where a signal comes in the meantime the store may have begun it all the
    /// same: its answer is awaited then, so that the upload can be aborted.
    async fn begin(&self, key: &str, metadata: &Metadata, run: &Run) -> Result<Uploading> {
        let mut beginning = pin!(Uploading::begin(&*self.store, key, metadata, self.part_size));
        let begun = run.or(beginning.as_mut()).await;
        if let Err(Kind::Interrupted | Kind::Terminated) = begun.as_ref().map_err(Error::kind)
            && let Ok(Ok(upload)) = tokio::time::timeout(LAST_WAIT, beginning).await
            && let Err(second) = upload.abort().await
        {
            tracing::warn!("{second}");
        }
        begun
    }

    /// The way of a backup: source → watch → frames → compress → encrypt → parts → store.
    async fn stream(
        &self,
        source: impl AsyncRead + Unpin + Send,
        watch: &mut dyn Watch,
        upload: &Uploading,
    ) -> Result<Packed> {
        let (parts, parts_to_send) = mpsc::channel(1);
        let pack = Pack {
            level: self.how.compression_level,
            recipients: self.how.recipients.clone(),
            part_size: usize::try_from(self.part_size)
                .map_err(|e| Error::usage("such parts do not fit into memory").because(e))?,
            frame_size: FRAME,
            workers: self.how.workers,
            progress: Arc::clone(&self.progress.plain),
        };
        let (packed, sent) = tokio::try_join!(
            pipeline::pack(source, watch, pack, parts),
            upload.send(parts_to_send, self.how.uploads, Arc::clone(&self.progress.stored)),
        )?;
        if sent.bytes != packed.stored.bytes {
            return Err(Error::unexpected(format!(
                "{} bytes were made and {} sent",
                packed.stored.bytes, sent.bytes
            )));
        }
        Ok(packed)
    }

    /// What is known when the upload begins.
    fn metadata(&self) -> Metadata {
        self.describe(Vec::new(), &SideObjects::default()).metadata()
    }

    /// Globals, inventory, signature, manifest: from here on the backup exists.
    ///
    /// What was stored is taken back when that fails, so that nothing is left behind.
    async fn publish(&self, dump: Object, mut beside: SideObjects) -> Result<Manifest> {
        let theirs = Cell::new(false);
        let put = async |object: &str, bytes: Vec<u8>| {
            let put = self.store.put_new(&self.place.key(object), bytes.into()).await;
            put.inspect_err(|e| theirs.set(e.situation() == Situation::Exists))
        };
        let put_sealed = async |name: String, plain: Vec<u8>| {
            let plain_tally = Tally::of(&plain);
            let sealed = seal(plain, self.how.compression_level, self.how.recipients.clone()).await?;
            let stored_tally = Tally::of(&sealed);
            let stored = put(&name, sealed).await?;
            Ok::<_, Error>(object(name, &plain_tally, &stored_tally, stored.checksum))
        };
        let written = async {
            let mut objects = vec![dump];
            if let Some(globals) = beside.globals.take() {
                objects.push(put_sealed(self.globals(), globals).await?);
            }
            if let Some(inventory) = beside.inventory.take() {
                objects.push(put_sealed(self.inventory(), inventory.to_bytes()?).await?);
            }
            let manifest = self.describe(objects, &beside);
            let bytes = manifest.to_bytes()?;
            if let Some(key) = &self.how.signing {
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

    fn describe(&self, objects: Vec<Object>, beside: &SideObjects) -> Manifest {
        let recipients = self.how.recipients.as_ref();
        let took = Timestamp::now().since(self.begun);
        Manifest {
            format: manifest::FORMAT,
            id: self.place.id.clone(),
            name: self.place.name.clone(),
            kind: self.content.kind,
            tool: TOOL.to_owned(),
            started_at: self.content.started_at,
            finished_at: self.content.started_at.after(took),
            postgres: self.content.postgres.clone(),
            totals: beside.totals,
            partial: beside.partial,
            left_out: beside.left_out,
            compression: Compression::Zstd,
            encryption: if recipients.is_some() { Encryption::Age } else { Encryption::None },
            recipients: recipients.map(|recipients| recipients.fingerprints()).unwrap_or_default(),
            objects,
            globals: beside.globals_status,
            rekeyed: None,
            labels: self.how.labels.clone(),
        }
    }

    /// Removes what was stored of a backup that did not come to be, where the key may.
    ///
    /// The manifest goes first: it may be there, if only the answer to writing it was lost, and a
    /// manifest without its dump would be worse than either.
    async fn take_back(&self) {
        for object in [MANIFEST, SIGNATURE, &self.inventory(), &self.globals(), &self.dump()] {
            if let Err(error) = self.store.delete(&self.place.key(object)).await {
                tracing::warn!(
                    "the objects of {} remain in the store; without a manifest they are not a backup: {error}",
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
        stored_sha256: Digest(stored.sha256),
        store_checksum,
        plain_bytes: plain.bytes,
        plain_sha256: Digest(plain.sha256),
    }
}

/// Refuses to begin what the store cannot hold, where it can tell.
pub async fn enough_space(store: &dyn Store, expected: u64) -> Result<()> {
    // A store that is not there yet will say so itself when the upload begins.
    let Ok(Some(free)) = store.free_space().await else { return Ok(()) };
    if free >= expected {
        return Ok(());
    }
    Err(Error::store(format!(
        "the store has {} free, and the backup will take about {}",
        BinaryBytes(free),
        BinaryBytes(expected)
    ))
    .hint("make room, or start anyway with --no-space-check"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_that_no_reader_would_take_are_refused() {
        let with = |bytes: u64| SideObjects {
            globals: Some(vec![0; usize::try_from(bytes).unwrap()]),
            ..SideObjects::default()
        };
        assert!(with(LARGEST_GLOBALS).check_size().is_ok());
        let error = with(LARGEST_GLOBALS + 1).check_size().unwrap_err();
        assert_eq!(error.message(), "the server's roles have 256.00 MiB, and may have 256.00 MiB");
    }
}
