//! `pgstow verify`: reads backups back and says which can be trusted, needing neither database nor disk,
//! unless it is asked to restore them.

mod rehearsal;

use super::list::age;
use super::source::{Shelf, Source};
use crate::archive::Depth;
use crate::catalogue::{self, Found};
use crate::error::{Error, Kind, Result};
use crate::inventory::Inventory;
use crate::names::{Name, Timestamp};
use crate::report::Report;
use crate::settings::{self, HowVerified, Which};
use crate::signal::Stop;
use indicatif::BinaryBytes;
use serde_json::{Value, json};
use std::time::Instant;

/// How many differences of one backup are told.
const MOST_TOLD: usize = 10;

/// Runs `pgstow verify`.
pub async fn run(settings: settings::Verify, report: &Report, stop: &Stop) -> Result<()> {
    let settings::Verify { which, name, reading, how } = settings;
    let choosing = async {
        let shelf = Shelf::open(reading).await?;
        let chosen = choose(&shelf, &which, name.as_ref()).await?;
        Ok((shelf, chosen))
    };
    let (shelf, chosen) = stop.or(choosing).await?;

    let mut verdicts = Vec::new();
    let mut failures: Vec<Error> = Vec::new();
    for found in &chosen {
        let (started, place) = (Instant::now(), &found.place);
        let outcome = verify(&shelf, found, &how, report, stop).await;
        if let Err(error) = &outcome
            && matches!(error.kind(), Kind::Interrupted | Kind::Terminated)
        {
            return outcome.map(drop);
        }
        let took = started.elapsed();
        let mut verdict = json!({
            "id": place.id, "name": place.name, "quick": matches!(how, HowVerified::Quick),
            "verified": outcome.is_ok(), "duration_s": took.as_secs_f64(),
        });
        let facts = match outcome {
            Ok((said, facts)) => {
                report.say(format!("verified {place}: {said}, {}", age(took)));
                facts
            }
            Err(error) => {
                if chosen.len() > 1 {
                    tracing::warn!("{place} does not verify: {error}");
                }
                let facts = json!({ "error": error.message(), "exit_code": error.kind().exit_code() });
                failures.push(error);
                facts
            }
        };
        if let (Some(verdict), Value::Object(facts)) = (verdict.as_object_mut(), facts) {
            verdict.extend(facts);
        }
        verdicts.push(verdict);
    }
    report.answer("", &verdicts)?;
    conclude(failures, chosen.len())
}

/// The failure to report of many: that a backup cannot be trusted comes before that one was not reached.
fn conclude(mut failures: Vec<Error>, of: usize) -> Result<()> {
    failures.sort_by_key(|error| error.kind() != Kind::Verify);
    let count = failures.len();
    match failures.into_iter().next() {
        None => Ok(()),
        Some(only) if of == 1 => Err(only),
        Some(first) => {
            Err(Error::new(first.kind(), format!("{count} of {of} backups do not verify")).because(first))
        }
    }
}

async fn choose(shelf: &Shelf, which: &Which, name: Option<&Name>) -> Result<Vec<Found>> {
    let (newest_per_name, older_than) = match which {
        Which::One(id) => return Ok(vec![catalogue::find(shelf.store(), name, id).await?]),
        Which::Many { newest_per_name, older_than } => (*newest_per_name, *older_than),
    };
    let mut found = catalogue::search(shelf.store(), name).await?;
    if newest_per_name {
        // Sorted by name, then time: the last of each name is its newest.
        found.reverse();
        found.dedup_by(|older, newer| older.place.name == newer.place.name);
        found.reverse();
    }
    if let Some(age) = older_than {
        let now = Timestamp::now();
        found.retain(|found| found.place.id.started_at().is_some_and(|start| now.since(start) >= age));
    }
    if found.is_empty() {
        return Err(Error::not_found("no backup fits, so nothing was verified")
            .hint("`pgstow list` shows what is there"));
    }
    Ok(found)
}

/// Verifies one backup; says what was proven, for people and as fields of the document.
async fn verify(shelf: &Shelf, found: &Found, quick: bool, report: &Report) -> Result<(String, Value)> {
    let source = shelf.take(found).await?;
    let manifest = &source.backup.manifest;
    let stored = manifest.stored_bytes();
    source.look().await?;
    let mut facts = json!({
        "stored_bytes": stored, "plain_bytes": source.dump.plain_bytes, "signature": source.backup.signature,
    });
    if quick {
        let said =
            format!("{} objects, {} in place; nothing was read", manifest.objects.len(), BinaryBytes(stored));
        return Ok((said, facts));
    }

    let inventory = source.inventory().await?;
    let following = report.follow(&source.progress);
    let contents = source.digest(Depth::Blocks).await?;
    drop(following);
    let read = Inventory::new(contents, &[]);
    let totals = read.totals();
    let mut differences = match &inventory {
        Some(inventory) => inventory.differences(&read),
        None => {
            tracing::warn!(
                "{} has no inventory: its rows are counted, and cannot be compared",
                source.place()
            );
            vec![]
        }
    };
    if manifest.totals.is_some_and(|said| said != totals) {
        differences.push("the manifest tells other numbers of tables and rows".to_owned());
    }
    refuse(&source, &differences)?;
    if let Some(facts) = facts.as_object_mut() {
        facts.insert("tables".into(), totals.tables.into());
        facts.insert("rows".into(), totals.rows.into());
        facts.insert("inventory".into(), inventory.is_some().into());
    }
    let said = format!(
        "{} stored, {} of dump, {} tables, {} rows; every digest agrees",
        BinaryBytes(stored),
        BinaryBytes(source.dump.plain_bytes),
        totals.tables,
        totals.rows
    );
    Ok((said, facts))
}

/// Tells what differs between the inventory and the dump.
fn refuse(source: &Source, differences: &[String]) -> Result<()> {
    if differences.is_empty() {
        return Ok(());
    }
    let more = differences.len().saturating_sub(MOST_TOLD);
    let mut told = differences.iter().take(MOST_TOLD).cloned().collect::<Vec<_>>().join("; ");
    if more > 0 {
        told.push_str(&format!("; and {more} more"));
    }
    Err(Error::verify(format!("{}: the dump is not what was written about it: {told}", source.place())))
}
