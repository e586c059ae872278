//! The steps of every backup, in their order, whatever is in it: begin, stream, judge; the objects next to the dump, and the
//! dump itself, complete; then the signature, and the manifest.
//!
//! Where the bytes come from, and whether they are whole, is for the callers to know.

use super::destinations::{self, Destination, Destinations, InStore, OpenDestination};
use super::publication::Publication;
use crate::error::{Error, Result};
use crate::layout::FrameSpan;
use crate::pipeline::keys::Recipients;
use crate::pipeline::{self, FRAME, Pack, Packed, Tally, Watch, seal};
use crate::progress::Progress;
use crate::run::Run;
use crate::store::{Metadata, Stored};
use crate::stored::find::catalogue::Found;
use crate::stored::find::clocks;
use crate::stored::format::digest::Digest;
use crate::stored::format::inventory::Inventory;
use crate::stored::format::manifest::{
    self, Compression, Encryption, Globals, LARGEST_GLOBALS, LeftOut, Manifest, Object, Postgres, TOOL,
    Totals,
};
use crate::stored::format::names::{Id, Name, Place, Timestamp};
use crate::stored::format::signing::SigningKey;
use crate::stored::upload;
use crate::stored::write::compare::Held;
use crate::stored::write::previous::previous;
use crate::stored::write::uploads::Uploads;
use bytes::Bytes;
use futures_util::future::join_all;
use indicatif::BinaryBytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

/// Where a backup goes, who can decrypt it, who signs it, and how it is written.
#[derive(Debug)]
pub struct WriteOptions {
    /// Where to; at least one store.
    pub destinations: Vec<Destination>,
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

impl WriteOptions {
    /// Checks that it can be encrypted for those who are to read it, before any work is done.
    pub async fn check(&self) -> Result<()> {
        match &self.recipients {
            Some(recipients) => recipients.check().await,
            None => Ok(()),
        }
    }
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
    /// Backups of this name that there are, as far as the key may list them: it becomes the last of those of the same
    /// second, and names the one before it.
    pub others: Vec<Found>,
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
    /// Whether size and checksum were asked for again after the upload, in every store that has it.
    pub read_back: bool,
    /// How much the backup before it held, if that was read.
    pub before: Option<Held>,
    /// What became of it in each store; one has it at least.
    pub stores: Vec<InStore>,
}

impl StoredBackup {
    /// Fails if a store does not have it although it must.
    pub fn conclude(&self) -> Result<()> {
        let Manifest { id, name, .. } = &self.manifest;
        destinations::conclude(format_args!("{id} of {name}"), id.as_str(), &self.stores)
    }
}

/// One backup on its way into the stores, with everything decided before the first byte moves.
pub struct BackupWriter<'a> {
    how: &'a WriteOptions,
    stores: Arc<Destinations>,
    content: Content,
    begun: Timestamp,
    part_size: u64,
    /// Where it will lie.
    pub place: Place,
    /// The one before it.
    previous: Option<Id>,
    /// How far it has come.
    pub progress: Progress,
}

/// A dump that is in the stores, whole, with what lies next to it, and not yet a backup.
struct Shipped {
    packed: Packed,
    beside: SideObjects,
    /// What lies next to it in each store, by its position.
    objects: BTreeMap<usize, Vec<Object>>,
    /// What the stores that have it have confirmed, by their positions.
    confirmed: BTreeMap<usize, Stored>,
}

/// An object of a few bytes, as it goes into every store.
struct Sealed {
    name: String,
    bytes: Bytes,
    plain: Tally,
    stored: Tally,
}

impl<'a> BackupWriter<'a> {
    /// Decides id and part size, and refuses what could not be read back; nothing is written yet.
    pub async fn prepare(
        how: &'a WriteOptions,
        stores: Arc<Destinations>,
        name: Name,
        content: Content,
    ) -> Result<Self> {
        let part_size = upload::part_size(stores.limits()?, content.expected, how.part_size)?;
        let ids: Vec<Id> = content.others.iter().map(|other| other.place.id.clone()).collect();
        let place = Place { name, id: Id::after(content.started_at, &ids)? };
        let previous = previous(how.signing.as_ref(), &stores, &content.others, &place).await?;
        let progress = Progress { expected: content.expected, ..Progress::default() };
        let begun = Timestamp::now();
        let writer = Self { how, stores, content, begun, part_size, place, previous, progress };
        writer.describe(Vec::new(), &SideObjects::default()).check_size()?;
        Ok(writer)
    }

