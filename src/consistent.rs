//! Makes sure that nobody changed the catalogue while `pg_dump` read it.
//!
//! `pg_dump` takes its rows from one snapshot, but the server writes many definitions for it as they are at
//! that moment. Whoever drops or replaces a function meanwhile makes it write half a definition, and it ends
//! with 0. All definitions come before the first row: they are read here, and if anything that they define was
//! changed or dropped in the meantime, `pg_dump` begins again before a byte has been stored.
//!
//! Before `pg_dump` has locked a table, somebody may empty it: then its snapshot's rows are gone, and it is dumped empty
//! without an error. That is noticed by the table's file, which is another then, and `pg_dump` begins again, with a snapshot
//! that is taken after those tables were locked.
//!
//! While it reads them, `pg_dump` could wait for a lock for ever; here the wait has a limit.

use crate::archive::{Preamble, Reader, TocEntry, number, qualified};
use crate::error::{Error, Kind, Result};
use crate::postgres::dump::dump;
use crate::postgres::{
    Changes, ChildOutput, Client, DumpOptions, Moment, Psql, Situation, Snapshot, Unlocked, waits_too_long,
};
use crate::sql::EntryKind;
use std::collections::{HashMap, HashSet};
use std::io::{self, Cursor};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, Chain};

/// Bytes of definitions read at once.
const AT_ONCE: usize = 64 << 10;
/// How often `pg_dump` is begun.
const ATTEMPTS: u32 = 3;
/// The pause before it is begun again, once and twice as long; a migration takes a moment.
const PAUSE: Duration = Duration::from_secs(1);
/// How long `pg_dump` may wait for locks if we have some of them already: whoever waits for those keeps it away, too.
const LOCKED_WAIT: Duration = Duration::from_secs(5);
/// The most tables that are locked only to keep somebody waiting: the server has room for few locks.
const MOST_LOCKS: usize = 100;
/// Sessions that a shared snapshot takes: its own, `pg_dump`'s, that of a question, and one that reads.
const FOR_SHARING: u32 = 4;
/// What helps if objects come and go all the time.
const SETTLE: &str = "something changes definitions all the time, such as a migration or a job that makes partitions: back up when it rests";
/// What helps if tables are emptied all the time.
const REST: &str = "leave out the rows of a table that is emptied all the time (--exclude-table-data), or back up when it rests";
/// Why a snapshot is not shared, as the end of a sentence.
pub const FEW_SESSIONS: &str = "the role may not have enough of them (CONNECTION LIMIT)";
const NO_SESSIONS: &str = "the server has no more for this role now (CONNECTION LIMIT, max_connections)";
const NO_SNAPSHOTS: &str = "the server shares no snapshots";
const BROKEN_SNAPSHOTS: &str = "a standby of this minor version gives wrong rows to sessions that share a snapshot, which the minors of November 2026 mend";
const NO_DEFINITIONS: &str = "pg_dump wrote no definitions that can be read";
/// The catalogue of relations, which entries of rows do not name.
const RELATIONS: u32 = 1259;
/// The catalogue of large objects, which have no definition.
const LARGE_OBJECTS: u32 = 2613;

/// An archive on its way: what was read of it, and the rest.
pub type ConsistentDump = Chain<Cursor<Vec<u8>>, ChildOutput>;

/// What `pg_dump` is started with.
#[derive(Clone, Copy)]
pub struct Dumping<'a> {
    /// The program.
    pub client: &'a Client,
    /// The database.
    pub psql: &'a Psql,
    /// What of it is dumped, and how.
    pub options: &'a DumpOptions,
    /// How many sessions the role may have at once; `None` if nobody counts them.
    pub left: Option<u32>,
}

impl<'a> Dumping<'a> {
    /// The stream of a `pg_dump` that [`begin`](Self::begin) has started.
    ///
    /// # Errors
    /// Those of [`begin`](Self::begin).
    pub async fn start(self) -> Result<ConsistentDump> {
        let (begun, _) = self.begin(false, async |_| ()).await?;
        Ok(begun.stream())
    }

