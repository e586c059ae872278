//! `pgstow restore`: a backup into a database made for it.
//!
//! When the data is there, the rows of every table are counted and compared with the inventory. A
//! database this run created goes when the run fails.

mod single;

use super::list::age;
use super::proof::Proof;
use super::source::Source;
use super::swap;
use crate::error::{Error, Kind, Result};
use crate::inventory::Inventory;
use crate::postgres::Target;
use crate::postgres::clients::Clients;
use crate::report::Report;
use crate::settings;
use crate::signal::Stop;
use serde_json::json;
use std::time::Instant;

/// Runs `pgstow restore`.
pub async fn run(settings: settings::Restore, report: &Report, stop: &Stop) -> Result<()> {
    let started = Instant::now();
    settings.options.check()?;
    let source = stop.or(Source::find(settings.source)).await?;
    let inventory = stop.or(inventory(&source, settings.prove)).await?;
    let clients = stop.or(Clients::find(&settings.clients)).await?;
    let swap = match settings.swap {
        true => Some(stop.or(swap::open(&clients, &settings.target)).await?),
        false => None,
    };
    let goal = match &swap {
        None => settings.target.clone(),
        Some(swap) => {
            swap::agree(swap, "put the restored one in its place", settings.yes, report, stop).await?;
            settings.target.with_dbname(&swap.restoring())
        }
    };
    let mut target = stop.or(Target::open(clients.newest()?, &goal)).await?;
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
    let new = target.name().to_owned();
    let complete = |e: Error| match swap {
        Some(_) => swap::by_hand(e, &new, &settings.target),
        None => e.hint("the restore itself is complete, and was not looked at any further"),
    };
    report.say("analyzing");
    let analyze = async {
        target.analyze().await;
        Ok(())
    };
    stop.or(analyze).await.map_err(complete)?;
    let mut proof = None;
    if let Some(inventory) = &inventory {
        report.say("counting rows");
        let counted = stop.or(Proof::of(&target, inventory)).await;
        proof = Some(counted.map_err(|e| complete(e.context("count the restored rows")))?);
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
    let judgement = proof.as_ref().map_or(Ok(()), |proof| proof.judge(target.name()));
    let mut document = json!({
        "id": source.place().id, "name": source.place().name, "database": target.name(),
        "created": target.is_created(), "tables": contents.tables(), "rows": contents.rows(),
        "plain_bytes": source.dump.plain_bytes, "stored_bytes": source.dump.stored_bytes,
        "duration_s": took.as_secs_f64(), "signature": source.backup.signature, "proof": proof,
    });
    if judgement.is_err() {
        clean_up(&mut target, settings.keep_failed).await;
    } else if let Some(proof) = &proof {
        report.say(format!(
            "proven: {} rows in {} tables, counted in {}",
            proof.rows,
            proof.tables,
            target.name()
        ));
    }
    if let (Ok(()), Some(swap)) = (&judgement, &swap) {
        let swapped = swap::exchange(swap, target.name(), true, &settings.target, report).await;
        let swapped = swapped.map_err(complete)?;
        if let Some(fields) = document.as_object_mut() {
            fields.insert("database".into(), swap.name().into());
            fields.insert("swap".into(), swapped);
        }
    }
    report.answer("", &document)?;
    judgement
}

/// The inventory to prove the restore with; read first, so that damage is found before data moves.
async fn inventory(source: &Source, prove: bool) -> Result<Option<Inventory>> {
    if !prove {
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
