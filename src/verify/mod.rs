//! Reads backups back and says which can be trusted; needs neither database nor disk, unless they are to
//! be restored. What was restored gets a receipt.

mod receipts;

pub use receipts::{CheckOptions, CheckedReceipt, ReceiptOptions, check_receipt};

use crate::error::{Error, Kind, Result};
use crate::failures::{Failed, Failures};
use crate::rehearsal::{Rehearsal, Rehearsed, rehearse};
use crate::run::Run;
use crate::stored::find::catalogue::{Found, Signature};
use crate::stored::find::newest::{Chosen, Which};
use crate::stored::format::inventory::Inventory;
use crate::stored::format::manifest::BackupKind;
use crate::stored::format::names::{Name, Place};
use crate::stored::format::receipt::Receipt;
use crate::stored::read::opened::{OpenStore, OpenedBackup, ReadOptions};
use crate::stored::read::reader::BackupReader;
use crate::units::{age, count, counted_rows};
use indicatif::BinaryBytes;
use std::time::{Duration, Instant};

/// How many differences of one backup are reported.
const MOST_REPORTED: usize = 10;

/// Which backups to verify, and how.
#[derive(Debug)]
pub struct VerifyOptions {
    /// Which backups.
    pub which: Which,
    /// Of this name only.
    pub name: Option<Name>,
    /// Where, and the keys.
    pub reading: ReadOptions,
    /// How thoroughly.
    pub how: HowVerified,
    /// What is written about those that were restored.
    pub receipts: ReceiptOptions,
}

/// How thoroughly a backup is verified.
#[derive(Debug)]
pub enum HowVerified {
    /// The dump stays unread.
    Quick,
    /// The dump is read, and compared with its inventory.
    Read,
    /// The dump is restored, and the database is compared with it.
    Restore(Box<Rehearsal>),
}

/// What was found out about the chosen backups.
#[derive(Default)]
pub struct Verified {
    /// One for each.
    pub verdicts: Vec<Verdict>,
    failures: Failures,
    /// How many of the failures say nothing about the backup.
    untried: usize,
    /// How many verify, but got no receipt.
    without_receipt: usize,
}

impl Verified {
    /// Keeps the failure to write what was proven of a backup.
    fn got_no_receipt(&mut self, place: &Place, error: Error) -> Result<Failed> {
        self.without_receipt += 1;
        self.failures.keep(error, |why| format!("{place} verifies, but got no receipt: {why}"))
    }

    /// What is known of the backups, if none failed.
    fn summary(&self) -> String {
        let known = |verdict: &Verdict| match &verdict.facts.restored {
            Some(restored) if restored.is_proven() => "proven",
            Some(_) => "restored",
            None if verdict.quick => "in place",
            None => "whole",
        };
        let many = |what: &str| self.verdicts.iter().filter(|verdict| known(verdict) == what).count();
        let all = ["proven", "restored", "whole", "in place"].map(|what| (many(what), what));
        counted(self.verdicts.len(), "are ", &all)
    }

    /// Fails if any backup does not verify.
    pub fn conclude(self) -> Result<()> {
        let Self { failures, untried, without_receipt, .. } = self;
        failures.conclude(|failed, of| {
            let all = [
                (failed - untried - without_receipt, "do not verify"),
                (untried, "could not be tried"),
                (without_receipt, "got no receipt"),
            ];
            counted(of, "", &all)
        })
    }
}

/// How many of the backups are what, in a sentence; `are` is its verb, if each has the same.
fn counted(of: usize, are: &str, all: &[(usize, &str)]) -> String {
    let said = all.iter().filter(|(many, _)| *many > 0).enumerate();
    let said = said.map(|(at, (many, what))| match at {
        0 => format!("{many} of {of} backups {are}{what}"),
        _ => format!("{many} {what}"),
    });
    said.collect::<Vec<_>>().join(", and ")
}

/// What was found out about one backup.
pub struct Verdict {
    /// Which it is.
    pub place: Place,
    /// Whether its dump stayed unread.
    pub quick: bool,
    /// How long it took.
    pub took: Duration,
    /// What was found, as far as it was reached.
    pub facts: Facts,
    /// Why it does not verify.
    pub failed: Option<Failed>,
}