    /// Starts `pg_dump`, again if what it wrote definitions of was changed or dropped meanwhile.
    ///
    /// If its snapshot is to be `shared`, `meanwhile` is done while definitions are read, with that snapshot; it may take
    /// locks on tables. It is left out if `pg_dump` then waits for one.
    ///
    /// # Errors
    /// `pg_dump`'s own; `Kind::Postgres` if definitions were disturbed every time, or if `pg_dump` waited for a lock
    /// for longer than the options allow.
    pub async fn begin<T>(
        self,
        shared: bool,
        meanwhile: impl AsyncFn(&Snapshot) -> T,
    ) -> Result<(Begun, Option<T>)> {
        let left = self.left;
        let may_share = left.is_none_or(|left| left >= FOR_SHARING);
        let mut unshared = (!may_share).then_some(FEW_SESSIONS);
        if self.is_alone() {
            tracing::warn!(
                "the role may have only one session (CONNECTION LIMIT): whether definitions change during the dump is not checked"
            );
        }
        let mut locked = Vec::new();
        // What is done meanwhile takes locks too. Whoever waits for one of them keeps pg_dump away from the table, and both
        // wait for us: nobody would ever get on.
        let mut ahead = shared;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let first: Vec<String> = std::mem::take(&mut locked);
            let is_impatient = ahead || !first.is_empty();
            let options = &if is_impatient { impatient(self.options) } else { self.options.clone() };
            let sharing = ((shared && unshared.is_none()) || !first.is_empty()).then_some(&first[..]);
            let meanwhile = ahead.then_some(&meanwhile);
            let why = match Begun::begin(Dumping { options, ..self }, sharing, meanwhile).await {
                Err(error) if attempt < ATTEMPTS && lost_an_object(&error) => error.to_string(),
                // It counts for nothing: only the next one is patient.
                Err(error) if ahead && waited_for_lock(&error) => {
                    (ahead, attempt) = (false, attempt - 1);
                    error.to_string()
                }
                // Without these locks, and perhaps without a snapshot of ours, it may do.
                Err(error) if !first.is_empty() => error.to_string(),
                // Psql has ended, and its session perhaps not yet.
                Err(error)
                    if attempt < ATTEMPTS
                        && left.is_some()
                        && error.situation() == Some(Situation::ConnectionLimit) =>
                {
                    error.to_string()
                }
                Err(error) if sharing.is_some() && unshared_because(&error).is_some() => {
                    unshared = unshared_because(&error);
                    error.to_string()
                }
                Err(error) if lost_an_object(&error) && may_be_settled(&error) => {
                    return Err(error.hint(SETTLE));
                }
                Err(error) => return Err(error),
                Ok((begun, done, disturbance)) => {
                    let begun = Begun { unshared, ..begun };
                    let Some(disturbance) = disturbance else { return Ok((begun, done)) };
                    if attempt >= ATTEMPTS {
                        return Ok((begun.in_spite_of(disturbance).await?, done));
                    }
                    begun.pg_dump.stop().await;
                    let why = disturbance.to_string();
                    if let (Disturbance::Rewritten(tables), true) =
                        (disturbance, may_share && attempt + 1 < ATTEMPTS)
                    {
                        locked = tables;
                    }
                    why
                }
            };
            tracing::info!("pg_dump begins again: {why}");
            tokio::time::sleep(PAUSE * attempt).await;
        }
    }

    /// Whether nothing else can be asked while `pg_dump` runs.
    fn is_alone(self) -> bool {
        self.left == Some(1)
    }
}

/// For a `pg_dump` that comes after locks of ours.
pub fn impatient(options: &DumpOptions) -> DumpOptions {
    // 0 is no limit.
    let longest = Some(options.lock_wait_timeout).filter(|limit| !limit.is_zero());
    let lock_wait_timeout = longest.unwrap_or(LOCKED_WAIT).min(LOCKED_WAIT);
    DumpOptions { lock_wait_timeout, ..options.clone() }
}

