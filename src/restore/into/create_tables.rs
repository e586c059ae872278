//! Tables that a database has no more, created in it again with their rows, in one transaction.
//!
//! All that belongs to them comes: their indexes, constraints, triggers, policies and rights, and the foreign keys of other
//! tables that refer to them. What the database has stays as it is. Unlike rows alone, definitions are the backup's own
//! statements, and run with the rights of the role that restores.

use super::super::load::stream::in_order_of_need;
use super::super::plan::occupied::lacking;
use super::super::plan::partial::{Completed, completed};
use super::super::prepare::{as_meant, client_for, waiting_at_most};
use super::append::{Appended, IntoOptions, held};
use super::one_transaction::{load, reporting, settled};
use crate::archive::{EntryKind, Preamble, TocEntry};
use crate::error::{Error, Result};
use crate::postgres::clients::Clients;
use crate::postgres::{
    ASIDE, BACK, Psql, Reports, Situation, Taken, analyze, existing, identifier, parts_of_tables,
};
use crate::run::Run;
use crate::stored::format::inventory::{BlockKind, Inventory};
use crate::stored::read::excerpt;
use crate::stored::read::reader::BackupReader;
use crate::units::{age, count};
use std::collections::HashMap;
use std::time::Instant;

/// Creates the chosen tables in a database that has none of them: all of it, or nothing.
///
/// # Errors
/// `Kind::TargetExists` if the database has one of them; `Kind::Postgres` if it refuses a definition or a row. Nothing has
/// changed then.
pub async fn create(options: IntoOptions, run: &Run) -> Result<Appended> {
    let started = Instant::now();
    let IntoOptions { selection, tables: patterns, target, lock_wait, search_path, clients, .. } = options;
    let database = target.target_name()?.to_string();
    let mut reader = run.or(BackupReader::find(selection)).await?;
    let whole = run.or(excerpt::inventory(&reader)).await?;
    let front = Preamble::read(&whole.archive.preamble)?;
    let clients = run.or(Clients::find(&clients)).await?;
    let psql = Psql::new(clients.newest()?, &target);
    let (server, _lock) = run.or(held(&psql, &database, &front)).await?;
    let client = client_for(&front, &clients, server.version())?;
    let psql = server.as_usual(psql).await;
    let (taken, parts) = (run.or(Taken::of(&psql)).await?, run.or(parts_of_tables(&psql)).await?);
    let missing = excerpt::choose_missing(whole, &patterns, lacking(&front, &taken, &parts))?;
    let chosen = excerpt::without_foreign_rows(&missing)?.unwrap_or(missing);
    let chosen = in_order_of_need(&chosen)?.unwrap_or(chosen);
    let front = Preamble::read(&chosen.archive.preamble)?;
    refuse_without_public(&front, &taken, &database)?;

    let tables = tables(&front, &chosen);
    let labels: Vec<&str> = tables.iter().map(|(label, _)| label.as_str()).collect();
    run.say(format!("creating {} in {database} as in {}", labels.join(", "), reader.place()));
    // Default privileges here would give others more than the backup does.
    let meant = as_meant(&front.with_exclusions_in_partitions(), search_path.as_deref(), server.version());
    let first = format!("{}{ASIDE}", waiting_at_most(lock_wait));
    let has_schema = |name: &str| taken.schemas.contains_key(name);
    let completed =
        completed(&meant, &chosen.extensions, has_schema, async |names| existing(&psql, names).await);
    let Completed { front: meant, .. } = run.or(completed).await?;
    reader.narrow(chosen.only(&meant.enclosed(&first, &[BACK, &reporting()].concat())));
    let following = run.follow(&reader.progress);
    let reports = Reports::default();
    let loading = load(&reader, client, psql.conn(), &reports);
    let filling = run.or(async { loading.await.map_err(explained) });
    settled(run.step("fill", filling).await, &psql, &reports).await?;
    drop(following);
    let names = with_rows(&front);
    if !names.is_empty() {
        analyze(&psql, search_path.as_deref(), &names).await;
    }
    let (took, rows) = (started.elapsed(), tables.iter().map(|(_, rows)| rows).sum::<u64>());
    run.say(format!(
        "created {} in {database}: {}, {}; all digests verified",
        made(&front),
        count(rows, "row"),
        age(took)
    ));
    Ok(Appended { reader, database, truncated: false, created: true, tables, took })
}

