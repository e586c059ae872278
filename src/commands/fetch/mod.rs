//! `pgstow fetch`: brings a backup, or some tables of it, back as the plain archive that `pg_restore`
//! reads; or as text to look at.

mod output;
mod table;
mod whole;

use super::excerpt;
use super::source::Source;
use crate::archive::{Contents, Front};
use crate::error::{Error, Kind, Result};
use crate::manifest;
use crate::numbers::{count, told_rows};
use crate::postgres::Situation;
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
        return Err(Error::usage("an archive is not for a terminal")
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
    if globals || source.kind() != manifest::Kind::Postgres {
        let what = if globals { "the roles" } else { source.kind().noun() };
        let (FetchFormat::Archive, true, None, Some(output)) = (format, tables.is_empty(), &list, &output)
        else {
            return Err(Error::usage(format!("{what} of {} can only be fetched as a whole", source.place()))
                .hint("leave --table, --format and --list-file out"));
        };
        return whole::fetch(&source, globals, output, force, check_space, report, stop).await;
    }
    // The rows of one table come without its definition.
    let of_rows = matches!(format, FetchFormat::Csv | FetchFormat::Copy);
    if !tables.is_empty() || list.is_some() {
        let mut chosen = stop.or(excerpt::inventory(&source)).await?;
        if !tables.is_empty() {
            chosen = excerpt::choose(chosen, &tables, of_rows)?;
        }
        if let Some(list) = &list {
            let front = Front::read(&chosen.archive.preamble)?;
            write_list(list, force, &front.list()).await?;
            report.say(format!("listed the entries of {} in {}", source.place(), list.name()));
        }
        if of_rows {
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
    // What is no archive is larger or smaller than that.
    let written = if format == FetchFormat::Archive { Some(source.plain_bytes()) } else { writing.bytes() };
    writing.commit().await?;
    drop(following);

    let tables = if of_rows { contents.blocks.len() } else { contents.tables() };
    report.say(format!(
        "fetched {} to {}: {}{}, {}; every digest agrees",
        source.place(),
        output.name(),
        written.map(|bytes| format!("{}, ", BinaryBytes(bytes))).unwrap_or_default(),
        count(tables, "table"),
        told_rows(contents.rows())
    ));
    if *output == Output::Stdout {
        return Ok(());
    }
    report.answer(
        "",
        &json!({
            "id": id, "name": name, "output": output.name(), "list_file": list,
            "output_bytes": written, "plain_bytes": source.plain_bytes(), "stored_bytes": source.dump.stored_bytes,
            "fetched_bytes": source.fetched_bytes(), "tables": tables, "rows": contents.rows(),
            "signature": source.backup.signature,
        }),
    )
}

async fn write(source: &Source, format: FetchFormat, to: &Writing, search: &Search) -> Result<Contents> {
    match format {
        FetchFormat::Archive => source.stream(&mut to.sink()?).await,
        FetchFormat::Sql => write_sql(source, to, search).await,
        FetchFormat::Csv => table::write(source, true, &mut to.sink()?).await,
        FetchFormat::Copy => table::write(source, false, &mut to.sink()?).await,
    }
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
    match error.situation() {
        Some(Situation::OutputUnwritable | Situation::Killed(13)) => error.of_kind(Kind::LocalFile),
        _ => error,
    }
}

async fn write_list(to: &Output, force: bool, list: &[u8]) -> Result<()> {
    let writing = to.begin(force)?;
    let mut sink = writing.sink()?;
    let written = async {
        sink.write_all(list).await?;
        sink.flush().await
    };
    let written = written.await.map_err(|e| Error::from_io(e, Kind::LocalFile, "write the list"));
    written.map_err(|e| writing.undelivered(e))?;
    writing.commit().await
}
