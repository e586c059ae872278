//! What is in tables already when rows are to be appended to them, or to take their place.

use crate::archive::{Pattern, Preamble, TableName, TocEntry};
use crate::error::{Error, Result};
use crate::postgres::{Constraint, FoundTable, Psql, REPORT, Referring, Situation, identifier, lock_holders};
use crate::run::Run;
use crate::stored::format::names::Place;
use crate::units::count;
use indicatif::HumanCount;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

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
    let all: Vec<_> = tables.iter().collect();
    let occupied = occupied(&all, psql).await.inspect_err(quietly).unwrap_or_default();
    for table in occupied.into_iter().filter(|table| table.coming > 0 && !table.found.has_key) {
        tracing::warn!(
            "{} has rows, and no key: those that are in the backup too are in it twice afterwards",
            table.label()
        );
    }
    warn_of_triggers(tables);
}

/// Leaves out the tables of extensions: an extension has put rows there that no backup has.
///
/// # Errors
/// `Kind::Usage` if more would be emptied than is filled again, or than may have been meant.
pub(super) fn to_be_emptied(
    front: Preamble,
    found: Vec<FoundTable>,
    patterns: &[Pattern],
) -> Result<(Preamble, Vec<FoundTable>)> {
    let ids = front.toc.with_data().zip(&found).filter(|(_, found)| found.of_extension);
    let ids: Vec<i32> = ids.map(|(entry, _)| entry.dump_id()).collect();
    let (of_extensions, found): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| found.of_extension);
    for name in of_extensions.iter().map(|table| table.name.join(".")) {
        let why = "is an extension's: --truncate would also remove rows that the extension itself put there";
        if found.is_empty() {
            return Err(Error::usage(format!("{name} {why}")).hint("append the rows: leave --truncate out"));
        }
        tracing::warn!("left out: {name} {why}");
    }
    let front = front.keep(|entry| !ids.contains(&entry.dump_id()));
    let encoding = front.toc.encoding().unwrap_or_default();
    let patterns: Vec<Pattern> = patterns.iter().map(|pattern| pattern.in_encoding(&encoding)).collect();
    front.toc.with_data().try_for_each(|entry| refuse_part(entry, &patterns))?;
    patterns.iter().try_for_each(|pattern| refuse_ambiguous(pattern, &front))?;
    Ok((front, found))
}

/// Rows that find their partition anew may belong into one that is not emptied.
fn refuse_part(entry: &TocEntry, patterns: &[Pattern]) -> Result<()> {
    let Some((schema, name)) = entry.copied_into().filter(|_| entry.passes_root()) else { return Ok(()) };
    if patterns.iter().any(|pattern| pattern.matches(&schema, &name)) {
        return Ok(());
    }
    let (_, its_schema, its_name) = entry.identity();
    let part = TableName { schema: its_schema, name: its_name }.label();
    let whole = TableName { schema: &schema, name: &name };
    Err(Error::usage(format!(
        "the rows of {part} may belong into another partition of {} now, so --truncate can only replace all of them",
        whole.label()
    ))
    .hint(format!("name the whole table: --table {}", whole.pattern())))
}

/// A name that two schemas have is easily typed for the table of one.
fn refuse_ambiguous(pattern: &Pattern, front: &Preamble) -> Result<()> {
    let identities = front.toc.with_data().map(TocEntry::identity);
    let matching = identities.filter(|(_, schema, name)| pattern.matches(schema, name));
    let labels: BTreeMap<&[u8], String> =
        matching.map(|(_, schema, name)| (schema, TableName { schema, name }.label())).collect();
    if pattern.names_schema() || labels.len() < 2 {
        return Ok(());
    }
    let labels: Vec<String> = labels.into_values().collect();
    Err(Error::usage(format!(
        "--table {pattern} matches tables in several schemas, and --truncate would empty all of them: {}",
        labels.join(", ")
    ))
    .hint("say which schema is meant, as --table app.orders; *.orders means each"))
}

