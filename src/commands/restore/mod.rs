//! `pgstow restore`: a backup into a database made for it.
//!
//! When the data is there, it is proven: compared with the inventory, table by table. A database this run created goes when the run fails.

pub mod after;
mod command;
mod neon;
mod parallel;
mod parts;
pub mod plan;
mod script;
pub mod single;

pub use command::feed;

use super::excerpt;
use super::list::age;
use super::proof;
use super::source::Source;
use super::swap;
use crate::error::{Error, Kind, Result};
use crate::inventory::Inventory;
use crate::manifest;
use crate::numbers::{count, told_rows};
use crate::postgres::clients::Clients;
use crate::postgres::{ConnInfo, Target, identifier};
use crate::report::Report;
use crate::settings::{self, Goal, ProofBy};
use crate::signal::Stop;
use plan::{Plan, Wishes};
use serde_json::{Value, json};
use std::time::Instant;

/// More workers than this wait for the server rather than help it.
const MOST_JOBS: usize = 8;
/// Bytes of dump that keep a worker busy long enough to be worth it.
const WORTH_A_JOB: u64 = 64 << 20;

/// Runs `pgstow restore`.
pub async fn run(settings: settings::Restore, report: &Report, stop: &Stop) -> Result<()> {
    let started = Instant::now();
    let settings::Restore { source, tables, goal, jobs, fitting, after, clients, proof, keep_failed } =
        settings;
    fitting.options.check()?;
    let mut source = stop.or(Source::find(source)).await?;
    let inventory = if tables.is_empty() {
        stop.or(inventory(&source, proof)).await?
    } else {
        let chosen = excerpt::choose(stop.or(excerpt::inventory(&source)).await?, &tables, false)?;
        source.narrow(chosen);
        None
    };
    let wishes = stop.or(Wishes::of(fitting, after, &source)).await?;
    let clients = stop.or(Clients::find(&clients)).await?;
    let fleeting = !matches!(goal, Goal::Database(_));
    let run =
        Run { fleeting, started, source, inventory, clients, jobs, wishes, proof, keep_failed, report, stop };
    match goal {
        Goal::Database(target) => {
            let (document, judgement) = run.restore_into(&target).await?;
            report.answer("", &document)?;
            judgement
        }
        Goal::Swap { target, yes } => run.in_place_of(&target, yes).await,
        Goal::Neon(branch) => neon::restore(run, &branch).await,
    }
}

/// A restore with everything known but where to.
struct Run<'a> {
    started: Instant,
    source: Source,
    inventory: Option<Inventory>,
    clients: Clients,
    jobs: Option<u8>,
    wishes: Wishes,
    proof: ProofBy,
    keep_failed: bool,
    /// Whether what it goes into is for nobody until more than the restore is done.
    fleeting: bool,
    report: &'a Report,
    stop: &'a Stop,
}

impl Run<'_> {
    /// Restores beside a database, and gives the restored one its name.
    async fn in_place_of(self, target: &ConnInfo, yes: bool) -> Result<()> {
        let (report, stop) = (self.report, self.stop);
        let swap = stop.or(swap::open(&self.clients, target)).await?;
        if swap.live().is_none() {
            tracing::warn!(
                "there is no database {}: nothing is swapped, what is restored simply gets the name",
                identifier(swap.name())
            );
        }
        swap::agree(&swap, "put the restored one in its place", yes, report, stop).await?;
        let (mut document, judgement) = self.restore_into(&target.with_dbname(&swap.restoring())).await?;
        if judgement.is_ok() {
            let swapped = swap::finish(&swap, target, report).await?;
            if let Some(fields) = document.as_object_mut() {
                fields.insert("database".into(), swap.name().into());
                fields.insert("swap".into(), swapped);
            }
        }
        report.answer("", &document)?;
        judgement
    }

    /// Restores into a database and proves it; what to tell, and whether it is what was dumped.
    ///
    /// A failure leaves nothing behind that this made.
    async fn restore_into(&self, conn: &ConnInfo) -> Result<(Value, Result<()>)> {
        let Self { source, clients, report, stop, .. } = self;
        let inventory = source.excerpt().or(self.inventory.as_ref());
        let mut target = stop.or(Target::open(clients.newest()?, conn)).await?;
        if self.proof == ProofBy::Digests {
            // Better now than when the data has moved.
            clients.for_dump(target.version())?;
        }
        report.say(format!("restoring {} into {}", source.place(), target.name()));

        let following = report.follow(&source.progress);
        let restoring = fill(source, inventory, clients, &mut target, &self.wishes, self.jobs);
        let restored = stop.or(restoring).await;
        drop(following);
        let Filled { tables, rows, plan } = match restored {
            Ok(filled) => filled,
            Err(first) => {
                clean_up(&mut target, self.keep_failed, report).await;
                return Err(first);
            }
        };
        if !plan.made_roles.is_empty() {
            report.say(format!("made the roles {}", plan.made_roles.join(", ")));
        }

        let fetched_bytes = source.fetched_bytes();
        // Committed: from here on only a proof that fails takes it back.
        report.say("analyzing");
        let proving = async {
            target.analyze().await;
            let Some(inventory) = inventory else { return Ok(None) };
            let proving = proof::prove(self.proof, &target, clients, source, inventory, report);
            proving.await.map_err(|e| e.context("prove what was restored"))
        };
        let proof = match stop.or(proving).await {
            Ok(proof) => proof,
            // With more to be done in it, it is for nobody yet.
            Err(first) if self.fleeting || !self.wishes.after.is_empty() => {
                clean_up(&mut target, self.keep_failed, report).await;
                return Err(first);
            }
            Err(first) => {
                return Err(first.hint("the restore itself is complete, and was not looked at any further"));
            }
        };
        let took = self.started.elapsed();
        report.say(format!(
            "restored {} into {}: {}, {}, {}; every digest agrees",
            source.place(),
            target.name(),
            count(tables, "table"),
            told_rows(rows),
            age(took)
        ));
        let judgement = proof.as_ref().map_or(Ok(()), |proof| proof.judge(target.name())).map_err(|e| {
            e.hint("the backup itself agrees with all its digests; --keep-failed keeps the database to look into")
        });
        if judgement.is_ok() {
            if let Some(proof) = proof.as_ref().filter(|proof| proof.is_any()) {
                report.say(format!("proven: {}, in {}", proof.said(), target.name()));
            }
            let finishing = after::finish(&self.wishes.after, &plan, &target, clients, report);
            if let Err(first) = stop.or(finishing).await {
                clean_up(&mut target, self.keep_failed, report).await;
                return Err(first);
            }
        } else {
            clean_up(&mut target, self.keep_failed, report).await;
        }
        let document = json!({
            "id": source.place().id, "name": source.place().name, "database": target.name(),
            "created": target.is_created(), "tables": tables, "rows": rows,
            "plain_bytes": source.plain_bytes(), "stored_bytes": source.dump.stored_bytes,
            "fetched_bytes": fetched_bytes,
            "duration_s": took.as_secs_f64(), "signature": source.backup.signature, "proof": proof,
            "made_roles": plan.made_roles, "left_out": plan.left_out,
        });
        Ok((document, judgement))
    }
}

