//! Several `pg_restore` workers at once, each fed with the frames of its own part of the data.
//!
//! What comes before the data is created first. Then the parts are loaded side by side, and with them the indexes and
//! constraints of large tables whose rows are in. Then `pg_restore` creates what is left on many connections. No dump is
//! written to any disk. It is not one transaction: only a database that goes when the restore fails is filled this way.

use super::super::plan::Plan;
use super::super::postdata::{PostData, Restorer, stopped_reading};
use super::super::prepare::{atomicity, prepare};
use super::super::request::RestoreRequest;
use super::early::{Early, LEAST};
use super::later::before;
use super::parts::{Part, Sizes, parts, tables_at_once};
use super::queue::{Queue, Work};
use crate::archive::Preamble;
use crate::error::{Error, Kind, Result};
use crate::postgres::clients::Clients;
use crate::postgres::restore::{Atomicity, restore as pg_restore};
use crate::postgres::{Situation, Target};
use crate::progress::Progress;
use crate::stored::format::inventory::Inventory;
use crate::stored::read::ranges::Ranges;
use crate::stored::read::reader::BackupReader;
use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// How often a part is begun before the restore is given up.
const ATTEMPTS: u32 = 3;
/// The pause before a part is begun again; a server that fell over needs a moment.
const PAUSE: Duration = Duration::from_secs(2);
/// The bytes at the end of a block without which nothing of it can be committed.
const END: usize = 5;

/// Restores the dump into a database created for it, with `jobs` workers.
pub async fn restore(
    reader: &BackupReader,
    inventory: &Inventory,
    clients: &Clients,
    target: &mut Target,
    request: &RestoreRequest,
    jobs: usize,
) -> Result<Plan> {
    let front = Preamble::read(&inventory.archive.preamble)?;
    let (client, front, plan) = prepare(&front, clients, target, request).await?;
    let (front, options) = (&front, &plan.options);
    let early = Early::all(front, inventory, LEAST);
    let rest = PostData::of(front, &early.iter().flat_map(|one| one.entries.clone()).collect())?;
    let ranges = Ranges::of(reader, &reader.progress).await?;
    let target = &*target;

    let restorer = Restorer { client, target, options };
    restorer.in_order(&before(front)).await?;
    let worker = Worker { reader, inventory, front, ranges: &ranges, restorer };
    let sizes = Sizes::of(inventory, jobs, target.logs_least());
    let parts = parts(inventory, front, sizes, tables_at_once(target.locks(), jobs));
    let (first, early): (Vec<Early>, Vec<Early>) = early.into_iter().partition(Early::is_first);
    worker.make(&first).await?;
    let mut queue = Queue::new(parts, early, first.iter().map(|one| one.id).collect());
    let mut refused = Vec::new();
    loop {
        let more = worker.work_off(&mut queue, jobs).await?;
        refused.extend(more.into_iter().flat_map(|part| part.by_table(inventory)));
        let before = refused.len();
        let why = worker.load_again(&mut refused, &mut queue).await?;
        if refused.is_empty() && queue.has_all_rows() {
            break;
        }
        // Late rows may be what the others lack.
        if refused.len() == before
            && !queue.hurry()
            && let Some(error) = why
        {
            return Err(reader.explain_dump(error));
        }
    }
    // What waited for the last of them.
    worker.work_off(&mut queue, jobs).await?;
    if !queue.is_done() {
        return Err(Error::unexpected("an index or a constraint waits for something that does not come"));
    }

    reader.progress.now_passing("indexes and constraints".into());
    rest.make(restorer, jobs).await?;
    Ok(plan)
}

struct Worker<'a> {
    reader: &'a BackupReader,
    inventory: &'a Inventory,
    front: &'a Preamble,
    ranges: &'a Ranges,
    restorer: Restorer<'a>,
}

/// What became of some work.
enum Done {
    Loaded(Part),
    /// The server does not take it now.
    Refused(Part),
    Made(Early),
}

