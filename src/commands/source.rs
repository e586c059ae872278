//! The way back, shared by `fetch` and `restore`: find the backup, check its manifest, and stream its
//! dump, of which the last bytes are handed on only when every digest has agreed.

use super::excerpt;
use super::watch::ArchiveWatch;
use crate::archive::Contents;
use crate::catalogue::{self, Backup, Found};
use crate::download;
use crate::error::{Error, Kind, Result};
use crate::inventory::{self, Inventory};
use crate::manifest::{self, Encryption, Object};
use crate::names::{Name, Place};
use crate::pipeline::keys::{Identities, PASSPHRASE, SecretString};
use crate::pipeline::{self, Tally, Unpack, Unpacked, Watch, open};
use crate::progress::{Direction, Progress};
use crate::settings;
use crate::signing::VerifyKey;
use crate::store::{ObjectInfo, Store};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use tokio::io::AsyncWrite;

/// No server has so many roles, in bytes of SQL.
const MOST_GLOBALS: u64 = 64 << 20;

/// A backup that was found, or some tables of it, with the keys to it.
pub struct Source {
    store: Arc<dyn Store>,
    reading: download::Options,
    identities: Arc<Identities>,
    excerpt: Option<Inventory>,
    /// What its manifest says.
    pub backup: Backup,
    /// Its dump object.
    pub dump: Object,
    /// How far the stream has come.
    pub progress: Progress,
}

/// A store opened for reading, with the keys to what it holds.
pub struct Shelf {
    store: Arc<dyn Store>,
    reading: download::Options,
    identities: Arc<Identities>,
    ask: fn(&str) -> Option<SecretString>,
    /// The passphrase, once it was asked for.
    asked: OnceLock<Arc<Identities>>,
    trusted: Option<VerifyKey>,
}

impl Shelf {
    /// Opens the store; nothing is read yet.
    pub async fn open(settings: settings::Reading) -> Result<Self> {
        let settings::Reading { store, identities, ask, trusted } = settings;
        let reading =
            download::Options { idle: store.options.request_timeout, ..download::Options::default() };
        let (store, identities) = (super::open(&store).await?, Arc::new(identities));
        Ok(Self { store, reading, identities, ask, asked: OnceLock::new(), trusted })
    }

    /// The store itself.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Finds the one backup that `id` means, and checks its manifest; nothing else is touched yet.
    pub async fn find(&self, name: Option<&Name>, id: &str) -> Result<Source> {
        self.take(&catalogue::find(&*self.store, name, id).await?).await
    }

    /// Finds the backup before this one, of the same name, and checks its manifest.
    pub async fn before(&self, place: &Place) -> Result<Source> {
        self.take(&catalogue::before(&*self.store, place).await?).await
    }

    /// Checks the manifest of a backup that was found.
    pub async fn take(&self, found: &Found) -> Result<Source> {
        let backup = catalogue::read(&self.store, found, self.trusted.as_ref()).await?;
        let identities = self.identities(&backup);
        Ok(Source { reading: self.reading, identities, ..Source::without_keys(&self.store, backup)? })
    }

    fn identities(&self, backup: &Backup) -> Arc<Identities> {
        if !self.identities.is_empty() || backup.manifest.recipients != [PASSPHRASE] {
            return Arc::clone(&self.identities);
        }
        let ask = || {
            let mut identities = Identities::default();
            (self.ask)("Passphrase of the backup")
                .into_iter()
                .for_each(|given| identities.add_passphrase(given));
            Arc::new(identities)
        };
        Arc::clone(self.asked.get_or_init(ask))
    }
}

impl Source {
    /// For those who open nothing that is encrypted.
    pub fn without_keys(store: &Arc<dyn Store>, backup: Backup) -> Result<Self> {
        let dump = backup.manifest.dump()?.clone();
        let progress =
            Progress { expected: Some(dump.plain_bytes), direction: Direction::Back, ..Progress::default() };
        let (store, reading, identities) = (Arc::clone(store), download::Options::default(), Arc::default());
        Ok(Self { store, reading, identities, excerpt: None, backup, dump, progress })
    }

    /// Opens the store, finds the backup, checks its manifest and that there are keys for it; the dump
    /// is not touched yet.
    pub async fn find(settings: settings::Source) -> Result<Self> {
        let settings::Source { select, reading } = settings;
        let source = Shelf::open(reading).await?.find(select.name.as_ref(), &select.id).await?;
        source.keys()?;
        Ok(source)
    }

    /// Where the backup lies.
    pub fn place(&self) -> &Place {
        &self.backup.place
    }

    /// What it is a backup of.
    pub fn kind(&self) -> manifest::Kind {
        self.backup.manifest.kind
    }

    /// Makes it a source of no more than this inventory tells, made of its own by choosing.
    pub fn narrow(&mut self, excerpt: Inventory) {
        self.progress.expected = Some(excerpt.archive.bytes);
        self.excerpt = Some(excerpt);
    }

