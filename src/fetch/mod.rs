//! A backup, or some of its tables, into a file or to stdout: as the archive that `pg_restore` reads, or as
//! text to look at.

mod fetched;
pub mod output;
mod rows;
mod whole;

pub use fetched::{Fetched, Written};

use crate::archive::{Contents, Pattern, Preamble};
use crate::error::{Error, Kind, Result};
use crate::postgres::Situation;
use crate::postgres::clients::{Clients, Search, Version};
use crate::postgres::restore::script;
use crate::run::Run;
use crate::stored::find::catalogue::Signature;
use crate::stored::format::inventory::Inventory;
use crate::stored::format::manifest::BackupKind;
use crate::stored::read::excerpt;
use crate::stored::read::opened::BackupSelection;
use crate::stored::read::reader::BackupReader;
use crate::units::{count, counted_rows};
use indicatif::BinaryBytes;
use output::{Output, What, Writing};
use tokio::io::AsyncWriteExt;

/// What to fetch, as what, and where to.
#[derive(Debug)]
pub struct FetchOptions {
    /// What to fetch.
    pub selection: BackupSelection,
    /// Which tables of it; none for all.
    pub tables: Vec<Pattern>,
    /// As what.
    pub format: FetchFormat,
    /// Where to put it; `None` where only the list is wanted.
    pub output: Option<Output>,
    /// Where to put the list of its entries.
    pub list: Option<Output>,
    /// Whether the server's roles are wanted instead of the dump.
    pub globals: bool,
    /// Whether existing files are replaced.
    pub force: bool,
    /// Whether free space is looked at first.
    pub check_space: bool,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
}

/// As what a backup is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchFormat {
    /// The archive that `pg_restore` reads.
    Archive,
    /// What `pg_restore` makes of it.
    Sql,
    /// One table's rows as comma-separated values.
    Csv,
    /// One table's rows as `COPY` writes them.
    Copy,
}

/// Fetches a backup. `json` says that stdout is taken by a JSON document.
pub async fn fetch(options: FetchOptions, json: bool, run: &Run) -> Result<Fetched> {
    check_outputs(&options, json)?;
    let FetchOptions { selection, tables, format, output, list, globals, force, check_space, clients } =
        options;
    let mut reader = run.or(BackupReader::find(selection)).await?;
    let mut fetched = Fetched {
        place: reader.place().clone(),
        signature: reader.backup.signature,
        list: list.as_ref().map(Output::name),
        written: None,
    };
    if globals || reader.kind() != BackupKind::Postgres {
        let what = if globals { "the roles" } else { reader.kind().noun() };
        let (FetchFormat::Archive, true, None, Some(output)) = (format, tables.is_empty(), &list, output)
        else {
            return Err(Error::usage(format!("{what} of {} can only be fetched as a whole", reader.place()))
                .hint("leave --table, --format and --list-file out"));
        };
        let how = whole::How { globals, force, check_space };
        fetched.written = Some(whole::fetch(&reader, output, how, run).await?);
        return Ok(fetched);
    }
    // The rows of one table come without its definition.
    let of_rows = matches!(format, FetchFormat::Csv | FetchFormat::Copy);
    if !tables.is_empty() || list.is_some() {
        let mut chosen = run.or(excerpt::inventory(&reader)).await?;
        if !tables.is_empty() {
            chosen = excerpt::choose(chosen, &tables, of_rows)?;
        }
        if let Some(list) = &list {
            write_list(list, force, &chosen).await?;
            run.say(format!("listed the entries of {} in {}", reader.place(), list.name()));
        }
        if of_rows {
            chosen = rows::only_rows(chosen, format == FetchFormat::Csv)?;
        }
        if !tables.is_empty() {
            reader.narrow(chosen);
        }
    }
    let is_whole = tables.is_empty() && reader.backup.signature == Signature::Verified;
    if is_whole && output == Some(Output::Stdout) {
        // Whoever reads it may run it: it is known before it comes.
        run.or(read_by_inventory(&mut reader)).await?;
    }
    if let Some(output) = output {
        if check_space {
            let what = if of_rows { What::Rows } else { What::Dump };
            output.enough_space(what, reader.plain_bytes())?;
        }
        fetched.written = Some(write_archive(&reader, format, output, force, &clients, run).await?);
    }
    Ok(fetched)
}

