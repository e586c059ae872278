//! `pgstow restore`: a backup into a database made for it.
//!
//! When the data is there, it is proven: compared with the inventory, table by table. A
//! database this run created goes when the run fails.

pub mod single;

use super::list::age;
use super::proof;
use super::source::Source;
use crate::error::{Kind, Result};
use crate::inventory::Inventory;
use crate::postgres::Target;
use crate::postgres::clients::Clients;
use crate::report::Report;
use crate::settings::{self, ProofBy};
use crate::signal::Stop;
use serde_json::json;
use std::time::Instant;

/// Runs `pgstow restore`.
pub async fn run(settings: settings::Restore, report: &Report, stop: &Stop) -> Result<()> {
    let started = Instant::now();
    settings.options.check()?;
    let source = stop.or(Source::find(settings.source)).await?;
    let inventory = stop.or(inventory(&source, settings.proof)).await?;
    let clients = stop.or(Clients::find(&settings.clients)).await?;
    let mut target = stop.or(Target::open(clients.newest()?, &settings.target)).await?;
    if settings.proof == ProofBy::Digests {
        // Better now than when the data has moved.
        clients.for_dump(target.version())?;
    }
    report.say(format!("restoring {} into {}", source.place(), target.name()));

    let following = report.follow(&source.progress);
    let restored = stop.or(single::restore(&source, &clients, &mut target, &settings.options)).await;
    drop(following);
    let contents = match restored {
        Ok(contents) => contents,
        Err(first) => {
            clean_up(&mut target, settings.keep_failed).await;
            return Err(first);
        }
    };

    // Committed: from here on only a proof that fails takes it back.
    let complete = "the restore itself is complete, and was not looked at any further";
    report.say("analyzing");
    let analyze = async {
        target.analyze().await;
        Ok(())
    };
    stop.or(analyze).await.map_err(|e| e.hint(complete))?;
    let mut proof = None;
    if let Some(inventory) = &inventory {
        let proving = proof::prove(settings.proof, &target, &clients, &source, inventory, report);
        let proven = stop.or(proving).await;
        proof = proven.map_err(|e| e.context("prove what was restored").hint(complete))?;
    }
    let took = started.elapsed();
    report.say(format!(
        "restored {} into {}: {} tables, {} rows, {}; every digest agrees",
        source.place(),
        target.name(),
        contents.tables(),
        contents.rows(),
        age(took)
    ));
    let judgement = proof.as_ref().map_or(Ok(()), |proof| proof.judge(target.name())).map_err(|e| {
        e.hint("the backup itself agrees with all its digests; --keep-failed keeps the database to look into")
    });
    let document = json!({
        "id": source.place().id, "name": source.place().name, "database": target.name(),
        "created": target.is_created(), "tables": contents.tables(), "rows": contents.rows(),
        "plain_bytes": source.dump.plain_bytes, "stored_bytes": source.dump.stored_bytes,
        "duration_s": took.as_secs_f64(), "signature": source.backup.signature, "proof": proof,
    });
    if judgement.is_err() {
        clean_up(&mut target, settings.keep_failed).await;
    } else if let Some(proof) = &proof {
        report.say(format!("proven: {}, in {}", proof.said(), target.name()));
    }
    report.answer("", &document)?;
    judgement
}

/// The inventory to prove the restore with; read first, so that damage is found before data moves.
async fn inventory(source: &Source, by: ProofBy) -> Result<Option<Inventory>> {
    if by == ProofBy::Nothing {
        return Ok(None);
    }
    let inventory = source.inventory().await;
    let inventory = inventory.map_err(|e| match e.kind() {
        Kind::Verify if e.advice().is_none() => {
            e.hint("--proof none restores the dump all the same, and proves nothing")
        }
        _ => e,
    })?;
    if inventory.is_none() {
        tracing::warn!("{} has no inventory: its rows will not be compared", source.place());
    }
    Ok(inventory)
}

/// Leaves nothing half-restored behind.
async fn clean_up(target: &mut Target, keep: bool) {
    if keep && target.is_created() {
        tracing::warn!("{} is kept as the failed restore left it", target.name());
    } else if let Err(error) = target.drop_created().await {
        tracing::warn!("{} is left behind, empty or unfinished: {error}", target.name());
    }
}
