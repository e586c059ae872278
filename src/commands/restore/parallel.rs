//! Many hands: several `pg_restore` at once, each fed with the frames of its own part of the data.
//!
//! What comes before the data is made first, then the parts are loaded side by side, then `pg_restore`
//! makes what comes behind it on many connections. No dump lies on any disk. It is not one transaction:
//! only a database that goes when the restore fails is filled this way.

use super::super::pieces::Pieces;
use super::super::source::Source;
use super::parts::{self, Part, before, fair_share, parts};
use super::plan::{Plan, Wishes};
use super::single;
use crate::archive::Front;
use crate::error::{Error, Kind, Result};
use crate::inventory::Inventory;
use crate::postgres::clients::{Client, Clients};
use crate::postgres::restore::{restore as pg_restore, restore_file};
use crate::postgres::{RestoreOptions, Situation, Target};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;

/// How often a part is begun before the restore is given up.
const ATTEMPTS: u32 = 3;
/// The pause before a part is begun again; a server that fell over needs a moment.
const PAUSE: Duration = Duration::from_secs(2);
/// A block ends with so many bytes that nothing of it can be committed without.
const END: usize = 5;

/// Restores the dump into a database created for it, with `jobs` workers.
pub async fn restore(
    source: &Source,
    inventory: &Inventory,
    clients: &Clients,
    target: &mut Target,
    wishes: &Wishes,
    jobs: usize,
) -> Result<Plan> {
    let front = Front::read(&inventory.archive.preamble)?;
    let (client, front, plan) = single::prepare(&front, clients, target, wishes).await?;
    let (front, options) = (&front, &plan.options);
    let rest = Rest::of(front)?;
    let pieces = Pieces::of(source).await?;
    let target = &*target;

    in_order(&before(front), client, target, options).await?;
    let worker = Worker { source, inventory, front, pieces: &pieces, client, target, options };
    let mut loading = stream::iter(parts(inventory, front, fair_share(inventory, jobs)))
        .map(|part| worker.load_at_last(part))
        .buffer_unordered(jobs);
    while loading.try_next().await?.is_some() {}
    drop(loading);

    source.progress.now_passing("indexes and constraints".into());
    rest.make(client, target, options, jobs).await?;
    Ok(plan)
}

/// What is made when all data is there: indexes and constraints by several connections at once.
pub struct Rest {
    after: NamedTempFile,
    grants: Front,
    last: Option<NamedTempFile>,
}

impl Rest {
    /// Of this archive.
    pub fn of(front: &Front) -> Result<Self> {
        let last = parts::last(front);
        Ok(Self {
            after: without_data(&parts::after(front))?,
            grants: parts::grants(front),
            last: if last.is_empty() { None } else { Some(without_data(&last)?) },
        })
    }

    /// Makes it, over so many connections.
    pub async fn make(
        &self,
        client: &Client,
        target: &Target,
        options: &RestoreOptions,
        jobs: usize,
    ) -> Result<()> {
        restore_file(client, target.conn(), options, jobs, self.after.path()).await?;
        in_order(&self.grants, client, target, options).await?;
        if let Some(last) = &self.last {
            restore_file(client, target.conn(), options, jobs, last.path()).await?;
        }
        Ok(())
    }
}

/// Restores entries without data one after the other, in one transaction.
async fn in_order(front: &Front, client: &Client, target: &Target, options: &RestoreOptions) -> Result<()> {
    let mut pg_restore = pg_restore(client, target.conn(), options)?;
    let fed = pg_restore.write_all(&front.to_bytes()).await;
    pg_restore.finish().await?;
    fed.map_err(stopped_reading)
}

/// Puts entries into a temporary file, since only a file can be read by several connections. There is no
/// row in it, and nobody else may read it.
fn without_data(front: &Front) -> Result<NamedTempFile> {
    let written = NamedTempFile::new().and_then(|mut file| {
        file.write_all(&front.to_bytes())?;
        Ok(file)
    });
    written.map_err(|error| {
        Error::local_file(format!("a temporary file cannot be written: {error}"))
            .hint("TMPDIR names a folder for it; --jobs 1 needs none")
            .because(error)
    })
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
            // A session that was lost has undone what it began.
            let lost = error.situation::<Situation>().is_some_and(Situation::may_pass);
            // With its last bytes pg_restore may have committed: to begin again could double the rows.
            if !lost || given.all || attempt == ATTEMPTS {
                return Err(self.source.explain_dump(error));
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
        let mut pg_restore = pg_restore(self.client, self.target.conn(), self.options)?;
        let fed = async {
            progress.now_passing(part.label.clone());
            pg_restore.write_all(&part.head(self.front)).await.map_err(stopped_reading)?;
            // The end is given only when everything has been fetched and found right.
            let mut last = Bytes::new();
            let give = async |bytes: Bytes| {
                let before = std::mem::replace(&mut last, bytes);
                pg_restore.write_all(&before).await.map_err(stopped_reading)?;
                given.count(&before, progress);
                Ok(())
            };
            self.pieces.read(self.inventory, &part.stretches, give).await?;
            let end = last.split_off(last.len().saturating_sub(END));
            pg_restore.write_all(&last).await.map_err(stopped_reading)?;
            given.count(&last, progress);
            given.all = true;
            pg_restore.write_all(&end).await.map_err(stopped_reading)?;
            given.count(&end, progress);
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
