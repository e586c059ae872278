//! Rows of chosen tables, appended to tables that exist, in one transaction.
//!
//! Nothing of the backup runs but its rows: every statement is made here.

use super::super::prepare::{as_meant, by_need, client_for, waiting_at_most};
use super::live_rows::{self, LiveTable};
use super::one_transaction::{load, reported, reporting, settled};
use crate::archive::{EntryKind, Pattern, Preamble, TableName, TocEntry, qualified};
use crate::error::{Error, Result};
use crate::postgres::clients::{Clients, Search};
use crate::postgres::lock::Lock;
use crate::postgres::{
    ConnInfo, FoundTable, Psql, Reference, Reports, Server, WantedTable, identifier, refuse_standby,
};
use crate::run::Run;
use crate::stored::format::inventory::{BlockKind, Inventory};
use crate::stored::format::names::Place;
use crate::stored::read::excerpt;
use crate::stored::read::opened::BackupSelection;
use crate::stored::read::reader::BackupReader;
use crate::units::{age, count};
use indicatif::HumanCount;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

/// Which rows, and into which database.
#[derive(Debug)]
pub struct IntoOptions {
    /// The backup.
    pub selection: BackupSelection,
    /// Which tables of it.
    pub tables: Vec<Pattern>,
    /// The database with the same tables.
    pub target: ConnInfo,
    /// Whether the tables are emptied first.
    pub truncate: bool,
    /// Whether the tables are not there, and are created.
    pub create: bool,
    /// Whether nobody has to be asked.
    pub yes: bool,
    /// How long a lock is waited for; 0 is no limit.
    pub lock_wait: Duration,
    /// In which schemas functions find what they name without one, as `search_path` lists them.
    pub search_path: Option<String>,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
}

/// Rows that were appended.
pub struct Appended {
    /// What they were read with.
    pub reader: BackupReader,
    /// The database they are in.
    pub database: String,
    /// Whether its tables were emptied first.
    pub truncated: bool,
    /// Whether its tables were created.
    pub created: bool,
    /// The tables of the backup, and how many rows each was given.
    pub tables: Vec<(String, u64)>,
    /// How long it took.
    pub took: Duration,
}

impl Appended {
    /// That it is done, of this many rows.
    fn said(&self, all: u64) -> String {
        let rows = self.tables.iter().map(|(_, rows)| rows).sum::<u64>();
        format!(
            "{} {} in {}: {}{}, {}; all digests verified",
            if self.truncated { "replaced the rows of" } else { "appended to" },
            count(self.tables.len(), "table"),
            self.database,
            if rows < all { format!("{} of ", HumanCount(rows)) } else { String::new() },
            count(all, "row"),
            age(self.took)
        )
    }
}