/// Whether `pg_dump` did not get a lock in the time that it had, which it limits by a timeout of the statement.
pub fn waited_for_lock(error: &Error) -> bool {
    matches!(error.situation(), Some(Situation::LockTimeout | Situation::StatementTimeout))
}

/// Why no snapshot is shared from now on, if the attempt to share one failed and the next may go without.
pub fn unshared_because(error: &Error) -> Option<&'static str> {
    match error.situation()? {
        Situation::SnapshotRefused => Some(NO_SNAPSHOTS),
        Situation::SnapshotBroken => Some(BROKEN_SNAPSHOTS),
        Situation::ConnectionLimit | Situation::TooManyConnections => Some(NO_SESSIONS),
        _ => None,
    }
}

/// Whether `pg_dump` failed because something that it had just found was dropped.
fn lost_an_object(error: &Error) -> bool {
    matches!(
        error.situation(),
        Some(
            Situation::ObjectVanished
                | Situation::ObjectMissing
                | Situation::ObjectMissingInFunction
                | Situation::RoleMissing
                | Situation::TablespaceMissing
        )
    )
}

/// Whether it was an object, and not the role or something else that was never there.
fn may_be_settled(error: &Error) -> bool {
    matches!(error.situation(), None | Some(Situation::ObjectMissing))
}

/// What makes definitions doubtful.
enum Disturbance {
    /// This one is not whole.
    Torn(String),
    /// This object is another now, and its definition may be a mixture.
    Changed(String),
    /// This object is gone; its definition is whole, so it was written before that.
    Dropped(String),
    /// The rows of these tables are not where they were before the snapshot.
    Rewritten(Vec<String>),
}

impl std::fmt::Display for Disturbance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Torn(torn) => {
                write!(f, "a definition was torn, as its object was dropped or replaced: {torn}")
            }
            Self::Changed(object) => write!(f, "{object} was changed while definitions were read"),
            Self::Dropped(object) => write!(f, "{object} was dropped while definitions were read"),
            Self::Rewritten(tables) => {
                write!(f, "{} was emptied or rewritten while definitions were read", tables.join(", "))
            }
        }
    }
}

/// A `pg_dump` that has written all definitions.
pub struct Begun {
    pg_dump: ChildOutput,
    /// What was read of it.
    head: Vec<u8>,
    /// Its header and definitions; `None` if it wrote something else.
    preamble: Option<Preamble>,
    /// Its snapshot, if others can use it too.
    snapshot: Option<Arc<Snapshot>>,
    /// Why they cannot, if that is known.
    unshared: Option<&'static str>,
    /// What no lock keeps, at its snapshot or before.
    pub unlocked: Unlocked,
}

impl Begun {
    /// Starts `pg_dump` and reads until all definitions are there. If it is `sharing` its snapshot, these tables are
    /// locked before that is taken, and something else is done with it meanwhile. Also returns what disturbed it.
    async fn begin<T>(
        dumping: Dumping<'_>,
        sharing: Option<&[String]>,
        meanwhile: Option<&impl AsyncFn(&Snapshot) -> T>,
    ) -> Result<(Self, Option<T>, Option<Disturbance>)> {
        let psql = dumping.psql;
        let (snapshot, before) = match sharing {
            Some(locked) => {
                let snapshot = Snapshot::take(psql, locked).await?;
                let moment = snapshot.moment().clone();
                (Some(Arc::new(snapshot)), Some(moment))
            }
            None if dumping.is_alone() => (None, None),
            None => (None, Some(Moment::now(psql).await?)),
        };
        let unlocked = match &before {
            Some(before) => before.unlocked.clone(),
            None => Unlocked::now(psql).await?,
        };
        let options = DumpOptions {
            snapshot: snapshot.as_ref().map(|snapshot| snapshot.id.clone()),
            ..dumping.options.clone()
        };
        let dumping = Dumping { options: &options, ..dumping };
        let reading = async {
            let mut reader = Reader::new();
            let (pg_dump, head) = dumping.read_definitions(&mut reader).await?;
            let preamble = reader.preamble();
            match disturbance(psql, preamble.as_ref(), before.as_ref()).await {
                Ok(disturbance) => Ok((pg_dump, head, preamble, disturbance)),
                Err(error) => {
                    pg_dump.stop().await;
                    Err(error)
                }
            }
        };
        let doing = async {
            match snapshot.as_ref().zip(meanwhile) {
                Some((snapshot, meanwhile)) => Ok(Some(meanwhile(snapshot).await)),
                None => Ok(None),
            }
        };
        let ((pg_dump, head, preamble, disturbance), done) = tokio::try_join!(reading, doing)?;
        let begun = Self { pg_dump, head, preamble, snapshot, unshared: None, unlocked };
        Ok((begun, done, disturbance))
    }

