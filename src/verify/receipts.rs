//! Receipts of trial restores: they are written into a file, recorded next to the backup, and checked.

use crate::error::{Error, Result};
use crate::rehearsal::Rehearsed;
use crate::run::Run;
use crate::store::{Metadata, Situation, Store};
use crate::stored::find::catalogue::{self, Backup, Signature};
use crate::stored::find::proven;
use crate::stored::find::renamed;
use crate::stored::format::manifest::TOOL;
use crate::stored::format::names::{Id, Place, Timestamp};
use crate::stored::format::receipt::{
    self, AboutBackup, AboutRestore, Answered, Compared, LARGEST, Predicate, Receipt,
};
use crate::stored::format::signing::{Signed, SigningKey, VerifyKeys};
use crate::stored::read::opened::Location;
use crate::stored::upload::Uploading;
use crate::temporary::{Partial, folder_of};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What is written about a trial restore that went well.
#[derive(Debug, Default)]
pub struct ReceiptOptions {
    /// The file for it.
    pub file: Option<PathBuf>,
    /// Whether it is stored next to the backup.
    pub record: bool,
    /// The key that signs it.
    pub signing: Option<SigningKey>,
}

impl ReceiptOptions {
    /// Refuses a file that exists, as a receipt is evidence and is not replaced, and one that could not be written.
    pub(super) fn check(&self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let signature = self.signing.as_ref().map(|_| signature_of(file));
        if let Some(taken) = [Some(file), signature.as_ref()].into_iter().flatten().find(|file| file.exists())
        {
            return Err(exists(taken));
        }
        Partial::begin(folder_of(file)).map(drop).map_err(|error| unwritten(file, &error))
    }

    /// Fails if the key may not record a receipt of this backup: a trial restore may take hours, and would be lost.
    ///
    /// An upload that is begun and aborted shows it, and leaves nothing.
    pub(super) async fn try_to_record(&self, store: &dyn Store, place: &Place, run: &Run) -> Result<()> {
        if !self.record {
            return Ok(());
        }
        let key = place.key(&receipt::object_name(&Id::new(Timestamp::now())?));
        let (metadata, part_size) = (Metadata::new(), store.limits().min_part);
        let probe = Uploading::begin_for(run, store, &key, &metadata, part_size).await;
        let probe = probe.map_err(|error| match error.kind().is_signal() {
            true => error,
            false => may_write(error)
                .context("no receipt could be recorded")
                .hint("without --record it is only restored; --receipt FILE writes the receipt of one backup into a file"),
        })?;
        // Whoever may write may not abort everywhere; the store's own rule ends it then.
        probe.give_up().await;
        Ok(())
    }

    /// Writes the receipt of a restore that went well, to wherever it is wanted.
    ///
    /// # Errors
    /// `Kind::Settings` if rows were left out: a receipt says that the backup can be restored, and nobody has seen that of them.
    pub(super) async fn issue(
        &self,
        store: &dyn Store,
        receipt: &Receipt,
        rehearsed: &Rehearsed,
        run: &Run,
    ) -> Result<()> {
        let is_wanted = self.file.is_some() || self.record;
        if is_wanted && !rehearsed.rows_left_out.is_empty() {
            let rows = rehearsed.rows_left_out.join(", ");
            return Err(Error::settings(format!("not all rows were restored: without {rows}"))
                .hint("verify on a server that has the extension, with --to")
                .hint("without --record and --receipt the rest is verified"));
        }
        if let Some(file) = &self.file {
            let bytes = receipt.to_bytes()?;
            if let Some(signing) = &self.signing {
                let comment = format!("pgstow receipt of {}", receipt.place());
                let signature = signing.sign(Signed::Receipt, &bytes, &comment)?;
                write(&signature_of(file), signature.as_bytes())?;
            }
            write(file, &bytes)?;
            run.say(format!("the receipt is in {}", file.display()));
        }
        if self.record {
            // It takes a moment, and is not interrupted: a second signal ends it.
            let key = proven::record(store, receipt, self.signing.as_ref()).await.map_err(may_write)?;
            run.say(format!("the receipt is recorded as {key}"));
        }
        Ok(())
    }
}

/// Says which right it takes, if the store refuses for want of one.
fn may_write(error: Error) -> Error {
    match error.situation() {
        Some(Situation::Denied) => {
            error.hint("recording a receipt needs a key that may write into the folder of the backup")
        }
        _ => error,
    }
}

