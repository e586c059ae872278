//! A store opened for reading, and a backup in it: its manifest is checked, the keys to it are at hand.
//!
//! The dump itself is not touched here: [`super::reader`] streams it, [`super::ranges`] reads parts of it.

use crate::error::{Error, Kind, Result};
use crate::pipeline::keys::{Identities, PASSPHRASE, SecretString};
use crate::pipeline::{self, Fetch, Tally, Unpack, Unpacked, Watch, open};
use crate::progress::Progress;
use crate::store::{self, ObjectInfo, OpenOptions, Store, StoreUrl};
use crate::stored::download::{self, NotWhole};
use crate::stored::find::catalogue::{self, Backup, Found};
use crate::stored::find::contents::missing;
use crate::stored::find::history::{Caution, History};
use crate::stored::find::newest::Chooser;
use crate::stored::find::proven::{self, Proven};
use crate::stored::format::digest::Digest;
use crate::stored::format::inventory::{self, Inventory};
use crate::stored::format::manifest::{self, Encryption, Object};
use crate::stored::format::names::{Name, Place, Timestamp};
use crate::stored::format::signing::VerifyKeys;
use futures_util::{StreamExt, TryStreamExt};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::io::AsyncWrite;

/// Bytes of plaintext that a small object may have, whatever its size in the store is. A definition may be long and
/// say little.
const FREELY: u64 = 256 << 20;
/// Bytes of plaintext beyond that which one byte in the store may become: ten times what real ones come to.
const EXPANSION: u64 = 256;

/// Where backups are stored, and how to talk to the store.
#[derive(Debug, Clone)]
pub struct Location {
    /// The store's address.
    pub url: StoreUrl,
    /// How to talk to it.
    pub options: OpenOptions,
}

impl Location {
    /// Opens the store.
    pub async fn open(&self) -> Result<Arc<dyn Store>> {
        Ok(store::open(&self.url, self.options.clone()).await?)
    }
}

/// How to read backups: where they are, the keys to them, and whose to believe.
#[derive(Debug)]
pub struct ReadOptions {
    /// Where they are.
    pub location: Location,
    /// The keys.
    pub identities: Arc<Identities>,
    /// Asks for the passphrase of a backup that needs one.
    pub ask: fn(&str) -> Option<SecretString>,
    /// Whose manifests to believe.
    pub trusted: Option<VerifyKeys>,
    /// Which backups were seen before, if that is to be compared.
    pub history: Option<History>,
    /// What keeps "latest" from being taken.
    pub caution: Caution,
    /// Whether a backup that is not encrypted is read though there are keys.
    pub allow_unencrypted: bool,
}

/// Which backup.
#[derive(Debug)]
pub struct Select {
    /// The id, the beginning of one, or "latest".
    pub id: String,
    /// The name, if one was given.
    pub name: Option<Name>,
    /// With "latest": only those begun before this moment.
    pub before: Option<Timestamp>,
}

/// One backup to be read, and how.
#[derive(Debug)]
pub struct BackupSelection {
    /// Which backup.
    pub select: Select,
    /// Where it is, and the keys.
    pub reading: ReadOptions,
}

/// A store opened for reading, with the keys to what it holds.
pub struct OpenStore {
    store: Arc<dyn Store>,
    identities: Arc<Identities>,
    ask: fn(&str) -> Option<SecretString>,
    /// The passphrase, once it was asked for.
    asked: OnceLock<Arc<Identities>>,
    trusted: Option<VerifyKeys>,
    history: Option<History>,
    caution: Caution,
    allow_unencrypted: bool,
}

impl OpenStore {
    /// Opens the store; nothing is read yet.
    pub async fn open(options: ReadOptions) -> Result<Self> {
        let ReadOptions { location, identities, ask, trusted, history, caution, allow_unencrypted } = options;
        let (store, asked) = (location.open().await?, OnceLock::new());
        Ok(Self { store, identities, ask, asked, trusted, history, caution, allow_unencrypted })
    }

    /// The store itself.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Finds the one backup that is meant, and checks its manifest; nothing else is touched yet.
    pub async fn find(&self, select: &Select) -> Result<OpenedBackup> {
        self.take(&self.locate(select).await?).await
    }

