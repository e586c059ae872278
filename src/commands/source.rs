//! The way back, shared by `fetch` and `restore`: find the backup, check its manifest, and stream its
//! dump, of which the last bytes are handed on only when every digest has agreed.

use super::watch::ArchiveWatch;
use crate::archive::Contents;
use crate::catalogue::{self, Backup};
use crate::download::{self, download};
use crate::error::{Error, Kind, Result};
use crate::manifest::{Encryption, Object};
use crate::names::Place;
use crate::pipeline::keys::{Identities, PASSPHRASE};
use crate::pipeline::{self, Tally, Unpack, Unpacked};
use crate::progress::{Direction, Progress};
use crate::settings;
use crate::store::Store;
use futures_util::TryStreamExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::AsyncWrite;

/// A backup that was found, with the keys to it.
pub struct Source {
    store: Arc<dyn Store>,
    reading: download::Options,
    identities: Arc<Identities>,
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
        let reading = download::Options {
            idle: settings.store.options.request_timeout,
            ..download::Options::default()
        };
        let store = super::open(&settings.store).await?;
        let found = catalogue::find(&*store, settings.select.name.as_ref(), &settings.select.id).await?;
        let backup = catalogue::read(&store, &found, settings.trusted.as_ref()).await?;
        let dump = backup.manifest.dump()?.clone();
        let mut identities = settings.identities;
        if identities.is_empty() && backup.manifest.recipients == [PASSPHRASE] {
            (settings.ask)("Passphrase of the backup")
                .into_iter()
                .for_each(|given| identities.add_passphrase(given));
        }
        if identities.is_empty() && backup.manifest.encryption != Encryption::None {
            return Err(no_identity(&backup));
        }
        let progress =
            Progress { expected: Some(dump.plain_bytes), direction: Direction::Back, ..Progress::default() };
        Ok(Self { store, reading, identities: Arc::new(identities), backup, dump, progress })
    }

    /// Where the backup lies.
    pub fn place(&self) -> &Place {
        &self.backup.place
    }

    /// Streams the dump's plaintext into `sink`; the last bytes only after everything has agreed.
    pub async fn stream(&self, sink: &mut (impl AsyncWrite + Unpin + Send)) -> Result<Contents> {
        let manifest = &self.backup.manifest;
        let key = self.place().key(&self.dump.key);
        let fetched = Arc::clone(&self.progress.stored);
        let stored = download(Arc::clone(&self.store), &key, self.dump.stored_bytes, self.reading)
            .await
            .map_err(|e| missing(e, &key))?
            .inspect_ok(move |bytes| {
                fetched.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            });
        let how = Unpack {
            identities: match manifest.encryption {
                Encryption::None => None,
                Encryption::Age => Some(Arc::clone(&self.identities)),
            },
            expected: Some(self.dump.plain_bytes),
            progress: Arc::clone(&self.progress.plain),
        };
        let mut watch = ArchiveWatch::new(self.progress.clone());
        let check = |unpacked: &Unpacked| {
            agree("stored bytes", &unpacked.stored, self.dump.stored_bytes, &self.dump.stored_sha256)?;
            agree("plaintext", &unpacked.plain, self.dump.plain_bytes, &self.dump.plain_sha256)
        };
        pipeline::unpack(stored, how, &mut watch, sink, check).await.map_err(|e| self.explain(e))?;
        watch.finish()
    }
}

impl Source {
    /// Says which backup a failure is about, and for whom it was made where no key here opens it.
    fn explain(&self, error: Error) -> Error {
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
