//! The way back, shared by `fetch` and `restore`: find the backup, check its manifest, and stream its
//! dump, of which the last bytes are handed on only when every digest has agreed.

use super::watch::ArchiveWatch;
use crate::archive::Contents;
use crate::catalogue::{self, Backup};
use crate::download::{self, download};
use crate::error::{Error, Kind, Result};
use crate::manifest::{Encryption, Object};
use crate::names::Place;
use crate::pipeline::keys::Identities;
use crate::pipeline::{self, Tally, Unpack, Unpacked};
use crate::progress::{Direction, Progress};
use crate::settings;
use crate::store::Store;
use std::sync::Arc;
use tokio::io::AsyncWrite;

/// A backup that was found, with the keys to it.
pub struct Source {
    store: Arc<dyn Store>,
    identities: Identities,
    /// What its manifest says.
    pub backup: Backup,
    /// Its dump object.
    pub dump: Object,
    /// How far the stream has come.
    pub progress: Progress,
}

impl Source {
    /// Finds the backup and checks its manifest; the dump is not touched yet.
    pub async fn find(settings: settings::Source) -> Result<Self> {
        let store = super::open(&settings.store).await?;
        let place = catalogue::find(&*store, settings.select.name.as_ref(), &settings.select.id).await?;
        let backup = catalogue::read(&*store, &place, settings.trusted.as_ref()).await?;
        let dump = backup.manifest.dump()?.clone();
        let progress =
            Progress { expected: Some(dump.plain_bytes), direction: Direction::Back, ..Progress::default() };
        Ok(Self { store, identities: settings.identities, backup, dump, progress })
    }

    /// Where the backup lies.
    pub fn place(&self) -> &Place {
        &self.backup.place
    }

    /// Streams the dump's plaintext into `sink`; the last bytes only after everything has agreed.
    pub async fn stream(&self, sink: &mut (impl AsyncWrite + Unpin + Send)) -> Result<Contents> {
        let manifest = &self.backup.manifest;
        let key = self.place().key(&self.dump.key);
        let info = self.store.head(&key).await.map_err(|e| missing(e.into(), &key))?;
        if info.bytes != self.dump.stored_bytes {
            return Err(Error::verify(format!(
                "{key} has {} bytes in the store, and its manifest says {}",
                info.bytes, self.dump.stored_bytes
            )));
        }
        let identities = match manifest.encryption {
            Encryption::None => None,
            Encryption::Age => Some(&self.identities),
        };
        let stored = download(Arc::clone(&self.store), key, &info, download::Options::default());
        let how = Unpack {
            identities,
            recipients: &manifest.recipients,
            stored: Arc::clone(&self.progress.stored),
            plain: Arc::clone(&self.progress.plain),
        };
        let mut watch = ArchiveWatch::new(self.progress.clone());
        let check = |unpacked: &Unpacked| {
            agree("stored bytes", &unpacked.stored, self.dump.stored_bytes, &self.dump.stored_sha256)?;
            agree("plaintext", &unpacked.plain, self.dump.plain_bytes, &self.dump.plain_sha256)
        };
        pipeline::unpack(stored, how, &mut watch, sink, check).await.map_err(|e| e.context(self.place()))?;
        watch.finish()
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
        return Err(Error::verify(format!("the {what}: {} bytes, and the manifest says {bytes}", found.bytes)));
    }
    if hex::encode(found.sha256) != sha256 {
        return Err(Error::verify(format!("the {what}: the SHA-256 is not the manifest's")));
    }
    Ok(())
}