/// The receipt for a backup that was restored, once everything that was compared agreed.
pub(super) fn of(backup: &Backup, rehearsed: &Rehearsed) -> Receipt {
    let (manifest, verified_at) = (&backup.manifest, Timestamp::now());
    let checks = rehearsed.checks.iter();
    let checks = checks.map(|check| Answered { sql: check.sql.clone(), passed: check.passed });
    let checks: Vec<Answered> = checks.collect();
    let compared = rehearsed.proof.as_ref().map(|proof| Compared {
        by: proof.by.to_string(),
        tables: proof.tables as u64,
        rows: proof.rows,
        large_objects: proof.large_objects.unwrap_or_default(),
        tables_not_compared: proof.not_compared.len() as u64,
    });
    Receipt::new(
        backup.manifest_sha256,
        Predicate {
            verified_at,
            verified_by: TOOL.to_owned(),
            backup: AboutBackup {
                name: manifest.name.clone(),
                id: manifest.id.clone(),
                started_at: manifest.started_at,
                age_seconds: verified_at.since(manifest.started_at).as_secs(),
                server_version: manifest.postgres.as_ref().map(|postgres| postgres.server_version.clone()),
            },
            restore: AboutRestore {
                server_version: rehearsed.server_version.clone(),
                own_cluster: rehearsed.own_cluster,
                seconds: rehearsed.restore_s,
                extensions_left_out: rehearsed.extensions_left_out.clone(),
                not_refreshed: rehearsed.not_refreshed.len() as u64,
            },
            compared,
            found: rehearsed.objects.iter().map(|(kind, count)| (kind.clone(), *count as u64)).collect(),
            checks_passed: checks.len() as u64,
            checks,
        },
    )
}

/// Which receipt to check, and against what.
#[derive(Debug)]
pub struct CheckOptions {
    /// Its file.
    pub file: PathBuf,
    /// Whose signature to believe; without any the signature is not checked.
    pub trusted: Option<VerifyKeys>,
    /// The store that has the backup, if that is to be compared.
    pub location: Option<Location>,
}

/// A receipt that is what it says.
#[derive(Debug)]
pub struct CheckedReceipt {
    /// What it says.
    pub receipt: Receipt,
    /// What is known of who wrote it.
    pub signature: Signature,
    /// Whether the backup in the store has the manifest that it is about, if that was compared.
    pub in_store: bool,
}

/// Checks a receipt: its signature, that it is one, and that the store has the backup that it is about.
///
/// # Errors
/// `Kind::Verify` if it is not what it says, `Kind::NotFound` if the backup is no longer in the store.
pub async fn check_receipt(options: &CheckOptions, run: &Run) -> Result<CheckedReceipt> {
    let file = &options.file;
    let bytes = read(file)?;
    if let Some(keys) = &options.trusted {
        let signature = signature_of(file);
        if !signature.exists() {
            return Err(Error::verify(format!(
                "{} is not signed: there is no {}",
                file.display(),
                signature.display()
            ))
            .hint("keep the two files together; without --verify-key the signature is not checked"));
        }
        keys.verify(Signed::Receipt, &bytes, &String::from_utf8_lossy(&read(&signature)?))?;
    }
    let receipt = Receipt::from_bytes(&bytes).map_err(|e| e.context(file.display()))?;
    let signature = if options.trusted.is_some() { Signature::Verified } else { Signature::NotChecked };
    if let Some(location) = &options.location {
        run.or(compare(location, &receipt)).await?;
    }
    Ok(CheckedReceipt { receipt, signature, in_store: options.location.is_some() })
}

/// Compares the digest with that of the manifest in the store. Whoever signed the manifest may be somebody else: its digest
/// is in the receipt.
async fn compare(location: &Location, receipt: &Receipt) -> Result<()> {
    let (store, place) = (location.open().await?, receipt.place());
    let found = catalogue::search(&*store, Some(&place.name)).await?;
    let Some(found) = found.into_iter().find(|found| found.place == place) else {
        let gone = Error::not_found(format!(
            "{place}, which the receipt is about, is not in {}",
            store.display_url()
        ))
        .hint("it may have been pruned; without --store (PGSTOW_STORE) only the receipt itself is checked");
        return Err(renamed::explain(gone, &store, None, Some(&place.name), place.id.as_str()).await);
    };
    let backup = catalogue::read(&store, &found, None).await?;
    if backup.manifest_sha256 != receipt.manifest_sha256() {
        return Err(Error::verify(format!(
            "{place}: the manifest in the store has the SHA-256 {}, and the receipt is about {}",
            backup.manifest_sha256,
            receipt.manifest_sha256()
        )));
    }
    Ok(())
}

fn exists(file: &Path) -> Error {
    Error::target_exists(format!("{} exists", file.display()))
        .hint("a receipt is evidence and is not replaced: give it another name")
}

fn signature_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    let writing = || -> io::Result<()> {
        let partial = Partial::begin(folder_of(file))?;
        let mut open = partial.file();
        open.write_all(bytes)?;
        partial.commit(file, false)
    };
    writing().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(file),
        _ => unwritten(file, &error),
    })
}

fn unwritten(file: &Path, error: &io::Error) -> Error {
    Error::local_file(format!("{} cannot be written: {error}", file.display()))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reading = File::open(file).and_then(|open| open.take(LARGEST + 1).read_to_end(&mut bytes));
    match reading {
        Ok(length) if length as u64 <= LARGEST => Ok(bytes),
        Ok(_) => Err(Error::verify(format!("{} is too large for a receipt", file.display()))),
        Err(error) => Err(Error::local_file(format!("{} cannot be read: {error}", file.display()))),
    }
}