/// Appends the rows of chosen tables to the tables of the same names in a database: all rows, or none.
///
/// # Errors
/// `Kind::Postgres` if a table does not exist there, or its columns do not fit; nothing has changed then.
pub async fn append(options: IntoOptions, run: &Run) -> Result<Appended> {
    let started = Instant::now();
    let IntoOptions { selection, tables: patterns, target, truncate, lock_wait, .. } = options;
    let database = target.target_name()?.to_string();
    let mut reader = run.or(BackupReader::find(selection)).await?;
    let chosen = excerpt::choose(run.or(excerpt::inventory(&reader)).await?, &patterns, true)?;
    counts(&chosen)?;
    let ids: HashSet<i32> = chosen.blocks.iter().map(|block| block.dump_id).collect();
    let has_rows = |entry: &TocEntry| ids.contains(&entry.dump_id());
    let front = Preamble::read(&chosen.archive.preamble)?;
    // As far as foreign keys do not say otherwise.
    let front = by_need(&front).unwrap_or(front).keep(has_rows);

    let clients = run.or(Clients::find(&options.clients)).await?;
    let psql = Psql::new(clients.newest()?, &target);
    let (server, _lock) = run.or(held(&psql, &database, &front)).await?;
    let client = client_for(&front, &clients, server.version())?;
    let psql = server.as_usual(psql).await;
    let found = run.or(check(&psql, &front, &database)).await?;
    let (front, found) = match truncate {
        true => live_rows::to_be_emptied(front, found, &patterns)?,
        false => (front, found),
    };
    let mut chosen = chosen.only(&front);
    let mut counts = counts(&chosen)?;

    let tables = live_tables(&front, &found, &chosen);
    let emptied = truncate.then(|| live_rows::whole_tables(&tables, &patterns)).transpose()?;
    if truncate {
        live_rows::agree_to_empty(&tables, &psql, reader.place(), options.yes, run).await?;
    } else {
        let looking = async {
            live_rows::warn(&tables, &psql, reader.place()).await;
            Ok(())
        };
        run.or(looking).await?;
    }

    let Order { numbers, deferred } = order(&front, &found)?;
    let number = |id: i32| numbers.get(&id).copied().unwrap_or_default();
    chosen.blocks.sort_by_key(|block| number(block.dump_id));
    let ordered = front.in_order(|entry| number(entry.dump_id()));
    let appending = appending(&ordered, emptied.as_deref(), &found, deferred);
    let appending = as_meant(&appending, options.search_path.as_deref(), server.version());
    let appending = appending
        .enclosed(&waiting_at_most(lock_wait), &[live_rows::counting(&tables), reporting()].concat());
    reader.narrow(chosen.only(&appending));
    run.say(announced(&tables, &database, reader.place(), truncate));
    let following = run.follow(&reader.progress);
    let reports = Reports::default();
    let filling = async {
        let Err(error) = load(&reader, client, psql.conn(), &reports).await else { return Ok(()) };
        let error = live_rows::explained(error, truncate, &found);
        Err(live_rows::with_lock_holders(error, &tables, &psql, truncate, lock_wait).await)
    };
    settled(run.step("fill", run.or(filling)).await, &psql, &reports).await?;
    drop(following);
    let came = counts.iter().map(|(_, rows)| rows).sum::<u64>();
    live_rows::take_off_left_out(&mut counts, &tables, &reported(&reports));
    let took = started.elapsed();
    let appended = Appended { reader, database, truncated: truncate, created: false, tables: counts, took };
    run.say(appended.said(came));
    let set: Vec<&str> = found.iter().flat_map(|table| &table.sequences).map(String::as_str).collect();
    if !set.is_empty() {
        run.say("the tables' sequences are unchanged; this sets those past the new rows that are not:");
        set.iter().for_each(|statement| run.say(format!("  {statement}")));
    }
    Ok(appended)
}

/// Looks at the server, and keeps other restores away from the database until the rows are in it: two that append would
/// both find it as it was, and a swap would put another one in its place.
///
/// # Errors
/// `Kind::Postgres` if it is a standby, or takes bytes for text although the backup's text has an encoding: nothing would
/// convert it.
pub(super) async fn held(psql: &Psql, database: &str, front: &Preamble) -> Result<(Server, Lock)> {
    let server = Server::inspect(psql).await?;
    refuse_standby(server.in_recovery)?;
    let [own]: [String; 1] = psql.query("SELECT json_build_array(getdatabaseencoding());").await?;
    if let Some(encoding) = front.toc.encoding().filter(|encoding| own == BYTES && *encoding != BYTES) {
        return Err(Error::postgres(format!(
            "{} has the encoding {BYTES}, so it would take the backup's {encoding} as bytes without a meaning",
            identifier(database)
        ))
        .hint("restore into a new database with --to: it is created with the encoding of the backup"));
    }
    let lock = Lock::against_restores(psql, database).await?;
    Ok((server, lock))
}