/// What is created and may hold rows, and how many it gets.
fn tables(front: &Preamble, chosen: &Inventory) -> Vec<(String, u64)> {
    let mut rows: HashMap<String, u64> = HashMap::new();
    for block in chosen.blocks.iter().filter(|block| block.kind == BlockKind::Table) {
        *rows.entry(block.label()).or_default() += block.rows.unwrap_or_default();
    }
    let labels = relations(front).map(TocEntry::label);
    labels.map(|label| (label.clone(), rows.get(&label).copied().unwrap_or_default())).collect()
}

/// How many of what were created.
fn made(front: &Preamble) -> String {
    let is_view = |entry: &&TocEntry| entry.kind() == EntryKind::View;
    let (all, views) = (relations(front).count(), relations(front).filter(is_view).count());
    let kinds = [(all - views, "table"), (views, "view")].into_iter().filter(|(number, _)| *number > 0);
    kinds.map(|(number, one)| count(number, one)).collect::<Vec<_>>().join(" and ")
}

fn relations(front: &Preamble) -> impl Iterator<Item = &TocEntry> {
    let is_one = |entry: &&TocEntry| {
        use EntryKind::{ForeignTable, MaterializedView, Table, View};
        matches!(entry.kind(), Table | View | MaterializedView | ForeignTable)
    };
    front.toc.entries().iter().filter(is_one)
}

/// What was created and has rows, as SQL names it.
fn with_rows(front: &Preamble) -> Vec<String> {
    let has_rows = |entry: &&TocEntry| matches!(entry.kind(), EntryKind::Table | EntryKind::MaterializedView);
    let name = |bytes| front.toc.text(bytes).map(|name| identifier(&name));
    let names = relations(front).filter(has_rows).filter_map(|entry| {
        let (_, schema, table) = entry.identity();
        Some([name(schema)?, name(table)?].join("."))
    });
    names.collect()
}

/// Refuses a database without the schema that every new one has: the dump does not say how to create it.
fn refuse_without_public(front: &Preamble, taken: &Taken, database: &str) -> Result<()> {
    let mut entries = front.toc.entries().iter();
    if taken.schemas.contains_key("public") || !entries.any(|entry| entry.namespace() == Some(b"public")) {
        return Ok(());
    }
    Err(Error::postgres(format!("{database} has no schema public"))
        .hint("create it first: CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC;"))
}

/// What helps if the database refuses what is created.
fn explained(error: Error) -> Error {
    let advice = match error.situation() {
        Some(Situation::RoleMissing | Situation::LockTimeout) => return error.hint("nothing was changed"),
        Some(Situation::ExtensionDenied) => {
            "create the extension first, as a superuser or as the service allows it, or connect as a superuser"
        }
        Some(Situation::PermissionDenied | Situation::NotOwner | Situation::NotMember) => {
            "connect as a superuser, or as the owner of the tables and of those that they refer to"
        }
        Some(Situation::ConstraintViolated(_)) => {
            "rows of the database and of the backup do not fit together: restore the tables into a new database with --to, and \
             copy the rows that fit"
        }
        Some(Situation::ObjectExists) => {
            "something there has this name, perhaps as part of a table that was renamed: give it another (ALTER INDEX … RENAME \
             TO …, ALTER TABLE … RENAME CONSTRAINT … TO …)"
        }
        Some(Situation::Deadlock) => "another session was in the way: try again",
        _ => return error,
    };
    error.without_hints().hint(advice).hint("nothing was changed")
}