    /// What was chosen of it, where that is not all.
    pub fn excerpt(&self) -> Option<&Inventory> {
        self.excerpt.as_ref()
    }

    /// Bytes of the archive that comes of it.
    pub fn plain_bytes(&self) -> u64 {
        self.excerpt.as_ref().map_or(self.dump.plain_bytes, |excerpt| excerpt.archive.bytes)
    }

    /// Bytes of the stored dump that were fetched so far.
    pub fn fetched_bytes(&self) -> u64 {
        self.progress.stored.load(Ordering::Relaxed)
    }

    /// The store it lies in.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// How to read from it.
    pub fn reading(&self) -> download::Options {
        self.reading
    }

    /// Looks at the dump object, which must be there and have its length.
    pub async fn head(&self, key: &str) -> Result<ObjectInfo> {
        let found = self.store.head(key).await.map_err(|e| missing(e.into(), key))?;
        if found.bytes != self.dump.stored_bytes {
            let (there, expected) = (found.bytes, self.dump.stored_bytes);
            return Err(Error::verify(format!("{key} has {there} bytes in the store instead of {expected}")));
        }
        Ok(found)
    }

    /// Streams the archive into `sink`; the last bytes only after everything has agreed.
    pub async fn stream(&self, sink: &mut (impl AsyncWrite + Unpin + Send)) -> Result<Contents> {
        match &self.excerpt {
            Some(excerpt) => excerpt::stream(self, excerpt, sink).await,
            None => self.pass(sink, ArchiveWatch::new(self.progress.clone())).await,
        }
    }

    /// Streams the dump's plaintext into nothing, and digests every block of it.
    pub async fn digest(&self) -> Result<Contents> {
        self.pass(&mut tokio::io::sink(), ArchiveWatch::with_digests(self.progress.clone())).await
    }

    /// Streams the plaintext, whatever it is, into `sink`; the last bytes only after everything has agreed.
    pub async fn bytes(&self, sink: &mut (impl AsyncWrite + Unpin + Send)) -> Result<()> {
        self.pass_by(sink, &mut ()).await
    }

    /// Lets `watch` see the plaintext, whatever it is, and checks it like a stream.
    pub async fn shown_to(&self, watch: &mut dyn Watch) -> Result<()> {
        self.pass_by(&mut tokio::io::sink(), watch).await
    }

    async fn pass(
        &self,
        sink: &mut (impl AsyncWrite + Unpin + Send),
        mut watch: ArchiveWatch,
    ) -> Result<Contents> {
        self.pass_by(sink, &mut watch).await?;
        watch.finish()
    }

    async fn pass_by(
        &self,
        sink: &mut (impl AsyncWrite + Unpin + Send),
        watch: &mut dyn Watch,
    ) -> Result<()> {
        let key = self.place().key(&self.dump.key);
        let etag = download::version(&*self.store, &key, self.dump.stored_bytes)
            .await
            .map_err(|e| self.explain_dump(missing(e, &key)))?;
        let fetched = Arc::clone(&self.progress.stored);
        let fetch = download::stretches(Arc::clone(&self.store), key, etag, self.reading, fetched);
        let how = Unpack {
            identities: self.keys()?,
            expected: Some(self.dump.plain_bytes),
            progress: Arc::clone(&self.progress.plain),
        };
        let check = |unpacked: &Unpacked| {
            agree("stored bytes", &unpacked.stored, self.dump.stored_bytes, &self.dump.stored_sha256)?;
            agree("plaintext", &unpacked.plain, self.dump.plain_bytes, &self.dump.plain_sha256)
        };
        let unpacked = pipeline::unpack(Arc::new(fetch), self.dump.stored_bytes, how, watch, sink, check);
        unpacked.await.map_err(|e| self.explain_dump(e))?;
        Ok(())
    }
}

impl Source {
    /// Checks, without reading them, that all objects are there, have their length, and are what the
    /// store took a checksum of.
    pub async fn look(&self) -> Result<()> {
        for object in &self.backup.manifest.objects {
            let key = self.place().key(&object.key);
            let found = self.store.head(&key).await.map_err(|e| missing(e.into(), &key))?;
            if found.bytes != object.stored_bytes {
                let (there, expected) = (found.bytes, object.stored_bytes);
                return Err(Error::verify(format!(
                    "{key} has {there} bytes in the store instead of {expected}"
                )));
            }
            if let (Some(now), Some(then)) = (&found.checksum, &object.store_checksum)
                && now != then
            {
                return Err(Error::verify(format!("{key}: the store's checksum is {now}, and was {then}")));
            }
        }
        Ok(())
    }

