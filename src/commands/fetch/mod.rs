//! `pgstow fetch`: brings a backup, or some tables of it, back as the plain archive that `pg_restore`
//! reads; or as text to look at.

mod output;
mod table;

use super::excerpt;
use super::source::Source;
use crate::archive::{Contents, Front};
use crate::error::{Error, Kind, Result};
use crate::manifest;
use crate::postgres::clients::{Clients, Search, Version};
use crate::postgres::restore::script;
use crate::report::Report;
use crate::settings::{self, FetchFormat, Output};
use crate::signal::Stop;
use indicatif::BinaryBytes;
use output::Writing;
use serde_json::json;
use std::io::IsTerminal;
use tokio::io::AsyncWriteExt;

/// Runs `pgstow fetch`.
pub async fn run(settings: settings::Fetch, report: &Report, stop: &Stop) -> Result<()> {
    let settings::Fetch { source, tables, format, output, list, globals, force, check_space, clients } =
        settings;
    let stdout = Some(Output::Stdout);
    if output == stdout && format == FetchFormat::Archive && std::io::stdout().is_terminal() {
        return Err(Error::usage("a backup is not for a terminal")
            .hint("name a file with -o, or choose --format sql"));
    }
    let wanting =
        [("--json", report.is_json()), ("-o -", output == stdout), ("--list-file -", list == stdout)];
    let wanting: Vec<_> = wanting.into_iter().filter_map(|(words, wants)| wants.then_some(words)).collect();
    if let [one, other, ..] = *wanting {
        return Err(Error::usage(format!("{one} and {other} both want stdout")).hint("name a file with -o"));
    }
    output.iter().chain(&list).try_for_each(|file| file.free_to_write(force))?;

    let mut source = stop.or(Source::find(source)).await?;
    if let (Some(output), true) = (&output, globals) {
        return stop.or(write_globals(&source, output, force, report)).await;
    }
    if source.kind() != manifest::Kind::Postgres
        && (format != FetchFormat::Archive || !tables.is_empty() || list.is_some())
    {
        return Err(Error::usage(format!(
            "{} is no archive of pg_dump: it comes back as it is",
            source.place()
        )));
    }
    if !tables.is_empty() || list.is_some() {
        let mut chosen = stop.or(excerpt::inventory(&source)).await?;
        if !tables.is_empty() {
            chosen = excerpt::choose(chosen, &tables)?;
        }
        if let Some(list) = &list {
            let front = Front::read(&chosen.archive.preamble)?;
            write_small(list, force, &front.list()).await?;
            report.say(format!("listed the entries of {} in {}", source.place(), list.name()));
        }
        if matches!(format, FetchFormat::Csv | FetchFormat::Copy) {
            chosen = table::only_rows(chosen)?;
        }
        if !tables.is_empty() {
            source.narrow(chosen);
        }
    }
    let list = list.as_ref().map(Output::name);
    let (id, name) = (&source.place().id, &source.place().name);
    let Some(output) = &output else {
        return report.answer("", &json!({ "id": id, "name": name, "list_file": list }));
    };

    if check_space {
        output.enough_space(source.plain_bytes())?;
    }
    let following = report.follow(&source.progress);
    let writing = output.begin(force)?;
    let written = stop.or(write(&source, format, &writing, &clients)).await;
    let contents = written.map_err(|e| writing.undelivered(e))?;
    writing.commit().await?;
    drop(following);

    // The rows of one table come without its definition.
    let of_rows = matches!(format, FetchFormat::Csv | FetchFormat::Copy);
    let tables = contents.as_ref().map(|all| if of_rows { all.blocks.len() } else { all.tables() });
    let rows = contents.as_ref().map(Contents::rows);
    let held = tables.zip(rows).map(|(tables, rows)| format!(", {tables} tables, {rows} rows"));
    report.say(format!(
        "fetched {} to {}: {}{}; every digest agrees",
        source.place(),
        output.name(),
        BinaryBytes(source.plain_bytes()),
        held.unwrap_or_default()
    ));
    if *output == Output::Stdout {
        return Ok(());
    }
    report.answer(
        "",
        &json!({
            "id": id, "name": name, "output": output.name(), "list_file": list,
            "plain_bytes": source.plain_bytes(), "stored_bytes": source.dump.stored_bytes,
            "fetched_bytes": source.fetched_bytes(), "tables": tables, "rows": rows,
            "signature": source.backup.signature,
        }),
    )
}

async fn write(
    source: &Source,
    format: FetchFormat,
    to: &Writing,
    search: &Search,
) -> Result<Option<Contents>> {
    let contents = match format {
        FetchFormat::Archive if source.kind() != manifest::Kind::Postgres => {
            return source.bytes(&mut to.sink()?).await.map(|()| None);
        }
        FetchFormat::Archive => source.stream(&mut to.sink()?).await,
        FetchFormat::Sql => write_sql(source, to, search).await,
        FetchFormat::Csv => table::write(source, true, &mut to.sink()?).await,
        FetchFormat::Copy => table::write(source, false, &mut to.sink()?).await,
    };
    contents.map(Some)
}

/// Brings the server's roles back, as SQL.
async fn write_globals(source: &Source, to: &Output, force: bool, report: &Report) -> Result<()> {
    let sql = source.globals().await?.ok_or_else(|| {
        let why = source.backup.manifest.globals;
        Error::not_found(format!("{} holds no roles: they {why}", source.place()))
    })?;
    write_small(to, force, &sql).await?;
    report.say(format!("fetched the roles of {} to {}; every digest agrees", source.place(), to.name()));
    if *to == Output::Stdout {
        return Ok(());
    }
    let (id, name) = (&source.place().id, &source.place().name);
    report.answer(
        "",
        &json!({
            "id": id, "name": name, "output": to.name(), "plain_bytes": sql.len(),
            "signature": source.backup.signature,
        }),
    )
}

/// Lets `pg_restore` write the SQL straight to where it is wanted.
async fn write_sql(source: &Source, to: &Writing, search: &Search) -> Result<Contents> {
    let clients = Clients::find(search).await?;
    let dumped_by = source.backup.manifest.postgres.as_ref();
    let dumped_by = dumped_by.and_then(|postgres| Version::parse(&postgres.pg_dump_version));
    let mut pg_restore = script(clients.for_reading(dumped_by)?, to.stdio()?)?;
    let contents = source.stream(&mut pg_restore).await;
    // Where the stream failed it is dropped, and must not take that for its archive's end.
    let contents = contents.map_err(unwritten)?;
    pg_restore.finish().await.map_err(unwritten)?;
    Ok(contents)
}

/// Tells a disk that is full, or a reader that went away, from what else keeps `pg_restore` from writing.
fn unwritten(error: Error) -> Error {
    let words = ["could not write", "could not close", "killed by signal 13"];
    let is_output =
        error.kind() == Kind::Postgres && words.iter().any(|words| error.message().contains(words));
    if is_output { error.of_kind(Kind::LocalFile) } else { error }
}

async fn write_small(to: &Output, force: bool, bytes: &[u8]) -> Result<()> {
    let writing = to.begin(force)?;
    let mut sink = writing.sink()?;
    let written = async {
        sink.write_all(bytes).await?;
        sink.flush().await
    };
    let written = written.await.map_err(|e| Error::from_io(e, Kind::LocalFile, "write"));
    written.map_err(|e| writing.undelivered(e))?;
    writing.commit().await
}
