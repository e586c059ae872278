//! Before data moves: the client that fits, the archive fitted to the server, the database created.

use super::plan::Plan;
use super::plan::occupied::without_theirs;
use super::request::RestoreRequest;
use crate::archive::{EntryKind, Preamble, TocEntry};
use crate::error::{Error, Result};
use crate::postgres::clients::{Client, Clients, Version};
use crate::postgres::restore::Atomicity;
use crate::postgres::{ASIDE, BACK, Locale, TIMESCALEDB_RESTORING, Target, sessions};
use crate::sql::{replaced, without_notes};
use std::collections::HashSet;
use std::time::Duration;

/// Chooses the client that reads the archive and fits the target, fits the archive to it, and makes the
/// database it asks for.
pub async fn prepare<'a>(
    front: &Preamble,
    clients: &'a Clients,
    target: &mut Target,
    request: &RestoreRequest,
) -> Result<(&'a Client, Preamble, Plan)> {
    let client = client_for(front, clients, target.version())?;
    let (front, theirs) = without_theirs(front, &request.fitting, target).await?;
    let (fitted, mut plan) = request.plan(&front, target).await?;
    plan.left_out.splice(0..0, theirs.said);
    plan.gone.extend(theirs.entries);
    if plan.options.extra.is_empty() {
        check_room(&fitted, target)?;
    }
    target.refuse_bytes(front.toc.encoding().as_deref()).await?;
    let statement = front.toc.create_database().unwrap_or_default();
    target.create(&Locale::from_create_database(&statement)).await?;
    let search_path = request.fitting.search_path.as_deref();
    let mut meant = as_meant(&fitted.with_exclusions_in_partitions(), search_path, target.version());
    if fitted.toc.has_timescaledb() {
        target.hold_timescaledb().await?;
        // Nobody else may set that; it has been set for them.
        if plan.facts.rights.superuser {
            meant = held(&meant, &fitted.toc.acted_on());
        }
    }
    if target.has_default_privileges().await? {
        meant = meant.enclosed(ASIDE, BACK);
    }
    Ok((client, meant, plan))
}

/// The same archive with rows after those that functions of their tables read; `None` if they are in such an order.
pub fn by_need(front: &Preamble) -> Option<Preamble> {
    let places = front.toc.places_by_need()?;
    Some(front.in_order(|entry| places.get(&entry.dump_id()).copied().unwrap_or_default()))
}

/// The client that reads the archive and fits a server of this version.
pub fn client_for<'a>(front: &Preamble, clients: &'a Clients, target: Version) -> Result<&'a Client> {
    let header = &front.header;
    let dumped_by = Version::parse(&header.dump_version)
        .ok_or_else(|| Error::verify("the archive does not say which pg_dump wrote it"))?;
    let source = Version::parse(&header.server_version).unwrap_or(dumped_by);
    clients.for_restore((header.version.major, header.version.minor), dumped_by, source, target)
}

/// What part of the server's locks one transaction may take: it holds one or more for each object to its end, and
/// others are at work. By default, a server has room for 6,400 (64 for each of 100 connections).
const SHARE: u64 = 6;
/// The same for a batch: there may be others at the same time.
const SHARE_OF_BATCH: u64 = 16;
/// More objects than this are no faster to commit at once.
const LARGEST_BATCH: u64 = 500;

/// How much of these entries is restored at once: all of it if the database was there before, or if it is
/// not too much for the server's table of locks.
pub fn atomicity(front: &Preamble, target: &Target) -> Atomicity {
    let most = target.locks() / SHARE;
    // One such entry stands for up to a thousand large objects.
    let weight = |entry: &TocEntry| match entry.kind() {
        EntryKind::BlobMetadata | EntryKind::Blobs => (most / 2).max(1),
        _ => 1,
    };
    let weight: u64 = front.toc.entries().iter().map(weight).sum();
    if target.is_created() && weight > most {
        Atomicity::Batches((target.locks() / SHARE_OF_BATCH).clamp(1, LARGEST_BATCH))
    } else {
        Atomicity::Whole
    }
}