    /// Finds the one backup that is meant; nothing of it is read yet.
    pub async fn locate(&self, Select { id, name, before }: &Select) -> Result<Found> {
        self.chooser().find(name.as_ref(), id, *before).await
    }

    /// Who chooses the newest backup.
    pub fn chooser(&self) -> Chooser<'_> {
        Chooser {
            store: &self.store,
            trusted: self.trusted.as_ref(),
            history: self.history.as_ref(),
            caution: self.caution,
        }
    }

    /// Finds the backup before this one, of the same name, and checks its manifest.
    pub async fn before(&self, backup: &Backup) -> Result<OpenedBackup> {
        self.take(&catalogue::before(&*self.store, backup).await?).await
    }

    /// Whose manifests are believed, if not everybody's.
    pub fn trusted(&self) -> Option<&VerifyKeys> {
        self.trusted.as_ref()
    }

    /// Checks the manifest of a backup that was found.
    pub async fn take(&self, found: &Found) -> Result<OpenedBackup> {
        self.take_trusting(found, self.trusted()).await
    }

    /// The same, believing somebody else.
    pub async fn take_trusting(&self, found: &Found, trusted: Option<&VerifyKeys>) -> Result<OpenedBackup> {
        let backup = catalogue::read(&self.store, found, trusted).await?;
        let identities = self.identities(&backup);
        Ok(OpenedBackup {
            identities,
            allow_unencrypted: self.allow_unencrypted,
            ..OpenedBackup::without_keys(&self.store, backup)?
        })
    }

    /// Whether a backup that was found and taken was proven to restore, and when.
    pub async fn proven(&self, found: &Found, taken: &OpenedBackup) -> Result<Proven> {
        proven::of(&self.store, found, &taken.backup.manifest_sha256, self.trusted.as_ref()).await
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

/// A backup whose manifest was read and checked, with the keys to it.
#[derive(Clone)]
pub struct OpenedBackup {
    store: Arc<dyn Store>,
    identities: Arc<Identities>,
    allow_unencrypted: bool,
    /// Which version of each object was looked at first, by its key: no other is read.
    versions: Arc<Mutex<BTreeMap<String, Option<String>>>>,
    /// What its manifest says.
    pub backup: Backup,
    /// Its dump object.
    pub dump: Object,
}

impl OpenedBackup {
    /// Opens a backup without any key, which is enough for what is not encrypted.
    pub fn without_keys(store: &Arc<dyn Store>, backup: Backup) -> Result<Self> {
        let dump = backup.manifest.dump()?.clone();
        Ok(Self {
            store: Arc::clone(store),
            identities: Arc::default(),
            allow_unencrypted: false,
            versions: Arc::default(),
            backup,
            dump,
        })
    }

    /// Where the backup is.
    pub fn place(&self) -> &Place {
        &self.backup.place
    }

    /// What it is a backup of.
    pub fn kind(&self) -> manifest::BackupKind {
        self.backup.manifest.kind
    }

    /// The store it is in.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// What the store says of one of the backup's objects.
    pub async fn there<T>(&self, key: &str, said: Result<T>) -> Result<T> {
        match said {
            Err(error) => Err(missing(&*self.store, self.place(), key, error).await),
            said => said,
        }
    }

    /// Looks at an object, which must be there and have its length.
    async fn head(&self, object: &Object) -> Result<ObjectInfo> {
        let key = self.place().key(&object.key);
        self.there(&key, download::head(&*self.store, &key, object.stored_bytes).await).await
    }

    /// Looks at an object, and will fetch any stretches of exactly this version; `fetched` counts the bytes.
    pub async fn fetch(
        &self,
        object: &Object,
        options: download::Options,
        fetched: Arc<AtomicU64>,
    ) -> Result<Fetch> {
        let (key, now) = (self.place().key(&object.key), self.head(object).await?.etag);
        let versions = || self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let etag = versions().entry(key.clone()).or_insert(now).clone();
        let (store, place) = (self.store(), self.place().clone());
        let stretches = download::stretches(self.store(), key.clone(), etag, options, fetched);
        Ok(Arc::new(move |stretch| {
            let (store, place, key) = (Arc::clone(&store), place.clone(), key.clone());
            let explain = move |error| {
                let (store, place, key) = (Arc::clone(&store), place.clone(), key.clone());
                async move { Err(missing(&*store, &place, &key, error).await) }
            };
            stretches(stretch).or_else(explain).boxed()
        }))
    }

    /// Streams the plaintext of an object past `watch` into `sink`; the last bytes only after everything has agreed.
    pub async fn unpack(
        &self,
        object: &Object,
        identities: Option<Arc<Identities>>,
        progress: &Progress,
        watch: &mut dyn Watch,
        sink: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<()> {
        let fetched = Arc::clone(&progress.stored);
        let fetch = self.fetch(object, download::Options::default(), fetched).await?;
        let how = Unpack {
            identities,
            expected: Some(object.plain_bytes),
            digest: object.plain_sha256.is_some(),
            progress: Arc::clone(&progress.plain),
        };
        let check = |unpacked: &Unpacked| as_said(unpacked, object);
        pipeline::unpack(fetch, object.stored_bytes, how, watch, sink, check).await.map(drop)
    }

    /// Checks, without reading them, that all objects are there, have their length, and are what the
    /// store took a checksum of.
    pub async fn look(&self) -> Result<()> {
        for object in &self.backup.manifest.objects {
            let (key, found) = (self.place().key(&object.key), self.head(object).await?);
            if let (Some(now), Some(then)) = (&found.checksum, &object.store_checksum)
                && now != then
                && is_same_sum(now, then)
            {
                return Err(Error::verify(format!("{key}: the store's checksum is {now}, but was {then}")));
            }
        }
        Ok(())
    }

    /// Reads the inventory, checked like everything else; `None` for a backup that has none.
    pub async fn inventory(&self) -> Result<Option<Inventory>> {
        let Some(object) = self.backup.manifest.inventory() else { return Ok(None) };
        let plain = self.small(object, inventory::largest_of(&self.dump)).await?;
        let inventory = Inventory::from_bytes(&plain).map_err(|e| self.explain(e))?;
        inventory.check_is_of(&self.dump).map_err(|e| self.explain(e))?;
        Ok(Some(inventory))
    }

    /// Reads roles and memberships as SQL, checked like everything else; `None` for a backup that has none.
    pub async fn globals(&self) -> Result<Option<Vec<u8>>> {
        match self.backup.manifest.globals() {
            Some(object) => self.small(object, manifest::LARGEST_GLOBALS).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads one of the small objects into memory; one larger than `limit` is not what it claims.
    ///
    /// A manifest may be forged, so it is not believed about memory either: some kilobytes do not become gigabytes.
    async fn small(&self, object: &Object, limit: u64) -> Result<Vec<u8>> {
        let key = self.place().key(&object.key);
        let limit = limit.min(object.stored_bytes.saturating_mul(EXPANSION).max(FREELY));
        if object.plain_bytes.max(object.stored_bytes) > limit {
            return Err(Error::verify(format!("{key} is too large for what its name says"))
                .hint("somebody else may have put it there: check who wrote the backup (--verify-key)"));
        }
        let keys = self.keys()?;
        let etag = self.head(object).await?.etag;
        let what = object.key.split('.').next().unwrap_or_default();
        let read = async || {
            let (keys, etag) = (keys.clone(), etag.clone());
            let stored =
                download::small(&self.store, &key, object.stored_bytes, etag, download::Options::default())
                    .await?;
            stored_as_said(&format!("{what}'s stored bytes"), &Tally::of(&stored), object)?;
            let plain = open(stored.clone(), keys, object.plain_bytes).await?;
            let found = Tally::of(&plain);
            agree(what, (found.bytes, Some(found.sha256)), (object.plain_bytes, object.plain_sha256))?;
            Ok(plain)
        };
        download::twice(&key, read).await.map_err(|e| self.explain(e))
    }

    /// What opens this backup's objects; `None` if they were never encrypted.
    ///
    /// Who has keys expects an encrypted backup. One that is not may have been put there by anybody who can write to
    /// the store, so it is refused unless it was asked for.
    pub fn keys(&self) -> Result<Option<Arc<Identities>>> {
        match self.backup.manifest.encryption {
            Encryption::None if !self.identities.is_empty() && !self.allow_unencrypted => {
                Err(not_encrypted(&self.backup))
            }
            Encryption::None => Ok(None),
            Encryption::Age if self.identities.is_empty() => Err(no_identity(&self.backup)),
            Encryption::Age => Ok(Some(Arc::clone(&self.identities))),
        }
    }

    /// The same as [`Self::explain`] for what was met in the dump; for damage it adds what can still be had.
    ///
    /// `whole` says whether all of the dump was wanted, or only some tables of it.
    pub fn explain_dump(&self, error: Error, whole: bool) -> Error {
        let is_damage = error.kind() == Kind::Verify && error.hints().is_empty();
        let error = self.explain(error);
        if !is_damage {
            return error;
        }
        let in_parts = whole && error.situation::<NotWhole>().is_none();
        let Place { name, id } = self.place();
        let earlier = format!("an earlier backup may be whole (pgstow list {name})");
        error.hint(match self.backup.manifest.inventory() {
            Some(_) if in_parts => {
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
            Some(passphrase) if passphrase == PASSPHRASE => refused.hint(
                "give the passphrase that the backup was made with; if it is that one, the backup is damaged",
            ),
            Some(key) => {
                refused.hint(format!("{key} should be able to decrypt it: the dump's header may be damaged"))
            }
        };
        refused.because(error)
    }
}

fn not_encrypted(backup: &Backup) -> Error {
    Error::verify(format!("{} is not encrypted, though a key was given to open it", backup.place))
        .hint("anybody who can write to the store could have put it there")
        .hint("if it is yours, give --allow-unencrypted (PGSTOW_ALLOW_UNENCRYPTED), or no key")
}

fn no_identity(backup: &Backup) -> Error {
    Error::settings(format!("{} is encrypted, and no key was given that can decrypt it", backup.place))
        .hint(how_to_open(&backup.manifest.recipients))
}

fn how_to_open(made_for: &[String]) -> String {
    match made_for {
        [only] if only == PASSPHRASE => {
            "it was encrypted with a passphrase: give it in a file with --passphrase-file, or in PGSTOW_PASSPHRASE"
                .into()
        }
        _ => format!(
            "it was encrypted to {}: give the identity with --identity-file, or in PGSTOW_IDENTITY",
            made_for.join(", ")
        ),
    }
}

/// Compares what was read of an object with what the manifest says.
fn as_said(unpacked: &Unpacked, object: &Object) -> Result<()> {
    stored_as_said("stored bytes", &unpacked.stored, object)?;
    let found = (unpacked.plain_bytes, unpacked.plain_sha256);
    agree("plaintext", found, (object.plain_bytes, object.plain_sha256))
}

/// The same of its stored bytes alone; `what` begins the sentence about a difference.
pub fn stored_as_said(what: &str, found: &Tally, object: &Object) -> Result<()> {
    agree(what, (found.bytes, Some(found.sha256)), (object.stored_bytes, Some(object.stored_sha256)))
}

fn agree(what: &str, found: (u64, Option<[u8; 32]>), said: (u64, Option<Digest>)) -> Result<()> {
    let ((found_bytes, found_sha256), (bytes, sha256)) = (found, said);
    if found_bytes != bytes {
        return Err(Error::verify(format!("the {what}: {found_bytes} bytes, and the manifest says {bytes}")));
    }
    if sha256.is_some() && found_sha256.map(Digest) != sha256 {
        return Err(Error::verify(format!("the {what}: the SHA-256 is not the manifest's")));
    }
    Ok(())
}

/// Whether both checksums, as `CRC64NVME:base64`, were computed in the same way. A backup that was copied has the
/// checksums of the store it was made in.
fn is_same_sum(one: &str, other: &str) -> bool {
    one.split(':').next() == other.split(':').next()
}