    /// Reads the inventory, checked like everything else; `None` for a backup that has none.
    pub async fn inventory(&self) -> Result<Option<Inventory>> {
        let Some(object) = self.backup.manifest.inventory() else { return Ok(None) };
        let plain = self.small(object, inventory::LARGEST).await?;
        Inventory::from_bytes(&plain).map(Some).map_err(|e| self.explain(e))
    }

    /// Reads roles and memberships as SQL, checked like everything else; `None` for a backup that has none.
    pub async fn globals(&self) -> Result<Option<Vec<u8>>> {
        match self.backup.manifest.globals() {
            Some(object) => self.small(object, MOST_GLOBALS).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads one of the objects beside the dump into memory; one larger than `limit` is not what it claims.
    async fn small(&self, object: &Object, limit: u64) -> Result<Vec<u8>> {
        let key = self.place().key(&object.key);
        if object.plain_bytes.max(object.stored_bytes) > limit {
            return Err(Error::verify(format!("{key} is too large to be what its name says")));
        }
        let keys = self.keys()?;
        let etag =
            download::version(&*self.store, &key, object.stored_bytes).await.map_err(|e| missing(e, &key))?;
        let what = object.key.split('.').next().unwrap_or_default();
        let read = async || {
            let (keys, etag) = (keys.clone(), etag.clone());
            let stored = download::small(&self.store, &key, object.stored_bytes, etag, self.reading).await?;
            let tally = Tally::of(&stored);
            agree(&format!("{what}'s stored bytes"), &tally, object.stored_bytes, &object.stored_sha256)?;
            let plain = open(stored.clone(), keys, object.plain_bytes).await?;
            agree(what, &Tally::of(&plain), object.plain_bytes, &object.plain_sha256)?;
            Ok(plain)
        };
        download::twice(&key, read).await.map_err(|e| self.explain(e))
    }

    /// What opens this backup's objects; `None` where they were never encrypted.
    pub fn keys(&self) -> Result<Option<Arc<Identities>>> {
        match self.backup.manifest.encryption {
            Encryption::None => Ok(None),
            Encryption::Age if self.identities.is_empty() => Err(no_identity(&self.backup)),
            Encryption::Age => Ok(Some(Arc::clone(&self.identities))),
        }
    }

    /// The same for what was met in the dump; with damage comes what may still be had.
    pub fn explain_dump(&self, error: Error) -> Error {
        let is_damage = error.kind() == Kind::Verify && error.advice().is_none();
        let error = self.explain(error);
        if !is_damage {
            return error;
        }
        let Place { name, id } = self.place();
        let earlier = format!("an earlier backup may be whole (pgstow list {name})");
        error.hint(match self.backup.manifest.inventory() {
            Some(_) if self.excerpt.is_none() => {
                format!(
                    "{earlier}, single tables of this one too (pgstow fetch {id} --name {name} --table …)"
                )
            }
            _ => earlier,
        })
    }

    /// Says which backup a failure is about, and for whom it was made where no key here opens it.
    pub fn explain(&self, error: Error) -> Error {
        let error = error.context(self.place());
        if error.kind() != Kind::Settings {
            return error;
        }
        let made_for = &self.backup.manifest.recipients;
        let here = self.identities.fingerprints();
        // The pipeline blames the keys; what users learn is that the backup is not theirs to open.
        let refused = Error::verify(error.message());
        let refused = match here.iter().find(|key| made_for.contains(key)) {
            None => refused.hint(format!("{}; here is {}", how_to_open(made_for), here.join(", "))),
            Some(passphrase) if passphrase == PASSPHRASE => refused,
            Some(key) => refused.hint(format!("{key} should: the dump's header may be damaged")),
        };
        refused.because(error)
    }
}

fn no_identity(backup: &Backup) -> Error {
    Error::settings(format!("{} is encrypted, and nothing was given that opens it", backup.place))
        .hint(how_to_open(&backup.manifest.recipients))
}

fn how_to_open(made_for: &[String]) -> String {
    match made_for {
        [only] if only == PASSPHRASE => {
            "it was made for a passphrase: give it in a file with --passphrase-file, or in PGSTOW_PASSPHRASE"
                .into()
        }
        _ => format!(
            "it was made for {}: give its key with --identity-file, or in PGSTOW_IDENTITY",
            made_for.join(", ")
        ),
    }
}

/// A manifest without its dump is damage, not a name mistyped.
fn missing(error: Error, key: &str) -> Error {
    if error.kind() == Kind::NotFound {
        Error::verify(format!("{key} is missing, though its manifest is there")).because(error)
    } else {
        error
    }
}

fn agree(what: &str, found: &Tally, bytes: u64, sha256: &str) -> Result<()> {
    if found.bytes != bytes {
        return Err(Error::verify(format!(
            "the {what}: {} bytes, and the manifest says {bytes}",
            found.bytes
        )));
    }
    if hex::encode(found.sha256) != sha256 {
        return Err(Error::verify(format!("the {what}: the SHA-256 is not the manifest's")));
    }
    Ok(())
}