/// Refuses what a database that was there before cannot take in one transaction, before a byte is loaded.
fn check_room(front: &Preamble, target: &Target) -> Result<()> {
    let needed: u64 = front.toc.entries().iter().map(locks).sum();
    // The server keeps a reserve, and tells nothing of it.
    let room = target.locks() + target.locks() / 10 + 1000;
    if !target.exists() || needed <= room {
        return Ok(());
    }
    let name = target.name();
    Err(Error::postgres(format!(
        "{name} exists, so it is filled in one transaction: that takes {needed} locks or more, and the server has room for about {}",
        target.locks()
    ))
    .hint("name a database that does not exist yet: it is created, and filled in several transactions")
    .hint(format!("or raise max_locks_per_transaction on the server to {}", needed.div_ceil(50))))
}

/// The locks that an entry takes at the least.
fn locks(entry: &TocEntry) -> u64 {
    match entry.kind() {
        EntryKind::Table
        | EntryKind::Sequence
        | EntryKind::View
        | EntryKind::MaterializedView
        | EntryKind::ForeignTable
        | EntryKind::Index
        | EntryKind::Constraint
        | EntryKind::Blob => 1,
        // One line for each large object.
        EntryKind::BlobMetadata => {
            let lines = entry.defn().unwrap_or_default().split(|byte| *byte == b'\n');
            lines.filter(|line| !line.is_empty()).count() as u64
        }
        _ => 0,
    }
}

/// The same archive, in which TimescaleDB acts while these are restored, and only then.
fn held(front: &Preamble, acted_on: &HashSet<i32>) -> Preamble {
    front.with(|entry| match acted_on.contains(&entry.dump_id()) {
        true => meanwhile(entry, TIMESCALEDB_RESTORING, ["off", "on"]),
        false => entry.clone(),
    })
}

/// The same entry, while whose statement runs this setting has another value than usual, which comes first.
fn meanwhile(entry: &TocEntry, setting: &str, values: [&str; 2]) -> TocEntry {
    let [before, after] = values.map(|value| format!("SET {setting} = {value};\n").into_bytes());
    entry.with_defn(&[&before, entry.defn().unwrap_or_default(), &after].concat())
}

/// The same archive, whose every session is set to read it as `pg_dump` meant it, without what one from before November
/// 2026 did not mean, nor what a server of this version does not know although the source was no newer.
///
/// `pg_restore` runs what sets the search path in each of its sessions before all else, and in its transaction if
/// it has only one. It is empty, so that nobody's function takes the place of the one that is meant, unless there are schemas
/// in which functions find names.
pub fn as_meant(front: &Preamble, search_path: Option<&str>, server: Version) -> Preamble {
    let schemas = search_path.map(|schemas| {
        // Means the same whatever standard_conforming_strings the dump sets; no psql reads it.
        let schemas = schemas.replace('\\', r"\\").replace('\'', "''");
        format!("SELECT pg_catalog.set_config('search_path', E'{schemas}', false);\n")
    });
    front.with(|entry| match entry.kind() {
        EntryKind::SearchPath => {
            let text = schemas.as_deref().map_or(entry.defn().unwrap_or_default(), str::as_bytes);
            let [writing, loading] = [sessions::WRITING, sessions::LOADING].map(str::as_bytes);
            entry.with_defn(&[writing, text, loading, b";\n"].concat())
        }
        // As it is in any session: the owner of the view reads what policies let it read, as on the source.
        EntryKind::MaterializedViewData => meanwhile(entry, "row_security", ["on", "off"]),
        EntryKind::Sequence if server.major < UNLOGS_SEQUENCES => without_logged(entry),
        _ => match entry.defn().and_then(without_notes) {
            Some(text) => entry.with_defn(&text),
            None => entry.clone(),
        },
    })
}

/// SQL that limits how long a transaction waits for each lock; as for `pg_dump`, 0 is no limit.
pub fn waiting_at_most(longest: Duration) -> String {
    format!("SET LOCAL lock_timeout = {};\n", longest.as_millis())
}

/// Since this major a sequence may be unlogged. Before, all are logged; of one for the identity of an unlogged table `pg_dump`
/// of this major or newer says so, with a word that older servers do not know.
const UNLOGS_SEQUENCES: u32 = 15;

fn without_logged(entry: &TocEntry) -> TocEntry {
    const LOGGED: &[u8] = b"\n    LOGGED\n";
    let defn = entry.defn().unwrap_or_default();
    match memchr::memmem::find(defn, LOGGED) {
        Some(at) => entry.with_defn(&replaced(defn, &[(at..at + LOGGED.len() - 1, Vec::new())])),
        None => entry.clone(),
    }
}