fn announced(tables: &[LiveTable<'_>], database: &str, from: &Place, truncate: bool) -> String {
    if !truncate {
        return format!("appending rows of {from} in {database}");
    }
    let emptied = live_rows::labels(tables.iter());
    format!("replacing all rows of {emptied} in {database} by those of {from}")
}

/// The encoding of a database that converts nothing.
const BYTES: &str = "SQL_ASCII";

/// The tables with rows, and how many; refuses what cannot be appended.
fn counts(chosen: &Inventory) -> Result<Vec<(String, u64)>> {
    let blocks = chosen.blocks.iter().filter(|block| block.kind == BlockKind::Table);
    let counted = blocks.map(|block| {
        let rows = block.rows.ok_or_else(|| {
            Error::usage(format!(
                "the rows of {} were not dumped as COPY text, or are compressed within the dump",
                block.label()
            ))
            .hint("restore them into a new database with --to")
        })?;
        Ok((block.label(), rows))
    });
    let counted: Vec<(String, u64)> = counted.collect::<Result<_>>()?;
    if counted.is_empty() {
        return Err(Error::usage("the tables of --table have no rows of their own in the backup")
            .hint("--into only appends rows; a view has none"));
    }
    Ok(counted)
}

/// The tables that rows go into; several partitions' may go into one.
fn live_tables<'a>(front: &Preamble, found: &'a [FoundTable], chosen: &Inventory) -> Vec<LiveTable<'a>> {
    let mut rows: HashMap<i32, u64> = HashMap::new();
    for block in &chosen.blocks {
        *rows.entry(block.dump_id).or_default() += block.rows.unwrap_or_default();
    }
    let (mut tables, mut places) = (Vec::<LiveTable<'a>>::new(), HashMap::new());
    for (entry, found) in front.toc.with_data().zip(found) {
        let place = *places.entry(&found.name).or_insert(tables.len());
        if place == tables.len() {
            tables.push(LiveTable { found, coming: 0 });
        }
        if let Some(table) = tables.get_mut(place) {
            table.coming += rows.get(&entry.dump_id()).copied().unwrap_or_default();
        }
    }
    tables
}

/// The table that an entry's rows go into.
fn destination(entry: &TocEntry) -> (Vec<u8>, Vec<u8>) {
    let (_, schema, name) = entry.identity();
    entry.copied_into().unwrap_or_else(|| (schema.to_vec(), name.to_vec()))
}

/// Refuses tables that do not exist, or do not have the columns.
async fn check(psql: &Psql, front: &Preamble, database: &str) -> Result<Vec<FoundTable>> {
    let wanted: Vec<WantedTable> = front
        .toc
        .with_data()
        .map(|entry| {
            let (schema, name) = destination(entry);
            WantedTable { schema, name, columns: entry.column_names() }
        })
        .collect();
    let encoding = front.toc.encoding().unwrap_or_else(|| "UTF8".into());
    let found = WantedTable::find(psql, &encoding, &wanted).await?;
    let found: Result<Vec<FoundTable>> =
        wanted.iter().zip(found).map(|(wanted, found)| fitting(wanted, found, database)).collect();
    let found = found?;
    for (entry, found) in front.toc.with_data().zip(&found) {
        let (_, schema, name) = entry.identity();
        if !found.is_partitioned && destination(entry) != (schema.to_vec(), name.to_vec()) {
            return Err(Error::postgres(format!(
                "the rows of {} went through a partitioned table when they were dumped, and would go into {}, which is not partitioned",
                entry.label(),
                found.name.each_ref().map(|name| identifier(name)).join(".")
            ))
            .hint("restore them into a new database with --to"));
        }
    }
    Ok(found)
}

/// In which order rows are appended.
struct Order {
    /// The entries' places, from 1, by their dump ids.
    numbers: HashMap<i32, usize>,
    /// Whether foreign keys are checked at the end only.
    deferred: bool,
}