impl Worker<'_> {
    /// Does all that can be done, `jobs` at a time; returns the parts that the server refused.
    async fn work_off(&self, queue: &mut Queue, jobs: usize) -> Result<Vec<Part>> {
        let (mut running, mut refused) = (FuturesUnordered::new(), Vec::new());
        loop {
            while running.len() < jobs
                && let Some(work) = queue.next()
            {
                running.push(self.work(work));
            }
            match running.try_next().await? {
                None => return Ok(refused),
                Some(Done::Loaded(part)) => queue.loaded(&part),
                Some(Done::Refused(part)) => refused.push(part),
                Some(Done::Made(early)) => queue.made(&early),
            }
        }
    }

    async fn work(&self, work: Work) -> Result<Done> {
        match work {
            Work::Load(number, part) => {
                Ok(match self.load_at_last(&part, &format!("part {number}")).await? {
                    None => Done::Loaded(part),
                    Some(error) => {
                        tracing::warn!("{error}; loading it again when all other tables are there");
                        Done::Refused(part)
                    }
                })
            }
            Work::Make(early) => {
                self.reader.progress.now_passing(early.label.clone());
                self.make(std::slice::from_ref(&early)).await?;
                Ok(Done::Made(early))
            }
        }
    }

    /// Makes these indexes and constraints, in the dump's order.
    async fn make(&self, early: &[Early]) -> Result<()> {
        if early.is_empty() {
            return Ok(());
        }
        let entries: BTreeSet<i32> = early.iter().flat_map(|one| one.entries.clone()).collect();
        let only = self.front.keep(|entry| entries.contains(&entry.dump_id()));
        self.restorer.in_order(&only).await
    }

    /// Loads parts that were refused, one after the other in the dump's order, as one stream would bring them. Those that
    /// are refused again are left; also returns why the first of them is.
    async fn load_again(&self, refused: &mut Vec<Part>, queue: &mut Queue) -> Result<Option<Error>> {
        let mut first = None;
        refused.sort_by_key(Part::start);
        for (number, part) in std::mem::take(refused).into_iter().enumerate() {
            match self.load_at_last(&part, &format!("again {number}")).await? {
                None => queue.loaded(&part),
                Some(error) => {
                    first.get_or_insert(error);
                    refused.push(part);
                }
            }
        }
        Ok(first)
    }

    /// Loads a part, and begins again if the session was lost before anything could be committed. Returns why, if the
    /// server refuses it: what it looks up in other tables may not be there yet.
    async fn load_at_last(&self, part: &Part, called: &str) -> Result<Option<Error>> {
        let mut attempt = 1;
        loop {
            let session = self.restorer.target.session_name(&format!("{called}.{attempt}"));
            let mut given = Given::default();
            let error = match self.load(part, &mut given, &session).await {
                Ok(()) => return Ok(None),
                Err(error) => error.context(&part.label),
            };
            let situation = error.situation::<Situation>();
            // A session that was lost has undone what it began.
            let lost = situation.is_some_and(Situation::may_pass);
            // Whoever looks into a table that another worker loads waits for it, and that one perhaps for this one.
            let in_the_way = situation == Some(Situation::Deadlock);
            let refused = error.kind() == Kind::Postgres
                && (in_the_way || !situation.is_some_and(Situation::is_of_machine));
            let undone = given.whole && !given.all;
            if given.whole && refused && part.has_rows() {
                self.take_back(&given);
                return Ok(Some(error));
            }
            // With its last bytes pg_restore may have committed: to begin again could double the rows.
            if !lost || !undone || attempt == ATTEMPTS {
                return Err(self.reader.explain_dump(error));
            }
            tracing::warn!("{error}; loading it again");
            self.take_back(&given);
            tokio::time::sleep(PAUSE * attempt).await;
            // It may be lost on our side only.
            if let Err(error) = self.restorer.target.end_sessions(&session).await {
                tracing::debug!("sessions could not be ended: {error}");
            }
            attempt += 1;
        }
    }

    /// What was given counts no longer.
    fn take_back(&self, given: &Given) {
        self.reader.progress.plain.fetch_sub(given.bytes, Ordering::Relaxed);
    }

    /// Loads a part.
    async fn load(&self, part: &Part, given: &mut Given, session: &str) -> Result<()> {
        let progress = &self.reader.progress;
        let Restorer { client, target, options } = self.restorer;
        target.breathe().await;
        let atomicity = atomicity(&part.preamble(self.front), target);
        given.whole = atomicity == Atomicity::Whole;
        let mut pg_restore = pg_restore(client, &target.conn().named(session), options, atomicity).await?;
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
            self.ranges.read(self.inventory, &part.stretches, give).await?;
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
    /// Whether it is one transaction, and so nothing is left if the session is lost.
    whole: bool,
}

impl Given {
    fn count(&mut self, bytes: &Bytes, progress: &Progress) {
        self.bytes += bytes.len() as u64;
        progress.plain.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}