/// Has every frame of a dump compared with the inventory before it is passed on; if there is none that can be read, the dump is
/// read to its end first.
async fn read_by_inventory(reader: &mut BackupReader) -> Result<()> {
    match reader.inventory().await {
        Ok(Some(whole)) => {
            reader.narrow(whole);
            Ok(())
        }
        Ok(None) => reader.look_through().await,
        Err(error) if error.kind() == Kind::Verify => {
            tracing::warn!("{error}");
            reader.look_through().await
        }
        Err(error) => Err(error),
    }
}

/// Refuses outputs that are in each other's way, or cannot be written.
fn check_outputs(options: &FetchOptions, json: bool) -> Result<()> {
    let FetchOptions { output, list, format, globals, force, .. } = options;
    let stdout = Some(Output::Stdout);
    // Roles are text.
    let is_archive = *format == FetchFormat::Archive && !globals;
    if is_archive && output.as_ref().is_some_and(Output::is_terminal) {
        return Err(Error::usage("an archive is not for a terminal")
            .hint("name a file with -o, or choose --format sql"));
    }
    let wanting = [("--json", json), ("-o -", *output == stdout), ("--list-file -", *list == stdout)];
    let wanting: Vec<_> = wanting.into_iter().filter_map(|(words, wants)| wants.then_some(words)).collect();
    if let [one, other, ..] = *wanting {
        return Err(Error::usage(format!("{one} and {other} both want stdout")).hint("name a file with -o"));
    }
    output.iter().chain(list).try_for_each(|file| file.free_to_write(*force))
}

/// Writes the archive, or what is made of it.
async fn write_archive(
    reader: &BackupReader,
    format: FetchFormat,
    output: Output,
    force: bool,
    clients: &Search,
    run: &Run,
) -> Result<Written> {
    let following = run.follow(&reader.progress);
    let writing = output.begin(force)?;
    let written = run.or(write(reader, format, &writing, clients)).await;
    let contents = written.map_err(|e| writing.undelivered(e))?;
    // What is not an archive is larger or smaller than that.
    let is_archive = format == FetchFormat::Archive;
    let output_bytes = if is_archive { Some(reader.plain_bytes()) } else { writing.bytes() };
    writing.commit().await?;
    drop(following);

    let of_rows = matches!(format, FetchFormat::Csv | FetchFormat::Copy);
    let tables = if of_rows { contents.blocks.len() } else { contents.toc.tables() };
    run.say(format!(
        "fetched {} to {}: {}{}, {}; all digests verified",
        reader.place(),
        output.name(),
        output_bytes.map(|bytes| format!("{}, ", BinaryBytes(bytes))).unwrap_or_default(),
        count(tables, "table"),
        counted_rows(contents.rows())
    ));
    Ok(Written {
        output,
        output_bytes,
        plain_bytes: reader.plain_bytes(),
        stored_bytes: reader.dump.stored_bytes,
        fetched_bytes: reader.fetched_bytes(),
        held: Some((tables, contents.rows())),
    })
}

async fn write(
    reader: &BackupReader,
    format: FetchFormat,
    to: &Writing,
    search: &Search,
) -> Result<Contents> {
    match format {
        FetchFormat::Archive => reader.stream(&mut to.sink()?).await,
        FetchFormat::Sql => write_sql(reader, to, search).await,
        FetchFormat::Csv => rows::write(reader, true, &mut to.sink()?).await,
        FetchFormat::Copy => rows::write(reader, false, &mut to.sink()?).await,
    }
}

/// Lets `pg_restore` write the SQL straight to where it is wanted.
async fn write_sql(reader: &BackupReader, to: &Writing, search: &Search) -> Result<Contents> {
    let clients = Clients::find(search).await?;
    let dumped_by = reader.backup.manifest.postgres.as_ref();
    let dumped_by = dumped_by.and_then(|postgres| Version::parse(&postgres.pg_dump_version));
    let mut pg_restore = script(clients.for_reading(dumped_by)?, to.stdio()?)?;
    let contents = reader.stream(&mut pg_restore).await;
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

async fn write_list(to: &Output, force: bool, chosen: &Inventory) -> Result<()> {
    let list = to.shown(Preamble::read(&chosen.archive.preamble)?.list());
    let writing = to.begin(force)?;
    let mut sink = writing.sink()?;
    let written = async {
        sink.write_all(&list).await?;
        sink.flush().await
    };
    let written = written.await.map_err(|e| Error::from_io(e, Kind::LocalFile, "write the list"));
    written.map_err(|e| writing.undelivered(e))?;
    writing.commit().await
}