    /// All that it writes.
    pub fn stream(self) -> ConsistentDump {
        Cursor::new(self.head).chain(self.pg_dump)
    }

    /// Its header and definitions, and the snapshot it shares; or why not.
    pub fn shared(&self) -> Result<(&Preamble, &Arc<Snapshot>), &'static str> {
        self.preamble.as_ref().zip(self.snapshot.as_ref()).ok_or(self.unshared.unwrap_or(NO_DEFINITIONS))
    }

    /// The tables whose rows it reads.
    pub fn tables(&self) -> Vec<u32> {
        self.preamble.as_ref().map(|preamble| preamble.toc.tables_with_rows()).unwrap_or_default()
    }

    /// Some of the tables whose rows it reads, named as SQL: of each schema one, and of some more, if they are not too many.
    pub fn some_tables(&self) -> Vec<String> {
        let Some(Preamble { toc, .. }) = &self.preamble else { return Vec::new() };
        // A session of ours writes names as UTF-8.
        if toc.encoding().as_deref() != Some("UTF8") {
            return Vec::new();
        }
        let (mut first, mut more, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        // These are not to be locked.
        let foreign: HashSet<i32> = toc.foreign_rows().map(TocEntry::dump_id).collect();
        let entries = toc.with_data().filter(|entry| !foreign.contains(&entry.dump_id()));
        for entry in entries.filter(|entry| entry.kind() == EntryKind::TableData) {
            let (_, schema, name) = entry.identity();
            let Ok(table) = String::from_utf8(qualified(schema, name)) else { continue };
            // No script of ours holds a backslash.
            if !table.contains('\\') {
                if seen.insert(schema) { &mut first } else { &mut more }.push(table);
            }
        }
        first.into_iter().chain(more).take(MOST_LOCKS).collect()
    }

    /// Ends it: others write the data, from the snapshot if they have kept it.
    pub async fn stop(self) {
        self.pg_dump.stop().await;
    }

    /// Goes on with the last attempt although it was disturbed, if it restores all the same.
    async fn in_spite_of(self, disturbance: Disturbance) -> Result<Self> {
        if let Disturbance::Dropped(_) = disturbance {
            return Ok(self);
        }
        self.pg_dump.stop().await;
        let hint = if let Disturbance::Rewritten(_) = disturbance { REST } else { SETTLE };
        Err(Error::postgres(format!("{disturbance}; so it went {ATTEMPTS} times in a row")).hint(hint))
    }
}

