//! Many hands: several `pg_restore` at once, each fed with the frames of its own part of the data.
//!
//! What comes before the data is made first, then the parts are loaded side by side, then `pg_restore`
//! makes what comes behind it on many connections. No dump lies on any disk. It is not one transaction:
//! only a database that goes when the restore fails is filled this way.

use super::super::pieces::Pieces;
use super::super::source::Source;
use super::parts::{Part, fair_share, parts};
use super::single;
use crate::archive::Front;
use crate::error::{Error, Kind, Result};
use crate::inventory::Inventory;
use crate::postgres::clients::{Client, Clients};
use crate::postgres::restore::{Section, post_data, restore as pg_restore};
use crate::postgres::{RestoreOptions, Target};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// How often a part is begun before the restore is given up.
const ATTEMPTS: u32 = 3;
/// The pause before a part is begun again; a server that fell over needs a moment.
const PAUSE: Duration = Duration::from_secs(2);
/// Words of a client that lost its session: what was begun is undone, and may be begun again.
const LOST: &[&str] =
    &["server closed the connection", "terminating connection", "connection to server", "SSL SYSCALL error"];

/// Restores the dump into a database created for it, with `jobs` workers.
pub async fn restore(
    source: &Source,
    inventory: &Inventory,
    clients: &Clients,
    target: &mut Target,
    options: &RestoreOptions,
    jobs: usize,
) -> Result<()> {
    let front = Front::read(&inventory.archive.preamble)?;
    let client = single::prepare(&front.header, &front.toc, clients, target).await?;
    let pieces = Pieces::of(source).await?;
    let target = &*target;

    let mut before = pg_restore(client, target.conn(), options, Section::PreData)?;
    let fed = before.write_all(&inventory.archive.preamble).await;
    before.finish().await?;
    fed.map_err(stopped_reading)?;

    let worker = Worker { source, inventory, front: &front, pieces: &pieces, client, target, options };
    let mut loading = stream::iter(parts(inventory, &front, fair_share(inventory, jobs)))
        .map(|part| worker.load_at_last(part))
        .buffer_unordered(jobs);
    while loading.try_next().await?.is_some() {}
    drop(loading);

    source.progress.now_passing("indexes and constraints".into());
    // Only the entries: there is no row in this file, and it is readable by nobody else.
    let mut archive = tempfile::NamedTempFile::new().map_err(no_file)?;
    archive.write_all(&inventory.archive.preamble).map_err(no_file)?;
    post_data(client, target.conn(), options, jobs, archive.path()).await
}

struct Worker<'a> {
    source: &'a Source,
    inventory: &'a Inventory,
    front: &'a Front,
    pieces: &'a Pieces,
    client: &'a Client,
    target: &'a Target,
    options: &'a RestoreOptions,
}

impl Worker<'_> {
    /// Loads a part, and begins again where the session was lost before anything could be committed.
    async fn load_at_last(&self, part: Part) -> Result<()> {
        let mut attempt = 1;
        loop {
            let mut given = Given::default();
            let error = match self.load(&part, &mut given).await {
                Ok(()) => return Ok(()),
                Err(error) => error.context(&part.label),
            };
            let lost =
                error.kind() == Kind::Postgres && LOST.iter().any(|words| error.message().contains(words));
            // With its last bytes pg_restore may have committed: to begin again could double the rows.
            if !lost || given.all || attempt == ATTEMPTS {
                return Err(self.source.explain(error));
            }
            tracing::warn!("{error}; loading it again");
            self.source.progress.plain.fetch_sub(given.bytes, Ordering::Relaxed);
            tokio::time::sleep(PAUSE * attempt).await;
            attempt += 1;
        }
    }

    /// Loads a part in one transaction.
    async fn load(&self, part: &Part, given: &mut Given) -> Result<()> {
        let progress = &self.source.progress;
        let mut pg_restore = pg_restore(self.client, self.target.conn(), self.options, Section::Data)?;
        let fed = async {
            progress.now_passing(part.label.clone());
            pg_restore.write_all(&part.head(self.front)).await.map_err(stopped_reading)?;
            // The last piece is given only when all have been fetched and found right.
            let mut last: Option<Bytes> = None;
            let give = async |bytes: Bytes| {
                if let Some(before) = last.replace(bytes) {
                    pg_restore.write_all(&before).await.map_err(stopped_reading)?;
                    given.count(&before, progress);
                }
                Ok(())
            };
            self.pieces.read(self.inventory, &part.stretches, give).await?;
            given.all = true;
            let last = last.unwrap_or_default();
            pg_restore.write_all(&last).await.map_err(stopped_reading)?;
            given.count(&last, progress);
            pg_restore.write_all(&part.tail()).await.map_err(stopped_reading)
        };
        match fed.await {
            // Not ended but dropped: it must not take the end of the pipe for the end of its archive.
            Err(error) if error.kind() != Kind::Postgres => Err(error),
            fed => {
                // When pg_restore has died, its own words say more than "broken pipe".
                pg_restore.finish().await?;
                fed
            }
        }
    }
}

/// What of a part has been given to `pg_restore`.
#[derive(Default)]
struct Given {
    bytes: u64,
    /// Whether the last bytes were among it.
    all: bool,
}

impl Given {
    fn count(&mut self, bytes: &Bytes, progress: &crate::progress::Progress) {
        self.bytes += bytes.len() as u64;
        progress.plain.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

fn stopped_reading(error: std::io::Error) -> Error {
    Error::from_io(error, Kind::Postgres, "pg_restore stopped reading")
}

fn no_file(error: std::io::Error) -> Error {
    Error::local_file(format!("a temporary file cannot be written: {error}")).because(error)
}