    /// Streams `source` into every store and makes it a backup there.
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
        let there: Vec<Publication> =
            self.stores.all().iter().map(|one| Publication::new(&*one.store, &self.place)).collect();
        let shipped = run.step("upload", self.ship(source, watch, judge, &there, run)).await;
        drop(following);
        // The dump is in the store; what is left takes a moment and is not interrupted, so that the exit
        // code and the store never disagree on whether there is a backup.
        let shipped = shipped?;
        let read_back = shipped.confirmed.values().all(|stored| stored.read_back);
        let manifest = run.step("publish", self.publish(shipped, &there)).await?;
        Ok(StoredBackup { manifest, read_back, before: None, stores: self.stores.outcomes() })
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

    /// Streams the dump into the stores. Either the object is complete and as we sent it in one of them at least,
    /// or all uploads are aborted and the first error is returned.
    async fn ship<W: Watch>(
        &self,
        source: impl AsyncRead + Unpin + Send,
        mut watch: W,
        judge: impl AsyncFnOnce(W, &[FrameSpan]) -> Result<SideObjects>,
        there: &[Publication<'_>],
        run: &Run,
    ) -> Result<Shipped> {
        let uploads = Uploads::new(&self.stores, self.place.key(&self.dump()));
        let shipped = async {
            let metadata = self.metadata();
            let beginning = uploads.begin(&metadata, self.part_size);
            // One that begins after a signal is aborted with the others.
            run.or_late(upload::LAST_WAIT, beginning, async |_| ()).await?;
            self.stores.stores().for_each(clocks::compare);
            let whole = async {
                let packed = self.stream(source, &mut watch, &uploads).await?;
                let beside = judge(watch, &packed.frames).await?;
                beside.check_size()?;
                Ok((packed, beside))
            };
            let (packed, mut beside) = run.or(whole).await?;
            // Some stores say of a dump that it is from when its upload began: without what is new next to it, a prune
            // would take it for something old, until there is a manifest.
            let putting = self.put_beside(&mut beside, there);
            // What is on its way at a signal is waited for, so that it can be taken back.
            let objects = run.or_late(upload::LAST_WAIT, putting, async |_| ()).await?;
            let confirmed = run.or(uploads.complete(packed.stored.bytes)).await?;
            Ok(Shipped { packed, beside, objects, confirmed })
        };
        let shipped = shipped.await;
        let abort = async {
            match &shipped {
                Ok(_) => uploads.abort_failed().await,
                Err(_) => uploads.abort().await,
            }
        };
        let failed =
            there.iter().enumerate().filter(|(at, _)| shipped.is_err() || self.stores.is_left_out(*at));
        let beside = failed.map(|(_, there)| there.take_back_begun([self.inventory(), self.globals()]));
        // At once: each has a deadline of its own, and orchestrators wait no longer than for one of them.
        tokio::join!(abort, join_all(beside));
        shipped
    }

    /// Puts the objects next to the dump into every store that is left.
    async fn put_beside(
        &self,
        beside: &mut SideObjects,
        there: &[Publication<'_>],
    ) -> Result<BTreeMap<usize, Vec<Object>>> {
        let mut sealed = Vec::new();
        if let Some(globals) = beside.globals.take() {
            sealed.push(self.seal(self.globals(), globals).await?);
        }
        if let Some(inventory) = beside.inventory.take() {
            sealed.push(self.seal(self.inventory(), inventory.to_bytes()?).await?);
        }
        let put = async |at: usize, _: &OpenDestination| {
            let mut objects = Vec::new();
            for Sealed { name, bytes, plain, stored } in &sealed {
                let there = there.get(at).ok_or_else(|| self.stores.none_left())?;
                let confirmed = there.put(name, bytes.clone()).await?;
                let plain = (plain.bytes, Some(plain.sha256));
                objects.push(object(name.clone(), plain, stored, confirmed.checksum));
            }
            Ok(objects)
        };
        Ok(self.stores.each(put).await?.into_iter().collect())
    }

    /// The way of a backup: source → watch → frames → compress → encrypt → parts → store.
    async fn stream(
        &self,
        source: impl AsyncRead + Unpin + Send,
        watch: &mut dyn Watch,
        uploads: &Uploads<'_>,
    ) -> Result<Packed> {
        let (parts, parts_to_send) = mpsc::channel(1);
        let is_archive = self.content.kind == manifest::BackupKind::Postgres;
        let pack = Pack {
            level: self.how.compression_level,
            recipients: self.how.recipients.clone(),
            part_size: usize::try_from(self.part_size)
                .map_err(|e| Error::usage("such parts do not fit into memory").because(e))?,
            frame_size: FRAME,
            workers: self.how.workers,
            // An archive has an inventory, with the digests of what is in it and of every frame.
            frames: is_archive,
            progress: Arc::clone(&self.progress.plain),
        };
        let (packed, sent) = tokio::try_join!(
            pipeline::pack(source, watch, pack, parts),
            uploads.send(parts_to_send, self.how.uploads, Arc::clone(&self.progress.stored)),
        )?;
        upload::check_sent(packed.stored.bytes, sent)?;
        Ok(packed)
    }

    /// What is known when the upload begins.
    fn metadata(&self) -> Metadata {
        self.describe(Vec::new(), &SideObjects::default()).metadata()
    }

    /// Signature and manifest, in every store that has the dump: from here on the backup exists.
    async fn publish(&self, shipped: Shipped, there: &[Publication<'_>]) -> Result<Manifest> {
        let Shipped { packed, beside, objects, confirmed } = shipped;
        let publish = async |at: usize, _: &OpenDestination| {
            let (Some(there), Some(confirmed), Some(next_to_it)) =
                (there.get(at), confirmed.get(&at), objects.get(&at))
            else {
                return Err(self.stores.none_left());
            };
            let plain = (packed.plain_bytes, packed.plain_sha256);
            let dump = object(self.dump(), plain, &packed.stored, confirmed.checksum.clone());
            let all = std::iter::once(dump).chain(next_to_it.iter().cloned()).collect();
            let manifest = self.describe(all, &beside);
            let published = async {
                there.publish(&manifest, self.how.signing.as_ref()).await?;
                match manifest.objects.as_slice() {
                    // A prune may have taken it for something old, as nothing new lay next to it.
                    [alone] => there.confirm(&alone.key).await,
                    _ => Ok(()),
                }
            };
            let published = published.await;
            if published.is_err() {
                there.take_back([self.inventory(), self.globals(), self.dump()]).await;
            }
            published.map(|()| manifest)
        };
        let published = self.stores.each(publish).await?;
        published.into_iter().next().map(|(_, manifest)| manifest).ok_or_else(|| self.stores.none_left())
    }

    async fn seal(&self, name: String, plain: Vec<u8>) -> Result<Sealed> {
        let plain_tally = Tally::of(&plain);
        let bytes = seal(plain, self.how.compression_level, self.how.recipients.clone()).await?;
        Ok(Sealed { name, plain: plain_tally, stored: Tally::of(&bytes), bytes: bytes.into() })
    }

    fn describe(&self, objects: Vec<Object>, beside: &SideObjects) -> Manifest {
        let recipients = self.how.recipients.as_ref();
        let took = Timestamp::now().since(self.begun);
        Manifest {
            format: manifest::FORMAT,
            id: self.place.id.clone(),
            name: self.place.name.clone(),
            previous: self.previous.clone(),
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
}

fn object(
    key: String,
    (plain_bytes, plain_sha256): (u64, Option<[u8; 32]>),
    stored: &Tally,
    store_checksum: Option<String>,
) -> Object {
    Object {
        key,
        stored_bytes: stored.bytes,
        stored_sha256: Digest(stored.sha256),
        store_checksum,
        plain_bytes,
        plain_sha256: plain_sha256.map(Digest),
    }
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
