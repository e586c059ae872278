//! Which recipients can read which backups, as their manifests say, and which backups an identity really opens.
//!
//! Of a dump only the header is read, which has the key to it, wrapped for every recipient.

use crate::error::{Error, Result};
use crate::failures::Failures;
use crate::pipeline::keys::Identities;
use crate::run::Run;
use crate::stored::find::catalogue::{self, Backup};
use crate::stored::format::manifest::Encryption;
use crate::stored::format::names::Name;
use crate::stored::format::signing::VerifyKeys;
use crate::stored::read::header;
use crate::stored::read::opened::{Location, OpenedBackup};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::sync::Arc;

/// Headers that are fetched at the same time.
const AT_ONCE: usize = 16;

/// Whose backups to look at, and what to open them with.
#[derive(Debug)]
pub struct ReadersOptions {
    /// Where the backups are.
    pub location: Location,
    /// Only those of this name.
    pub name: Option<Name>,
    /// The identities to try; none if there are none.
    pub identities: Arc<Identities>,
    /// Whose manifests to believe.
    pub trusted: Option<VerifyKeys>,
}

/// Who can read the backups in a store.
#[derive(Debug)]
pub struct Readers {
    /// The store's address.
    pub store: String,
    /// The public names of the identities that were tried.
    pub tried: Vec<String>,
    /// Every backup whose manifest could be read, oldest first within a name.
    pub backups: Vec<Readable>,
    failures: Failures,
}

/// One backup, and who opens it.
#[derive(Debug)]
pub struct Readable {
    /// The backup.
    pub backup: Backup,
    /// The identity that opens it, if one of those that were tried does.
    pub opened_by: Option<String>,
}

impl Readable {
    /// Whether everybody who can read the store can read it.
    pub fn is_public(&self) -> bool {
        self.backup.manifest.encryption == Encryption::None
    }
}

impl Readers {
    /// Fails if a manifest could not be read, or if identities were given and do not open a backup.
    pub fn conclude(self) -> Result<()> {
        let tried = !self.tried.is_empty();
        self.failures.conclude(|failed, of| match tried {
            true => format!("{failed} of {of} backups are not opened, or not by whom their manifests name"),
            false => format!("{failed} of {of} backups could not be read"),
        })
    }
}

/// Finds out who can read the backups in a store.
pub async fn readers(options: &ReadersOptions, run: &Run) -> Result<Readers> {
    run.or(look(options, run)).await
}

async fn look(options: &ReadersOptions, run: &Run) -> Result<Readers> {
    let (store, identities) = (options.location.open().await?, &options.identities);
    let found = catalogue::search(&*store, options.name.as_ref()).await?;
    catalogue::warn_of_the_future(&found);
    if found.is_empty() {
        catalogue::expect_none(&*store, options.name.as_ref()).await?;
        run.say(format!("no backups yet in {}", store.display_url()));
    }
    let mut failures = Failures::of_unnamed(found.len());
    let mut backups = Vec::new();
    for read in catalogue::read_all(&store, &found, options.trusted.as_ref()).await {
        match read {
            Ok(backup) => backups.push(Readable { backup, opened_by: None }),
            Err(error) => drop(failures.keep(error, str::to_owned)?),
        }
    }
    if !identities.is_empty() {
        let opened = |readable: &Readable| OpenedBackup::without_keys(&store, readable.backup.clone());
        let encrypted = backups.iter_mut().filter(|readable| !readable.is_public());
        let mut starts = stream::iter(encrypted)
            .map(|readable| async {
                let opened = opened(readable);
                let start = match &opened {
                    Ok(opened) => header::start(opened).await,
                    Err(error) => Err(error.clone()),
                };
                (readable, opened, start)
            })
            .buffered(AT_ONCE);
        // One after the other: a passphrase takes 256 MiB, and a plugin may ask somebody to touch a key.
        while let Some((readable, opened, start)) = starts.next().await {
            let place = readable.backup.place.clone();
            let kept = match (opened, start) {
                (Ok(opened), Ok(start)) => one(readable, &opened, start, identities).await,
                (Err(error), _) | (_, Err(error)) => Err(error),
            };
            if let Err(error) = kept {
                failures.keep(error, |why| format!("{place}: {}", place.without(why)))?;
            }
        }
    }
    Ok(Readers { store: store.display_url(), tried: identities.fingerprints(), backups, failures })
}

/// Tries to open one backup, and compares what that needed with what its manifest says.
async fn one(
    readable: &mut Readable,
    opened: &OpenedBackup,
    start: Bytes,
    identities: &Arc<Identities>,
) -> Result<()> {
    readable.opened_by = header::opened_by(opened, start, identities).await?;
    let manifest = &readable.backup.manifest;
    let of = manifest.recipients.join(", ");
    match &readable.opened_by {
        Some(by) if header::is_named(manifest, by) => Ok(()),
        Some(by) => Err(Error::verify(format!("{by} opens it, and its manifest does not name that recipient: {of}"))
            .hint("somebody who can write to the store may have changed one of them: check who wrote it (--verify-key)")),
        None => Err(header::not_as_named(manifest, identities).unwrap_or_else(|| {
            Error::verify(format!("none of the identities opens it; it is encrypted to {of}"))
        })),
    }
}