/// The entries with data, each after those whose rows its own refer to; in a circle, as far as foreign keys cannot
/// be deferred.
fn order(front: &Preamble, found: &[FoundTable]) -> Result<Order> {
    let (deferred, numbers) = match sorted(found, |_, _| true) {
        Ok(numbers) => (false, numbers),
        Err(_) => (
            true,
            sorted(found, |_, reference| !reference.deferrable)
                .map_err(|left| circle(front, found, &left))?,
        ),
    };
    let ids: Vec<i32> = front.toc.with_data().map(TocEntry::dump_id).collect();
    let order = numbers.into_iter().filter_map(|number| ids.get(number).copied());
    Ok(Order { numbers: order.zip(1..).collect(), deferred })
}

/// The tables' numbers, each after those that it refers to by what counts; or those for which there is no such order.
fn sorted(
    found: &[FoundTable],
    counts: impl Fn(usize, &Reference) -> bool,
) -> Result<Vec<usize>, Vec<usize>> {
    let counts = &counts;
    let references = found.iter().enumerate().flat_map(|(from, table)| {
        let counted = table.refers_to.iter().filter(move |reference| counts(from, reference));
        counted.map(move |reference| (from, reference.table))
    });
    let references: Vec<(usize, usize)> = references.collect();
    let mut left: BTreeSet<usize> = (0..found.len()).collect();
    let order = taken(&mut left, references.iter().copied());
    // Those that only refer to a circle are not part of it.
    taken(&mut left, references.iter().map(|(from, to)| (*to, *from)));
    if left.is_empty() { Ok(order) } else { Err(left.into_iter().collect()) }
}

/// Takes out the numbers that wait for none that is left, the lowest first.
fn taken(left: &mut BTreeSet<usize>, waits: impl Iterator<Item = (usize, usize)>) -> Vec<usize> {
    let (mut waiting, mut open) = (HashMap::<usize, Vec<usize>>::new(), HashMap::<usize, usize>::new());
    for (from, to) in waits.filter(|(from, to)| left.contains(from) && left.contains(to)) {
        waiting.entry(to).or_default().push(from);
        *open.entry(from).or_default() += 1;
    }
    let mut ready: BTreeSet<usize> = left.iter().copied().filter(|one| !open.contains_key(one)).collect();
    let mut order = Vec::new();
    while let Some(next) = ready.pop_first() {
        left.remove(&next);
        order.push(next);
        for from in waiting.remove(&next).unwrap_or_default() {
            let open = open.entry(from).or_default();
            *open -= 1;
            if *open == 0 {
                ready.insert(from);
            }
        }
    }
    order
}

fn circle(front: &Preamble, found: &[FoundTable], left: &[usize]) -> Error {
    let entries: Vec<_> = front.toc.with_data().map(destination).collect();
    let named = |number: &usize| {
        let table = entries.get(*number);
        table.map(|(schema, name)| (TableName { schema, name }.label(), qualified(schema, name)))
    };
    let labels: Vec<String> = left.iter().filter_map(named).map(|(label, _)| label).collect();
    let mut error = Error::postgres(format!(
        "the rows of {} refer to each other, and their foreign keys cannot be deferred: whichever came first would be refused",
        labels.join(" and ")
    ));
    let keys = to_defer(found);
    let keys = keys.iter().filter_map(|(number, key)| Some((named(number)?.1, &key.constraint)));
    let alter: Vec<String> = keys
        .map(|(table, key)| format!("ALTER TABLE {} ALTER CONSTRAINT {key}", String::from_utf8_lossy(&table)))
        .collect();
    let statements =
        |end: &str| alter.iter().map(|alter| format!("{alter} {end};")).collect::<Vec<_>>().join(" ");
    if !alter.is_empty() {
        error = error
            .hint(format!("let them be checked at the end: {}", statements("DEFERRABLE")))
            .hint(format!("afterwards, make them as they were: {}", statements("NOT DEFERRABLE")));
    }
    error.hint("or restore the tables into a new database with --to")
}