/// What became of the objects that these definitions are of since the moment `before` they were read; if nothing could be
/// asked then, only what can be seen in the definitions themselves.
async fn disturbance(
    psql: &Psql,
    definitions: Option<&Preamble>,
    before: Option<&Moment>,
) -> Result<Option<Disturbance>> {
    let Some(Preamble { toc, .. }) = definitions else { return Ok(None) };
    if let Some(torn) = toc.torn_definitions().first() {
        return Ok(Some(Disturbance::Torn(torn.to_string())));
    }
    let Some(before) = before else { return Ok(None) };
    let found: Vec<(u32, u32)> = toc.entries().iter().filter_map(object).collect();
    let encoding = toc.encoding().unwrap_or_default();
    let changes = before.changed_since(psql, &found, &toc.tables_with_rows(), &encoding).await?;
    let Changes { objects, written, mut rewritten } = changes;
    // Of several, the first.
    let entries = toc.entries().iter().rev().filter_map(|entry| Some((object(entry)?, entry)));
    let entries: HashMap<(u32, u32), &TocEntry> = entries.collect();
    let entry_of = |it| entries.get(&it).copied();
    let renamed = written.iter().find_map(|one| {
        entry_of((one.catalog, one.oid)).filter(|entry| !is_called(entry, &one.schema, &one.name))
    });
    // Those that were changed come first: they are the worse.
    let disturbance = renamed.map(|entry| Disturbance::Changed(entry.described())).or_else(|| {
        let one = objects.first()?;
        let label = entry_of((one.catalog, one.oid)).map(TocEntry::described).unwrap_or_default();
        Some(if one.dropped { Disturbance::Dropped(label) } else { Disturbance::Changed(label) })
    });
    if rewritten.is_empty() || matches!(disturbance, Some(Disturbance::Changed(_))) {
        return Ok(disturbance);
    }
    // No script of ours holds a backslash.
    rewritten.retain(|table| !table.contains('\\'));
    Ok(Some(Disturbance::Rewritten(rewritten)))
}

/// The oids of an entry's catalogue and object, if it defines one, or has the rows of one.
fn object(entry: &TocEntry) -> Option<(u32, u32)> {
    let has_rows = entry.kind() == EntryKind::TableData;
    let catalog = if has_rows { RELATIONS } else { number(entry.table_oid())? };
    let oid = number(entry.oid())?;
    (catalog != 0 && catalog != LARGE_OBJECTS && oid != 0).then_some((catalog, oid))
}

/// Whether an entry has this schema and this name, in hex.
fn is_called(entry: &TocEntry, schema: &str, name: &str) -> bool {
    let hex = |text: Option<&[u8]>| hex::encode(text.unwrap_or_default());
    hex(entry.namespace()) == schema && hex(entry.tag()) == name
}

/// Lets the reader read until all definitions are known, or to the end of a stream that has none, or to damage; returns the
/// bytes. Whether they are whole is for the reader to say: [`Reader::feed`] goes on with what follows.
///
/// # Errors
/// The stream's.
pub async fn read_front(reader: &mut Reader, from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let (mut head, mut buffer) = (Vec::new(), vec![0; AT_ONCE]);
    while reader.toc().is_none() {
        let count = from.read(&mut buffer).await?;
        let bytes = buffer.get(..count).unwrap_or_default();
        head.extend_from_slice(bytes);
        if bytes.is_empty() || reader.feed(bytes).is_err() {
            break;
        }
    }
    Ok(head)
}

impl Dumping<'_> {
    /// Starts `pg_dump`, and lets the reader read all definitions, or to the end of a stream that has none; returns what it
    /// has read. While `pg_dump` writes them it may wait for a lock, which it does not limit itself: no longer than for those
    /// that it limits.
    ///
    /// # Errors
    /// `pg_dump`'s own; `Kind::Postgres` if it waited for too long.
    pub async fn read_definitions(self, reader: &mut Reader) -> Result<(ChildOutput, Vec<u8>)> {
        let longest = if self.is_alone() { Duration::ZERO } else { self.options.lock_wait_timeout };
        let mut pg_dump = dump(self.client, self.psql.conn(), self.options).await?;
        let read = tokio::select! {
            read = read_front(reader, &mut pg_dump) => {
                read.map_err(|e| Error::from_io(e, Kind::Postgres, "read what pg_dump writes"))
            }
            waited = waits_too_long(self.psql, longest) => Err(waited),
        };
        match read {
            Ok(head) => Ok((pg_dump, head)),
            Err(error) => {
                pg_dump.stop().await;
                Err(error)
            }
        }
    }
}
