//! The whole stream through one `pg_restore`, in one transaction if the database was there before.
//!
//! The last bytes come only after every digest has been verified, so a bad backup commits nothing there. A copy
//! that nobody uses yet may have its indexes and constraints created by several connections after that.

use super::super::outcome::Filled;
use super::super::plan::Plan;
use super::super::postdata::{PostData, Restorer};
use super::super::prepare::{atomicity, by_need, prepare};
use super::super::request::RestoreRequest;
use super::later::before_and_data;
use crate::archive::{LateRows, Preamble, Reader, TocEntry};
use crate::consistent::read_front;
use crate::error::{Error, Kind, Result};
use crate::postgres::clients::Clients;
use crate::postgres::restore::restore as pg_restore;
use crate::postgres::{Constraint, Situation, Target};
use crate::stored::find::catalogue::Signature;
use crate::stored::format::inventory::Inventory;
use crate::stored::read::excerpt;
use crate::stored::read::reader::BackupReader;
use std::collections::{BTreeSet, HashMap, HashSet};
use tokio::io::{AsyncWriteExt, BufReader, DuplexStream};

/// Bytes on their way between decompression and `pg_restore`.
pub const BETWEEN: usize = 1 << 20;
/// Bytes written into `pg_restore`'s pipe at once; small writes cost more than the restore.
pub const AT_ONCE: usize = 256 << 10;

/// Runs the stream and `pg_restore` side by side until both are done.
///
/// With an inventory, rows come after those that functions of their tables read. With one that was signed, every byte is
/// compared before `pg_restore` gets it: it runs what it gets, and what somebody has put there instead of a dump may commit its own.
pub async fn restore(
    reader: &BackupReader,
    inventory: Option<&Inventory>,
    clients: &Clients,
    target: &mut Target,
    request: &RestoreRequest,
) -> Result<Filled> {
    let by_need = inventory.map(in_order_of_need).transpose()?.flatten();
    let is_signed = reader.backup.signature == Signature::Verified;
    let known = by_need.as_ref().or(inventory.filter(|_| is_signed));
    let (mut near, far) = tokio::io::duplex(BETWEEN);
    let stream = async {
        let contents = match known {
            Some(known) => excerpt::stream(reader, &reader.progress, known, &mut near).await?,
            None => {
                reader.look_through().await?;
                reader.stream(&mut near).await?
            }
        };
        // The end of the stream is what lets pg_restore commit: it is given only here.
        near.shutdown().await.map_err(|e| Error::unexpected("the stream cannot be ended").because(e))?;
        Ok(contents)
    };
    let loaded = async { Arriving::begin(far).await?.load(clients, target, request, 1).await };
    let (contents, (plan, failed)) = tokio::try_join!(stream, loaded)?;
    let tables = plan.came(&contents.preamble()).toc.tables() as u64;
    Ok(Filled { tables, rows: contents.rows(), plan, passed: None, failed })
}

/// The same backup with its rows in an order in which each finds what functions of its table read; `None` if it is so.
pub fn in_order_of_need(inventory: &Inventory) -> Result<Option<Inventory>> {
    let Some(front) = by_need(&Preamble::read(&inventory.archive.preamble)?) else { return Ok(None) };
    let places: HashMap<i32, usize> =
        front.toc.entries().iter().enumerate().map(|(place, entry)| (entry.dump_id(), place)).collect();
    let mut ordered = inventory.clone();
    ordered.blocks.sort_by_key(|block| places.get(&block.dump_id).copied());
    Ok(Some(ordered.only(&front)))
}

/// The tables for whose rows others come too late that their constraints or columns are computed from.
fn early_rows(front: &Preamble, counts: impl Fn(&LateRows) -> bool) -> Vec<String> {
    let late = front.toc.late_rows();
    let early = late.iter().filter(|rows| rows.too_early && counts(rows));
    let early: HashSet<i32> = early.map(|rows| rows.id).collect();
    let entries = front.toc.entries().iter().filter(|entry| early.contains(&entry.dump_id()));
    entries.map(TocEntry::label).collect()
}

/// Adds what helps if a row was refused because of rows that come later.
fn or_too_early(error: Error, front: &Preamble) -> Error {
    if error.situation() != Some(Situation::ConstraintViolated(Constraint::Check)) {
        return error;
    }
    let tables = early_rows(front, |_| true);
    if tables.is_empty() {
        return error;
    }
    error.hint(format!(
        "rows come before those that functions of their tables read: {}; `pgstow backup` and then `pgstow restore` bring them in another order",
        tables.join(", ")
    ))
}

/// Names the tables whose generated columns may be computed too early, as the rows pass in this order.
fn warn_of_early_rows(front: &Preamble) {
    let tables = early_rows(front, |rows| rows.generated);
    if !tables.is_empty() {
        tracing::warn!(
            "rows come before those that functions of their tables read, so generated columns may have other values: {} (UPDATE … SET COLUMN = DEFAULT computes one again; a restore of a backup with an inventory brings the rows in another order)",
            tables.join(", ")
        );
    }
}

/// An archive that comes, whose front is known.
pub struct Arriving {
    /// Header and table of contents, as they will be restored.
    pub front: Preamble,
    /// What was read of the data.
    read: Vec<u8>,
    rest: DuplexStream,
}

impl Arriving {
    /// Reads the archive's front.
    pub async fn begin(mut archive: DuplexStream) -> Result<Self> {
        let mut reader = Reader::new();
        let read = read_front(&mut reader, &mut archive).await;
        let mut read = read.map_err(|e| Error::unexpected("the stream broke").because(e))?;
        let front = reader.into_preamble()?;
        warn_of_early_rows(&front);
        read.drain(..front.to_bytes().len().min(read.len()));
        Ok(Self { front, read, rest: archive })
    }

    /// Makes the database that it asks for, and feeds `pg_restore`; with several `jobs`, what follows the data is created by
    /// this many connections, and no longer in one transaction with it. `pg_restore` passes over data that the front does
    /// not name.
    pub async fn load(
        self,
        clients: &Clients,
        target: &mut Target,
        request: &RestoreRequest,
        jobs: usize,
    ) -> Result<(Plan, Vec<String>)> {
        let (client, mut fitted, plan) = prepare(&self.front, clients, target, request).await?;
        let rest = if jobs > 1 { Some(PostData::of(&fitted, &BTreeSet::new())?) } else { None };
        if rest.is_some() {
            fitted = before_and_data(&fitted);
        }

        let atomicity = atomicity(&fitted, target);
        target.breathe().await;
        let mut pg_restore = pg_restore(client, target.conn(), &plan.options, atomicity).await?;
        let fed = async {
            pg_restore.write_all(&fitted.to_bytes()).await?;
            pg_restore.write_all(&self.read).await?;
            tokio::io::copy_buf(&mut BufReader::with_capacity(AT_ONCE, self.rest), &mut pg_restore).await
        };
        let fed = fed.await;
        // When pg_restore has died, its own words say more than "broken pipe".
        let failed = match plan.options.keep_going {
            true => pg_restore.finish_despite_errors().await,
            false => pg_restore.finish().await.map(|_| Vec::new()),
        };
        let failed = failed.map_err(|error| or_too_early(error, &fitted))?;
        fed.map_err(|e| Error::from_io(e, Kind::Postgres, "pg_restore stopped reading"))?;
        if let Some(rest) = rest {
            rest.make(Restorer { client, target, options: &plan.options }, jobs).await?;
        }
        Ok((plan, failed))
    }
}
