//! What is created after all data is there: indexes and constraints over several connections, grants in their
//! order, materialized views, and last the event triggers, which would react to the others.

use super::load::later::Later;
use super::prepare::atomicity;
use crate::archive::Preamble;
use crate::error::{Error, Kind, Result};
use crate::postgres::clients::Client;
use crate::postgres::restore::{restore as pg_restore, restore_file};
use crate::postgres::{PgRestoreOptions, Target};
use crate::temporary::Scratch;
use std::collections::BTreeSet;
use tokio::io::AsyncWriteExt;

/// What is made when all data is there: indexes and constraints by several connections at once.
pub struct PostData {
    /// The indexes of partitions, and what makes them parts of an index of the whole table: that is done one after the
    /// other, as `pg_restore` does not know that two of them can wait for each other's locks.
    of_partitions: Option<(Scratch, Preamble)>,
    after: Scratch,
    attached_last: Preamble,
    grants: Preamble,
    refreshes: Option<Scratch>,
    refreshed_in_order: bool,
    event_triggers: Preamble,
}

impl PostData {
    /// Of this archive, but for these entries.
    pub fn of(front: &Preamble, made: &BTreeSet<i32>) -> Result<Self> {
        let Later {
            of_partitions,
            after,
            attached_last,
            grants,
            refreshes,
            refreshed_in_order,
            event_triggers,
        } = Later::of(front, made);
        let of_partitions = match of_partitions {
            Some((indexes, attached)) => Some((without_data(&indexes)?, attached)),
            None => None,
        };
        Ok(Self {
            of_partitions,
            after: without_data(&after)?,
            attached_last,
            grants,
            refreshes: if refreshes.is_empty() { None } else { Some(without_data(&refreshes)?) },
            refreshed_in_order,
            event_triggers,
        })
    }

    /// Creates it, over this many connections.
    pub async fn make(&self, restorer: Restorer<'_>, jobs: usize) -> Result<()> {
        if let Some((indexes, attached)) = &self.of_partitions {
            restorer.side_by_side(indexes, jobs).await?;
            restorer.in_order(attached).await?;
        }
        restorer.side_by_side(&self.after, jobs).await?;
        if !self.attached_last.is_empty() {
            restorer.in_order(&self.attached_last).await?;
        }
        restorer.in_order(&self.grants).await?;
        if let Some(refreshes) = &self.refreshes {
            let jobs = if self.refreshed_in_order { 1 } else { jobs };
            restorer.side_by_side(refreshes, jobs).await?;
        }
        if self.event_triggers.is_empty() {
            return Ok(());
        }
        restorer.in_order(&self.event_triggers).await
    }
}

/// A `pg_restore` for each part of a restore.
#[derive(Clone, Copy)]
pub struct Restorer<'a> {
    /// The program.
    pub client: &'a Client,
    /// The database.
    pub target: &'a Target,
    /// How the program is run.
    pub options: &'a PgRestoreOptions,
}

impl Restorer<'_> {
    /// Restores entries without data one after the other.
    pub async fn in_order(self, front: &Preamble) -> Result<()> {
        self.target.breathe().await;
        let (conn, atomicity) = (self.target.conn(), atomicity(front, self.target));
        let mut pg_restore = pg_restore(self.client, conn, self.options, atomicity).await?;
        let fed = pg_restore.write_all(&front.to_bytes()).await;
        pg_restore.finish().await?;
        fed.map_err(stopped_reading)
    }

    /// Restores the entries of this file over this many connections.
    async fn side_by_side(self, entries: &Scratch, jobs: usize) -> Result<()> {
        self.target.breathe().await;
        restore_file(self.client, self.target.conn(), self.options, jobs, entries).await
    }
}

/// Puts entries into a temporary file, since only a file can be read by several connections. There is no
/// row in it, and nobody else may read it.
fn without_data(front: &Preamble) -> Result<Scratch> {
    Scratch::new(&front.to_bytes()).map_err(|error| {
        Error::local_file(format!("a temporary file cannot be written: {error}"))
            .hint("TMPDIR names a folder for it; --jobs 1 needs none")
            .because(error)
    })
}

/// The failure of a `pg_restore` that went away while it was fed.
pub fn stopped_reading(error: std::io::Error) -> Error {
    Error::from_io(error, Kind::Postgres, "pg_restore stopped reading")
}