/// Foreign keys that have to be deferred so that there is an order, each with the number of its table.
fn to_defer(found: &[FoundTable]) -> Vec<(usize, &Reference)> {
    let mut deferred: Vec<(usize, &Reference)> = Vec::new();
    loop {
        let counts = |from: usize, one: &Reference| {
            let is_it =
                |(table, other): &(usize, &Reference)| *table == from && other.constraint == one.constraint;
            !one.deferrable && !deferred.iter().any(is_it)
        };
        let Err(left) = sorted(found, counts) else { return deferred };
        let keys = left.iter().filter_map(|from| Some((*from, found.get(*from)?)));
        let mut keys = keys.flat_map(|(from, table)| table.refers_to.iter().map(move |one| (from, one)));
        let Some(next) = keys.find(|(from, one)| left.contains(&one.table) && counts(*from, one)) else {
            return deferred;
        };
        deferred.push(next);
    }
}

fn fitting(wanted: &WantedTable, found: Option<FoundTable>, database: &str) -> Result<FoundTable> {
    let label = TableName { schema: &wanted.schema, name: &wanted.name }.label();
    let elsewhere = "restore the table into a new database with --to, and copy the rows as they fit";
    let Some(found) = found else {
        return Err(Error::postgres(format!("{database} has no table {label}"))
            .hint("--into appends to tables that exist; with --create-tables it creates them, with all that belongs to them")
            .hint("or restore them into a new database with --to"));
    };
    if !found.is_table {
        // Nor does --to restore the rows of a foreign table.
        return Err(Error::postgres(format!("{label} in {database} is not a table"))
            .hint("`pgstow fetch … --table NAME` brings its rows as a file, to load by hand"));
    }
    let lacks: Vec<_> = found.lacks.iter().filter_map(|place| wanted.columns.get(*place)).collect();
    if !lacks.is_empty() {
        let lacks: Vec<_> = lacks.into_iter().map(|name| String::from_utf8_lossy(name)).collect();
        return Err(Error::postgres(format!(
            "the columns of {label} do not fit: the backup's rows have {}, and the table in {database} does not, or computes it",
            lacks.join(", ")
        ))
        .hint(elsewhere));
    }
    if !found.needs.is_empty() {
        return Err(Error::postgres(format!(
            "the columns of {label} do not fit: the table in {database} needs a value for {}, and the backup has none",
            found.needs.join(", ")
        ))
        .hint("give the column a default value, or drop its NOT NULL until the rows are there"));
    }
    Ok(found)
}

/// The same archive with our own statements only; the first may defer constraints, and empty the tables with those that
/// their rows are also in.
fn appending(
    front: &Preamble,
    emptied: Option<&[[String; 2]]>,
    found: &[FoundTable],
    deferred: bool,
) -> Preamble {
    let mut first = if deferred { b"SET CONSTRAINTS ALL DEFERRED;\n".to_vec() } else { Vec::new() };
    if let Some(whole) = emptied {
        // Rows that go through a partitioned table may come to lie in any partition that it has now.
        let names = front.toc.with_data().map(|entry| {
            let (schema, name) = destination(entry);
            let is_it =
                |found: &&FoundTable| found.name.each_ref().map(String::as_bytes) == [&*schema, &*name];
            let is_partitioned = found.iter().find(is_it).is_some_and(|found| found.is_partitioned);
            let only: &[u8] = if entry.passes_root() || is_partitioned { b"" } else { b"ONLY " };
            [only, &qualified(&schema, &name)].concat()
        });
        let names =
            names.chain(whole.iter().map(|[schema, name]| qualified(schema.as_bytes(), name.as_bytes())));
        first.extend([b"TRUNCATE ", names.collect::<Vec<_>>().join(&b", "[..]).as_slice(), b";\n"].concat());
    }
    front.with(|entry| match entry.kind() {
        EntryKind::SearchPath => {
            entry.with_defn(b"SELECT pg_catalog.set_config('search_path', '', false);\n")
        }
        EntryKind::TableData => {
            let (schema, name) = destination(entry);
            entry.with_rows_into(&schema, &name, &std::mem::take(&mut first))
        }
        _ => entry.clone(),
    })
}
