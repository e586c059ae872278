//! `pgstow verify`: reads backups back and says which can be trusted, needing neither database nor disk,
//! unless it is asked to restore them.

mod rehearsal;

use super::list::age;
use super::source::{Shelf, Source};
use crate::catalogue::{self, Found};
use crate::error::{Error, Kind, Result};
use crate::inventory::Inventory;
use crate::manifest;
use crate::names::{Name, Timestamp};
use crate::numbers::{count, told_rows};
use crate::report::Report;
use crate::settings::{self, HowVerified, Which};
use crate::signal::Stop;
use indicatif::BinaryBytes;
use rehearsal::rehearse;
use serde_json::{Map, Value, json};
use std::time::Instant;

/// How many differences of one backup are told.
const MOST_TOLD: usize = 10;

/// What was found out about one backup, as a document.
type Facts = Map<String, Value>;

/// Runs `pgstow verify`.
pub async fn run(settings: settings::Verify, report: &Report, stop: &Stop) -> Result<()> {
    let settings::Verify { which, name, reading, how } = settings;
    let choosing = async {
        let shelf = Shelf::open(reading).await?;
        let chosen = choose(&shelf, &which, name.as_ref()).await?;
        Ok((shelf, chosen))
    };
    let (shelf, chosen) = stop.or(choosing).await?;

    let alone = matches!(which, Which::One(_));
    let mut verdicts = Vec::new();
    let mut failures: Vec<Error> = Vec::new();
    for found in &chosen {
        let (started, place) = (Instant::now(), &found.place);
        let mut verdict = Facts::new();
        verdict.insert("id".into(), json!(place.id));
        verdict.insert("name".into(), json!(place.name));
        verdict.insert("quick".into(), matches!(how, HowVerified::Quick).into());
        let outcome = verify(&shelf, found, &how, alone, &mut verdict, report, stop).await;
        let took = started.elapsed();
        verdict.insert("verified".into(), outcome.is_ok().into());
        verdict.insert("duration_s".into(), took.as_secs_f64().into());
        match outcome {
            Ok(said) => report.say(format!("verified {place}: {said}, {}", age(took))),
            Err(error) if matches!(error.kind(), Kind::Interrupted | Kind::Terminated) => return Err(error),
            Err(error) => {
                verdict.insert("error".into(), error.message().into());
                verdict.insert("exit_code".into(), error.kind().exit_code().into());
                if chosen.len() == 1 {
                    failures.push(error);
                } else {
                    let (about, why) = (format!("{place}: "), error.with_hints());
                    let why = why.strip_prefix(&about).unwrap_or(&why);
                    let said = format!("{place} does not verify: {why}");
                    tracing::warn!("{said}");
                    failures.push(Error::new(error.kind(), said));
                }
            }
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

/// Verifies one backup: says what was proven, and puts into `facts` whatever was found out.
async fn verify(
    shelf: &Shelf,
    found: &Found,
    how: &HowVerified,
    alone: bool,
    facts: &mut Facts,
    report: &Report,
    stop: &Stop,
) -> Result<String> {
    let looking = async {
        let source = shelf.take(found).await?;
        source.look().await?;
        Ok(source)
    };
    let source = stop.or(looking).await?;
    let described = &source.backup.manifest;
    let stored = described.stored_bytes();
    facts.insert("stored_bytes".into(), stored.into());
    facts.insert("plain_bytes".into(), source.dump.plain_bytes.into());
    facts.insert("signature".into(), json!(source.backup.signature));
    if matches!(how, HowVerified::Quick) {
        let objects = described.objects.len();
        return Ok(format!(
            "{}, {} in place; nothing was read",
            count(objects, "object"),
            BinaryBytes(stored)
        ));
    }

    let restores = matches!(how, HowVerified::Restore(_));
    if restores && alone && source.kind() == manifest::Kind::Stream {
        return Err(Error::usage(format!("{} is a stream, and no database to be restored", source.place()))
            .hint("without --restore all of it is read and compared with its digests"));
    }
    stop.or(source.globals()).await?;
    if source.kind() == manifest::Kind::Stream || source.kind() == manifest::Kind::Sql && !restores {
        if restores {
            tracing::warn!("{} is a stream: it is read, and not restored", source.place());
        }
        let following = report.follow(&source.progress);
        stop.or(source.bytes(&mut tokio::io::sink())).await?;
        drop(following);
        let (stored, plain) = (BinaryBytes(stored), BinaryBytes(source.dump.plain_bytes));
        return Ok(format!("{stored} stored, {plain} of {}; every digest agrees", source.kind().noun()));
    }
    let inventory = stop.or(source.inventory()).await?;
    facts.insert("inventory".into(), inventory.is_some().into());
    if let HowVerified::Restore(rehearsal) = how {
        let rehearsed = rehearse(&source, inventory.as_ref(), rehearsal, report, stop).await?;
        facts.insert("restored".into(), json!(rehearsed));
        agree(&source, (rehearsed.tables, rehearsed.rows), vec![], facts)?;
        rehearsed.judge(source.place())?;
        return Ok(rehearsed.said());
    }
    let following = report.follow(&source.progress);
    let contents = stop.or(source.digest()).await?;
    drop(following);
    let read = Inventory::new(contents, &[]);
    let differences = inventory.as_ref().map(|inventory| inventory.differences(&read)).unwrap_or_default();
    if inventory.is_none() {
        tracing::warn!("{} has no inventory: its rows are counted, and cannot be compared", source.place());
    }
    let (tables, rows) = (read.archive.tables, read.rows());
    agree(&source, (tables, rows), differences, facts)?;
    Ok(format!(
        "{} stored, {} of dump, {}, {}; every digest agrees",
        BinaryBytes(stored),
        BinaryBytes(source.dump.plain_bytes),
        count(tables, "table"),
        told_rows(rows)
    ))
}

/// Compares what the dump was found to hold with what was written about it.
fn agree(
    source: &Source,
    (tables, rows): (u64, Option<u64>),
    mut differences: Vec<String>,
    facts: &mut Facts,
) -> Result<()> {
    if source.backup.manifest.totals.is_some_and(|said| (said.tables, Some(said.rows)) != (tables, rows)) {
        differences.push("the manifest tells other numbers of tables and rows".to_owned());
    }
    refuse(source, &differences)?;
    facts.insert("tables".into(), tables.into());
    facts.insert("rows".into(), rows.into());
    Ok(())
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