/// Asks whether tables may be emptied that have no rows in the backup; if nobody can be asked, `--yes` has to say it.
///
/// # Errors
/// `Kind::Usage` if they may not.
pub(super) async fn agree_to_empty(
    tables: &[LiveTable<'_>],
    psql: &Psql,
    from: &Place,
    yes: bool,
    run: &Run,
) -> Result<()> {
    warn_of_triggers(tables);
    let empty: Vec<&LiveTable<'_>> = tables.iter().filter(|table| table.coming == 0).collect();
    if empty.is_empty() || yes {
        return Ok(());
    }
    let lost = match run.or(occupied(&empty, psql)).await {
        // Whoever may only empty and fill it cannot know, nor if the server finds no plan for the question, or another
        // session has locked it.
        Err(error)
            if matches!(
                error.situation(),
                Some(
                    Situation::PermissionDenied | Situation::ObjectMissingInFunction | Situation::LockTimeout
                )
            ) =>
        {
            empty
        }
        lost => lost?,
    };
    if lost.is_empty() {
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

/// The partitioned tables to be emptied with these: they refer to them, and all of their partitions are among them.
///
/// # Errors
/// `Kind::Postgres` if other tables refer to them: the server empties no table without those.
pub(super) fn whole_tables(tables: &[LiveTable<'_>], patterns: &[Pattern]) -> Result<Vec<[String; 2]>> {
    let is_chosen = |name: &[String; 2]| tables.iter().any(|table| table.found.name == *name);
    let referring = tables.iter().flat_map(|table| table.found.referred_by.iter().map(move |by| (table, by)));
    let (mut whole, mut others) = (Vec::new(), Vec::new());
    for (table, by) in referring.filter(|(_, by)| !is_chosen(&by.name)) {
        match &by.parts {
            Some(parts) if parts.iter().all(is_chosen) => whole.push(by.name.clone()),
            _ => others.push((table, by)),
        }
    }
    // A partitioned table before its partitions, which refer to the same.
    let parts = |by: &Referring| by.parts.as_ref().map_or(0, |parts| parts.len() + 1);
    let Some((table, by)) = others.into_iter().min_by_key(|(_, by)| Reverse(parts(by))) else {
        return Ok(whole);
    };
    let (table, [schema, name]) = (table.label(), by.name.each_ref().map(String::as_bytes));
    let other = TableName { schema, name };
    let refused = format!("{} refers to {table}, which can be emptied only together with it", other.label());
    let error = Error::postgres(refused);
    if patterns.iter().any(|pattern| pattern.matches(schema, name)) {
        let lacking = by.parts.iter().flatten().filter(|part| !is_chosen(part));
        let lacking: Vec<String> = lacking.map(|part| part.join(".")).collect();
        let lacking = if lacking.is_empty() { other.label() } else { lacking.join(", ") };
        return Err(error
            .hint(format!("the backup has no rows of {lacking}: empty the tables yourself in one TRUNCATE, and leave --truncate out")));
    }
    let typed: Vec<String> = patterns.iter().map(|pattern| format!("--table {pattern}")).collect();
    Err(error.hint(format!(
        "replace the rows of both: {} --table {} --truncate",
        typed.join(" "),
        other.pattern()
    )))
}

fn empty_in<'a>(tables: impl Iterator<Item = &'a LiveTable<'a>>, from: &Place) -> String {
    format!("{from} has no rows of {}", labels(tables))
}

/// The tables' names, for a sentence.
pub(super) fn labels<'a>(tables: impl Iterator<Item = &'a LiveTable<'a>>) -> String {
    tables.map(LiveTable::label).collect::<Vec<_>>().join(", ")
}

/// Those that have rows now.
async fn occupied<'t, 'a>(tables: &[&'t LiveTable<'a>], psql: &Psql) -> Result<Vec<&'t LiveTable<'a>>> {
    let exists = |table: &&LiveTable<'_>| {
        let [schema, name] = &table.found.name;
        format!("EXISTS (SELECT FROM {}.{})", identifier(schema), identifier(name))
    };
    let questions: Vec<String> = tables.iter().map(exists).collect();
    // Not as arguments of a function, which has at most 100.
    let answers: Vec<bool> = psql
        .query(&format!(
            "SET LOCAL lock_timeout = '5s';\nSELECT to_json(ARRAY[{}]::bool[]);",
            questions.join(", ")
        ))
        .await?;
    Ok(tables.iter().zip(answers).filter_map(|(table, has_rows)| has_rows.then_some(*table)).collect())
}

fn warn_of_triggers(tables: &[LiveTable<'_>]) {
    let named = |names: &[String]| names.iter().map(|name| identifier(name)).collect::<Vec<_>>().join(", ");
    for table in tables {
        let (label, found) = (table.label(), table.found);
        if !found.triggers.is_empty() {
            let triggers = named(&found.triggers);
            tracing::warn!("triggers of {label} may change rows or leave them out: {triggers}");
        }
        if !found.triggers_after.is_empty() {
            let triggers = named(&found.triggers_after);
            tracing::warn!(
                "triggers of {label} fire for these rows, and may write into other tables: {triggers}"
            );
        }
    }
}

/// SQL that reports how many rows this transaction has put into tables whose triggers may leave some out: `pg_restore` does
/// not pass on what the server counts. Nothing is reported of a table that cannot be read.
pub(super) fn counting(tables: &[LiveTable<'_>]) -> String {
    let counted = |table: &LiveTable<'_>| {
        let oid = table.found.oid;
        format!(
            "DO $$ DECLARE rows int8; BEGIN
               EXECUTE 'SELECT pg_catalog.count(*) FROM ' || {oid}::pg_catalog.regclass
                 || ' WHERE xmin = (pg_catalog.txid_current() % 4294967296)::text::xid' INTO rows;
               RAISE WARNING '{REPORT}{oid} %', rows;
             EXCEPTION WHEN OTHERS THEN NULL; END $$;\n"
        )
    };
    with_triggers(tables).map(counted).collect()
}

fn with_triggers<'t, 'a>(tables: &'t [LiveTable<'a>]) -> impl Iterator<Item = &'t LiveTable<'a>> {
    tables.iter().filter(|table| !table.found.triggers.is_empty())
}

/// Takes off the rows that triggers have left out, and says so.
pub(super) fn take_off_left_out(counts: &mut [(String, u64)], tables: &[LiveTable<'_>], reports: &[String]) {
    let numbers = |report: &String| {
        let (oid, rows) = report.split_once(' ')?;
        Some((oid.parse::<u32>().ok()?, rows.parse::<u64>().ok()?))
    };
    for (oid, rows) in reports.iter().filter_map(numbers) {
        let reported = with_triggers(tables).find(|table| table.found.oid == oid && rows < table.coming);
        let Some(table) = reported else { continue };
        let (label, all) = (table.label(), count(table.coming, "row"));
        tracing::warn!(
            "{label} has {} of {all} of the backup: its triggers left out the others, or put them elsewhere",
            HumanCount(rows)
        );
        counts.iter_mut().filter(|(name, _)| *name == label).for_each(|(_, counted)| *counted = rows);
    }
}

/// Names who holds the lock that was waited for too long, as far as the server still knows.
pub(super) async fn with_lock_holders(
    error: Error,
    tables: &[LiveTable<'_>],
    psql: &Psql,
    truncated: bool,
    waited: Duration,
) -> Error {
    if error.situation() != Some(Situation::LockTimeout) {
        return error;
    }
    let names: Vec<&[String; 2]> = tables.iter().map(|table| &table.found.name).collect();
    // As the role that logs in, which sees what its own sessions do.
    let holders = lock_holders(&psql.in_role(None), &names, truncated).await;
    let quietly = |error: &Error| tracing::debug!("who holds the lock is not known: {error}");
    let holders = holders.inspect_err(quietly).unwrap_or_default().join("; ");
    let held = if holders.is_empty() {
        "another session holds it".into()
    } else {
        format!("it is held on {holders}")
    };
    let waited = humantime::format_duration(waited);
    Error::postgres(format!("waited {waited} for a lock, and gave up: {held}; nothing was changed"))
        .in_situation(Situation::LockTimeout)
        .because(error)
        .hint("end that session, try again later, or raise --lock-wait-timeout")
}

/// What helps if rows are refused.
pub(super) fn explained(error: Error, truncated: bool, found: &[FoundTable]) -> Error {
    match error.situation() {
        Some(Situation::ConstraintViolated(Constraint::Unique)) if is_of_trigger(&error, found) => error
            .hint(format!("a trigger wrote this row: disable triggers first: {}", triggers(found, "DISABLE")))
            .hint(format!("afterwards: {}", triggers(found, "ENABLE"))),
        Some(Situation::ConstraintViolated(Constraint::Unique)) if truncated => {
            error.hint("a trigger of another table may have written into it, after it was emptied")
        }
        Some(Situation::ConstraintViolated(Constraint::Unique)) => error
            .hint("the table has rows with the same keys: --truncate removes all of its rows first")
            .hint("or restore the table into a new database with --to, and copy the rows that are missing"),
        Some(Situation::PermissionDenied) => error.without_hints().hint(
            "the connecting role lacks a privilege: GRANT INSERT ON the table TO it, or TRUNCATE too with --truncate, or connect \
             as the table's owner",
        ),
        Some(Situation::RowSecurity) => error
            .without_hints()
            .hint("connect as a superuser or a role with BYPASSRLS: row security holds rows back")
            .hint("the table's owner may, too, unless the table has FORCE ROW LEVEL SECURITY: ALTER TABLE … NO FORCE ROW LEVEL SECURITY"),
        Some(Situation::Deadlock) => {
            error.without_hints().hint("another session was in the way, and nothing was changed: try again")
        }
        _ => error,
    }
}

/// Statements that do something to all triggers that fire for the rows.
fn triggers(found: &[FoundTable], how: &str) -> String {
    let statements = found.iter().flat_map(|table| {
        let name = table.name.each_ref().map(|name| identifier(name)).join(".");
        let triggers = table.triggers.iter().chain(&table.triggers_after);
        triggers.map(move |trigger| format!("ALTER TABLE {name} {how} TRIGGER {};", identifier(trigger)))
    });
    statements.collect::<Vec<_>>().join(" ")
}

/// Whether a function wrote the row that was refused: the server says first what it was in, and a row of the backup is in
/// nothing but `COPY`.
fn is_of_trigger(error: &Error, found: &[FoundTable]) -> bool {
    let context = error.details().iter().find(|detail| detail.label == "context");
    let has_triggers = |table: &FoundTable| !table.triggers.is_empty() || !table.triggers_after.is_empty();
    context.is_some_and(|context| !context.text.starts_with("COPY ")) && found.iter().any(has_triggers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_advice_names_a_flag_that_is_refused() {
        for situation in [Situation::PermissionDenied, Situation::RowSecurity, Situation::Deadlock] {
            let error = Error::postgres("no").hint("--owner ROLE, --jobs 1").in_situation(situation);
            let hints = explained(error, false, &[]).hints().concat();
            assert!(!hints.is_empty() && !hints.contains("--owner") && !hints.contains("--jobs"), "{hints}");
            assert_eq!(situation == Situation::RowSecurity, hints.contains("NO FORCE ROW LEVEL SECURITY"));
        }
    }
}
