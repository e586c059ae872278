//! What is in tables already when rows are to be appended to them, or to take their place.

use crate::error::{Error, Result};
use crate::postgres::{FoundTable, Psql, identifier};
use crate::run::Run;
use crate::stored::names::Place;

/// A table that rows are meant for.
pub(super) struct LiveTable<'a> {
    /// What was found of it.
    pub found: &'a FoundTable,
    /// How many rows the backup has for it.
    pub coming: u64,
}

impl LiveTable<'_> {
    fn label(&self) -> String {
        self.found.name.join(".")
    }
}

/// Says what may go wrong although every row of the backup is loaded.
pub(super) async fn warn(tables: &[LiveTable<'_>], psql: &Psql, from: &Place) {
    if tables.iter().all(|table| table.coming == 0) {
        tracing::warn!("there is nothing to append: {}", empty_in(tables.iter(), from));
    }
    // Whoever may only insert rows cannot know.
    let quietly = |error: &Error| tracing::debug!("whether tables have rows is not known: {error}");
    let occupied = occupied(tables, psql).await.inspect_err(quietly).unwrap_or_default();
    for table in occupied.into_iter().filter(|table| table.coming > 0 && !table.found.has_key) {
        tracing::warn!(
            "{} has rows, and no key: those that are in the backup too are in it twice afterwards",
            table.label()
        );
    }
    warn_of_triggers(tables);
}

/// Asks whether tables may be emptied that have no rows in the backup; if nobody can be asked, `--yes` has to say it.
///
/// # Errors
/// `Kind::Usage` if they may not, `Kind::Postgres` if other tables refer to them.
pub(super) async fn agree_to_empty(
    tables: &[LiveTable<'_>],
    psql: &Psql,
    from: &Place,
    yes: bool,
    run: &Run,
) -> Result<()> {
    refuse_referred(tables)?;
    warn_of_triggers(tables);
    let occupied = run.or(occupied(tables, psql)).await?;
    let lost: Vec<_> = occupied.into_iter().filter(|table| table.coming == 0).collect();
    if lost.is_empty() || yes {
        return Ok(());
    }
    let what = empty_in(lost.into_iter(), from);
    match run.or(async { Ok(run.ask(&format!("{what}. Remove all rows that are there now?")).await) }).await?
    {
        Some(true) => Ok(()),
        Some(false) => Err(Error::usage("nothing was changed")),
        None => Err(Error::usage(format!("{what}, so --truncate would only remove what is there now"))
            .hint("take an older backup: pgstow show ID --diff previous tells when the rows went")
            .hint("--yes removes the rows all the same")),
    }
}

/// The server empties no table that others refer to, unless they are emptied with it.
fn refuse_referred(tables: &[LiveTable<'_>]) -> Result<()> {
    let chosen = |name: &[String; 2]| tables.iter().any(|table| table.found.name == *name);
    let mut referred =
        tables.iter().flat_map(|table| table.found.referred_by.iter().map(move |by| (table, by)));
    let Some((table, by)) = referred.find(|(_, by)| !chosen(by)) else { return Ok(()) };
    let (table, by) = (table.label(), by.join("."));
    Err(Error::postgres(format!("{by} refers to {table}, which can be emptied only together with it"))
        .hint(format!("replace the rows of both: --table {table} --table {by} --truncate")))
}

fn empty_in<'a>(tables: impl Iterator<Item = &'a LiveTable<'a>>, from: &Place) -> String {
    let labels: Vec<String> = tables.map(LiveTable::label).collect();
    format!("{from} has no rows of {}", labels.join(", "))
}

/// Those that have rows now.
async fn occupied<'t, 'a>(tables: &'t [LiveTable<'a>], psql: &Psql) -> Result<Vec<&'t LiveTable<'a>>> {
    let exists = |table: &LiveTable<'_>| {
        let [schema, name] = &table.found.name;
        format!("EXISTS (SELECT FROM {}.{})", identifier(schema), identifier(name))
    };
    let questions: Vec<String> = tables.iter().map(exists).collect();
    // Not as arguments of a function, which has at most 100.
    let answers: Vec<bool> =
        psql.query(&format!("SELECT to_json(ARRAY[{}]::bool[]);", questions.join(", "))).await?;
    Ok(tables.iter().zip(answers).filter_map(|(table, has_rows)| has_rows.then_some(table)).collect())
}

fn warn_of_triggers(tables: &[LiveTable<'_>]) {
    for table in tables.iter().filter(|table| !table.found.triggers.is_empty()) {
        let triggers: Vec<String> = table.found.triggers.iter().map(|name| identifier(name)).collect();
        tracing::warn!(
            "triggers of {} may change rows or leave them out: {}",
            table.label(),
            triggers.join(", ")
        );
    }
}