/// Facts about one backup; each is known only if it was reached.
#[derive(Default)]
pub struct Facts {
    /// Bytes of all its objects in the store.
    pub stored_bytes: Option<u64>,
    /// Bytes of its dump.
    pub plain_bytes: Option<u64>,
    /// What is known of who wrote it.
    pub signature: Option<Signature>,
    /// Whether it has an inventory.
    pub inventory: Option<bool>,
    /// How its restore went.
    pub restored: Option<Rehearsed>,
    /// Tables in it, and rows if they could be counted.
    pub held: Option<(u64, Option<u64>)>,
    /// What can be stated about its restore.
    receipt: Option<Receipt>,
}

/// Verifies the chosen backups, one after the other.
pub async fn verify(options: VerifyOptions, run: &Run) -> Result<Verified> {
    let VerifyOptions { which, name, reading, how, receipts } = options;
    receipts.check()?;
    let choosing = async {
        let store = OpenStore::open(reading).await?;
        let chosen = store.chooser().find_all(&which, name.as_ref()).await?;
        Ok((store, chosen))
    };
    let (store, chosen) = run.or(choosing).await?;
    if let Some(first) = chosen.first() {
        receipts.try_to_record(store.store(), &first.found.place, run).await?;
    }
    let alone = matches!(which, Which::One { .. });
    let mut all = Verified { failures: Failures::of(chosen.len()), ..Verified::default() };
    for Chosen { found, refused } in chosen {
        let (started, place) = (Instant::now(), &found.place);
        let mut facts = Facts::default();
        let outcome = match refused {
            Some(error) => Err(error),
            None => one(&store, &found, &how, alone, &mut facts, run).await,
        };
        let took = started.elapsed();
        let failed = match outcome {
            Ok(said) => {
                run.say(format!("verified {place}: {said}, {}", age(took)));
                match facts.receipt.as_ref().zip(facts.restored.as_ref()) {
                    Some((receipt, restored)) => {
                        match receipts.issue(store.store(), receipt, restored, run).await {
                            Ok(()) => None,
                            Err(error) => Some(all.got_no_receipt(place, error)?),
                        }
                    }
                    None => None,
                }
            }
            Err(error) => {
                let bad = error.kind() == Kind::Verify;
                all.untried += usize::from(!bad);
                Some(all.failures.keep(error, |why| does_not_verify(place, bad, why))?)
            }
        };
        let quick = matches!(how, HowVerified::Quick);
        all.verdicts.push(Verdict { place: place.clone(), quick, took, facts, failed });
    }
    // A failure says how many did not verify.
    if all.verdicts.len() > 1 && all.verdicts.iter().all(|verdict| verdict.failed.is_none()) {
        run.say(all.summary());
    }
    Ok(all)
}

fn does_not_verify(place: &Place, bad: bool, why: &str) -> String {
    let why = place.without(why);
    match bad {
        true => format!("{place} does not verify: {why}"),
        false => format!("{place} could not be tried: {why}"),
    }
}

