//! The settings of `pgstow doctor`: what is wrong with one part is what was found out about it, and ends nothing.

use super::environment::variable;
use super::keep::{needed_policy, policy};
use super::store::lock;
use super::writing::{labels, locking};
use super::{Remarks, What, destinations, keys, location, monitoring, name};
use crate::cli::{BackupWords, DoctorWords, IdentityWords, TrustWords, WritingWords};
use crate::doctor::{DoctorRequest, Readers, Subject};
use crate::error::Result;
use crate::store::{Retry, refuse_impossible};
use crate::stored::format::names::Name;
use crate::stored::read::opened::Location;
use crate::stored::write::destinations::Destination;
use std::sync::Arc;
use std::time::Duration;

/// How long failures of the store are retried: who waits for a doctor wants to know that it does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a thief's probe is locked, if backups are: whoever may not end that leaves it in the store.
const PROBE_LOCK: Duration = Duration::from_secs(600);

/// The variables that lead libpq to a server.
const LIBPQ: [&str; 6] = ["PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE"];

/// Reads the words of `pgstow doctor`.
///
/// # Errors
/// `Kind::Usage` if the name is none.
pub fn doctor(words: DoctorWords, remarks: &Remarks) -> Result<DoctorRequest> {
    let DoctorWords { backup, identity_file, .. } = words;
    let writing = &backup.writing;
    let is_given = !writing.store.store.is_empty() || !writing.optional.store_optional.is_empty();
    let stores = if is_given { destinations(&writing.store, &writing.optional) } else { Ok(Vec::new()) };
    let stores = stores.map(|mut stores| {
        for store in &mut stores {
            let patience = writing.store.retry_for.unwrap_or(PATIENCE);
            store.location.options.retry = Retry::lasting(patience.min(PATIENCE));
        }
        stores
    });
    let identity = IdentityWords { identity_file, passphrase_file: writing.passphrase_file.clone() };
    let identities = keys::identities(&identity);
    let identities = identities.map(|identities| (!identities.is_empty()).then(|| Arc::new(identities)));
    Ok(DoctorRequest {
        storing: storing(writing, &stores),
        retention: retention(&backup),
        stores,
        // With a store and something to back up it is a backup that is looked at, which somebody must be able to read.
        readers: readers(writing, is_given && names_subject(&backup)),
        identities,
        signing: keys::signing_key(writing.signing_key_file.as_deref(), backup.trust.require_signature),
        // The key that signs is what a backup needs; those that are believed are looked at if they are given.
        trusted: keys::verify_keys(&TrustWords { require_signature: false, ..backup.trust.clone() }),
        name: name(backup.name.as_deref())?,
        part_size: writing.part_size,
        check_space: !writing.no_space_check,
        alarms: monitoring::check(&backup.monitoring),
        settings_file: remarks.in_use().map(Into::into),
        about_settings: Vec::new(),
        about_secrets: Vec::new(),
        subject: subject(backup),
    })
}

/// Reads where `pgstow doctor --thief` tries what a thief could do.
///
/// # Errors
/// `Kind::Usage` if there is no store, or the name is none.
pub fn thief(words: &DoctorWords) -> Result<(Location, Option<Name>)> {
    let DoctorWords { backup, .. } = words;
    let mut location = location(&backup.writing.store)?;
    location.options.lock = lock(&backup.writing)?.map(|lock| lock.at_most(PROBE_LOCK));
    refuse_impossible(&location.url, &location.options)?;
    Ok((location, name(backup.name.as_deref())?))
}

/// Whether a backup can be stored as it is to be: its labels, and a lock that these stores have.
fn storing(words: &WritingWords, stores: &Result<Vec<Destination>>) -> Result<()> {
    labels(&words.labels)?;
    locking(stores.clone().unwrap_or_default(), words).map(drop)
}

/// Whether there are rules by which backups are removed. `backup` heeds them with `--prune` alone, and `prune` whenever they are given.
fn retention(words: &BackupWords) -> Result<bool> {
    match words.prune {
        true => needed_policy(&words.keep).map(|_| true),
        false => policy(&words.keep).map(|policy| policy.is_some()),
    }
}

fn readers(words: &WritingWords, is_needed: bool) -> Result<Option<Readers>> {
    let none_given = words.recipients.is_empty()
        && words.recipients_file.is_empty()
        && !words.passphrase
        && words.passphrase_file.is_none()
        && variable("PGSTOW_PASSPHRASE").is_none();
    if none_given && !words.no_encryption && !is_needed {
        return Ok(None);
    }
    Ok(Some(keys::recipients(words)?.map_or(Readers::Everybody, Readers::Recipients)))
}

/// Whether it is said what is to be backed up.
fn names_subject(words: &BackupWords) -> bool {
    let is_stream = words.stdin || !words.command.is_empty();
    let names_one = words.url.is_some() || words.neon.neon.is_some() || words.all_databases;
    is_stream || names_one || LIBPQ.iter().any(|name| variable(name).is_some())
}

/// What is to be backed up. `backup` takes libpq's default if nothing is said; here somebody may mean no database.
fn subject(words: BackupWords) -> Result<Option<Subject>> {
    if !names_subject(&words) {
        return Ok(None);
    }
    Ok(Some(match What::read(words)? {
        What::Database(request) => Subject::Database(request),
        What::Every { each, exclude } => Subject::Every { each, exclude },
        What::Stream(stream) => Subject::Stream(stream.name),
    }))
}