/// A database that was filled.
pub struct Filled {
    /// How many tables are in it.
    pub tables: u64,
    /// How many rows came; `None` where nobody counted them.
    pub rows: Option<u64>,
    /// As was decided.
    pub plan: Plan,
}

/// Fills the target, with as many workers as were asked for or are worth it; says how much came.
///
/// Only a database made for it is filled by several: that is not one transaction.
pub async fn fill(
    source: &Source,
    inventory: Option<&Inventory>,
    clients: &Clients,
    target: &mut Target,
    wishes: &Wishes,
    asked: Option<u8>,
) -> Result<Filled> {
    let jobs = jobs(asked, source.plain_bytes());
    match inventory {
        _ if source.kind() == manifest::Kind::Sql => {
            if asked.is_some_and(|jobs| jobs > 1) {
                tracing::warn!("a plain dump is run by one psql in one transaction, whatever --jobs says");
            }
            script::restore(source, clients, target, wishes).await
        }
        Some(inventory) if jobs > 1 && !target.exists() => {
            let plan = parallel::restore(source, inventory, clients, target, wishes, jobs).await?;
            Ok(Filled { tables: inventory.archive.tables, rows: inventory.rows(), plan })
        }
        _ => {
            if jobs > 1 && asked.is_some() {
                let why = if target.exists() { "the database exists" } else { "there is no inventory" };
                tracing::warn!(
                    "{why}, so it is filled by one stream in one transaction, whatever --jobs says"
                );
            }
            single::restore(source, clients, target, wishes).await
        }
    }
}

/// How many workers share the load: what was asked for, else the cores; a small dump is worth one only.
pub fn jobs(asked: Option<u8>, plain_bytes: u64) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let worth = usize::try_from(plain_bytes / WORTH_A_JOB).unwrap_or(usize::MAX);
    asked.map_or_else(|| cores.min(MOST_JOBS).min(worth).max(1), usize::from)
}

/// The inventory, to share the work out by and to prove the restore with; read first, so that damage is
/// found before data moves.
async fn inventory(source: &Source, proof: ProofBy) -> Result<Option<Inventory>> {
    if source.kind() == manifest::Kind::Stream {
        let place = source.place();
        return Err(Error::usage(format!("{place} is a stream, and no database")).hint(format!(
            "give it to a command: pgstow restore {} --name {} -- COMMAND",
            place.id, place.name
        )));
    }
    match source.inventory().await {
        Ok(None) => {
            let whatever = if proof == ProofBy::Digests { ", whatever --proof says" } else { "" };
            tracing::warn!("{} has no inventory: its rows will not be compared{whatever}", source.place());
            Ok(None)
        }
        // Who wants no proof gets the dump, whatever became of the inventory.
        Err(error) if proof == ProofBy::Nothing && error.kind() == Kind::Verify => {
            tracing::warn!("{error}");
            Ok(None)
        }
        Err(error) if error.kind() == Kind::Verify && error.hints().is_empty() => {
            Err(error.hint("--proof none restores the dump all the same, and proves nothing"))
        }
        found => found,
    }
}

/// Leaves nothing half-restored behind.
async fn clean_up(target: &mut Target, keep: bool, report: &Report) {
    let made = target.is_created();
    if keep && made {
        tracing::warn!("{} is kept as the failed restore left it", target.name());
    } else if let Err(error) = target.drop_created().await {
        tracing::warn!("{} is left behind, empty or unfinished: {error}", target.name());
    } else if made {
        report.say(format!("the new database {} was dropped again", target.name()));
    }
}