/// Verifies one backup: says what was proven, and puts into `facts` whatever was found out.
async fn one(
    store: &OpenStore,
    found: &Found,
    how: &HowVerified,
    alone: bool,
    facts: &mut Facts,
    run: &Run,
) -> Result<String> {
    let looking = async {
        let opened = store.take(found).await?;
        opened.look().await?;
        Ok(opened)
    };
    let reader = BackupReader::new(run.or(looking).await?);
    let manifest = &reader.backup.manifest;
    let stored = manifest.stored_bytes();
    facts.stored_bytes = Some(stored);
    facts.plain_bytes = Some(reader.dump.plain_bytes);
    facts.signature = Some(reader.backup.signature);
    let rehearsal = match how {
        HowVerified::Quick => {
            let objects = count(manifest.objects.len(), "object");
            return Ok(format!("{objects}, {} in place; nothing was read", BinaryBytes(stored)));
        }
        HowVerified::Read => None,
        HowVerified::Restore(rehearsal) => Some(rehearsal),
    };
    let kind = reader.kind();
    if rehearsal.is_some() && kind == BackupKind::Stream {
        if alone {
            return Err(Error::usage(format!(
                "{} is a stream, not a database that can be restored",
                reader.place()
            ))
            .hint("without --restore all of it is read and compared with its digests"));
        }
        tracing::warn!("{} is a stream: it is read, and not restored", reader.place());
    }
    run.or(reader.globals()).await?;
    match (kind, rehearsal) {
        (BackupKind::Stream, _) | (BackupKind::Sql, None) => read_bytes(&reader, run).await,
        (_, Some(rehearsal)) => {
            let whole = inventory(&reader, facts, run).await?;
            let all = whole.as_ref().map(|whole| (whole.archive.tables, whole.rows()));
            let (reader, rehearsed) = rehearse(reader, whole, rehearsal, run).await?;
            let all = all.filter(|_| reader.excerpt().is_some());
            let held = all.unwrap_or((rehearsed.tables, rehearsed.rows));
            let rehearsed = facts.restored.insert(rehearsed);
            facts.held = Some(agree(&reader, held, vec![])?);
            rehearsed.judge(reader.place())?;
            facts.receipt = Some(receipts::of(&reader.backup, rehearsed));
            Ok(rehearsed.said())
        }
        (BackupKind::Postgres, None) => {
            let inventory = inventory(&reader, facts, run).await?;
            read_archive(&reader, inventory.as_ref(), facts, run).await
        }
    }
}

async fn inventory(reader: &OpenedBackup, facts: &mut Facts, run: &Run) -> Result<Option<Inventory>> {
    let inventory = run.or(reader.inventory()).await?;
    facts.inventory = Some(inventory.is_some());
    Ok(inventory)
}

/// Reads what has no tables that could be told apart.
async fn read_bytes(reader: &BackupReader, run: &Run) -> Result<String> {
    let following = run.follow(&reader.progress);
    run.step("read", run.or(reader.bytes(&mut tokio::io::sink()))).await?;
    drop(following);
    let stored = BinaryBytes(reader.backup.manifest.stored_bytes());
    let plain = BinaryBytes(reader.dump.plain_bytes);
    Ok(format!("{stored} stored, {plain} of {}; all digests verified", reader.kind().noun()))
}

/// Reads the archive to its end, and compares it table by table with its inventory.
async fn read_archive(
    reader: &BackupReader,
    inventory: Option<&Inventory>,
    facts: &mut Facts,
    run: &Run,
) -> Result<String> {
    let following = run.follow(&reader.progress);
    let (read, differences) = run.step("read", run.or(reader.compare(inventory))).await?;
    drop(following);
    if inventory.is_none() {
        tracing::warn!("{} has no inventory: its rows are counted, and cannot be compared", reader.place());
    }
    let held = (read.archive.tables, read.rows());
    facts.held = Some(agree(reader, held, differences)?);
    Ok(format!(
        "{} stored, {} of dump, {}, {}; all digests verified",
        BinaryBytes(reader.backup.manifest.stored_bytes()),
        BinaryBytes(reader.dump.plain_bytes),
        count(held.0, "table"),
        counted_rows(held.1)
    ))
}

/// Compares what the dump was found to hold with what was written about it; returns it.
fn agree(
    reader: &OpenedBackup,
    held: (u64, Option<u64>),
    mut differences: Vec<String>,
) -> Result<(u64, Option<u64>)> {
    if reader.backup.manifest.totals.is_some_and(|said| (said.tables, Some(said.rows)) != held) {
        differences.push("the manifest has different numbers of tables and rows".to_owned());
    }
    if differences.is_empty() {
        return Ok(held);
    }
    let more = differences.len().saturating_sub(MOST_REPORTED);
    let mut said = differences.iter().take(MOST_REPORTED).cloned().collect::<Vec<_>>().join("; ");
    if more > 0 {
        said.push_str(&format!("; and {more} more"));
    }
    Err(Error::verify(format!("{}: the dump differs from its inventory: {said}", reader.place())))
}
