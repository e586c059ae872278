//! What is in a file that somebody calls a dump, and whether it is whole.

use crate::archive::{Damage, EntryKind, Preamble, Reader, Toc, TocEntry};
use crate::error::{Error, Kind, Result};
use crate::script::{Command, Outline, ScriptContents, without_drops};
use crate::stored::format::manifest;
use crate::stored::format::names::Timestamp;
use async_compression::tokio::bufread::GzipDecoder;
use std::fs::Metadata;
use std::ops::Range;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};

/// How an archive begins.
const ARCHIVE: &[u8] = b"PGDMP";
/// How a file begins that gzip compressed.
const GZIP: &[u8] = &[0x1f, 0x8b];
/// The bytes of an entry's offset, its last ones.
const OFFSET: usize = 9;
/// Bytes read at once.
const AT_ONCE: usize = 256 << 10;

/// What was found in a file.
pub struct Found {
    /// The dumps to adopt, one or, from `pg_dumpall`, several.
    pub dumps: Vec<Dump>,
    /// The server's roles as SQL, from `pg_dumpall`.
    pub globals: Option<Vec<u8>>,
    /// Databases that hold nothing.
    pub left_out: Vec<String>,
    /// The file's size as it lies there.
    pub file_bytes: u64,
    /// When the file was last changed.
    pub changed_at: Timestamp,
}

/// One dump in the file.
pub struct Dump {
    /// An archive, or a script.
    pub kind: manifest::BackupKind,
    /// The database it is of, if the dump says so.
    pub database: Option<String>,
    /// Its bytes of the file's content, gzip undone.
    pub range: Range<u64>,
    /// The version of the server, as it named itself.
    pub server_version: String,
    /// The version of the `pg_dump` that wrote it.
    pub pg_dump_version: String,
}

/// The file's content from this place on, gzip undone.
pub async fn open_at(path: &Path, start: u64) -> Result<Box<dyn AsyncRead + Unpin + Send>> {
    let mut content = open(path).await?;
    let mut before = (&mut content).take(start);
    tokio::io::copy(&mut before, &mut tokio::io::sink()).await.map_err(|e| unreadable(path, e))?;
    Ok(content)
}

async fn open(path: &Path) -> Result<Box<dyn AsyncRead + Unpin + Send>> {
    let unreadable = |e| unreadable(path, e);
    let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut begin = [0; GZIP.len()];
    let is_gzip = file.read_exact(&mut begin).await.is_ok() && begin == GZIP;
    drop(file);
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let file = BufReader::with_capacity(AT_ONCE, file);
    if !is_gzip {
        return Ok(Box::new(file));
    }
    let mut decoder = GzipDecoder::new(file);
    // Several members one behind the other are one content.
    decoder.multiple_members(true);
    Ok(Box::new(decoder))
}

/// Looks at what there is before it is read; refuses what is no file that can be read.
pub async fn examine(path: &Path) -> Result<Metadata> {
    let about = tokio::fs::metadata(path).await.map_err(|e| unreadable(path, e))?;
    if about.is_dir() {
        return Err(no_dump(path, "is a folder"));
    }
    if !about.is_file() {
        return Err(no_dump(path, "is not a regular file, and it must be read twice"));
    }
    tokio::fs::File::open(path).await.map_err(|e| unreadable(path, e))?;
    Ok(about)
}

/// Reads the file from end to end; refuses what is no dump, or not whole.
pub async fn look(path: &Path, about: &Metadata) -> Result<Found> {
    let mut found = Found {
        dumps: Vec::new(),
        globals: None,
        left_out: Vec::new(),
        file_bytes: about.len(),
        changed_at: about.modified().map_or_else(|_| Timestamp::now(), Timestamp::from),
    };
    let mut content = open(path).await?;
    let mut begin = Vec::new();
    (&mut content)
        .take(ARCHIVE.len() as u64)
        .read_to_end(&mut begin)
        .await
        .map_err(|e| unreadable(path, e))?;
    if begin == ARCHIVE {
        found.dumps.push(archive(path, &begin, content).await?);
        return Ok(found);
    }
    let seen = script(path, &begin, content).await?;
    refuse_unfit(path, &seen)?;
    if seen.is_mixed {
        return Err(no_dump(
            path,
            "was made by pg_dumpall of PostgreSQL 10 or older, which does not separate its databases",
        ));
    }
    for section in seen.databases {
        let called = section.database.clone();
        // Of one database only there is nothing to choose from.
        if section.entries == 0 && seen.is_cluster {
            found.left_out.extend(called);
            continue;
        }
        found.dumps.push(Dump {
            kind: manifest::BackupKind::Sql,
            database: called,
            range: section.range,
            server_version: section.server_version,
            pg_dump_version: section.pg_dump_version,
        });
    }
    if found.dumps.is_empty() {
        return Err(no_dump(path, "holds no database that has any content"));
    }
    if seen.is_cluster {
        let bytes = seen.globals.end - seen.globals.start;
        let mut globals = Vec::new();
        let mut content = open_at(path, seen.globals.start).await?.take(bytes);
        content.read_to_end(&mut globals).await.map_err(|e| unreadable(path, e))?;
        found.globals = Some(without_drops(&globals));
    }
    Ok(found)
}

/// Refuses a script that no restore can run in a new database.
fn refuse_unfit(path: &Path, seen: &ScriptContents) -> Result<()> {
    if seen.has_other_text {
        return Err(unfit(path, "holds other text before or after the dump", "remove it from the file"));
    }
    if let Some(Command { line, text, is_plain: false }) = &seen.command {
        let what = format!(
            "holds {text} in line {line}, with which it could run programs on the machine that reads it"
        );
        return Err(unfit(path, &what, "dump again with -Fc: psql does not read an archive"));
    }
    if let Some(Command { line, text, .. }) = &seen.command {
        let what =
            format!("holds a command of psql's own in line {line}, which pg_dump does not write ({text})");
        return Err(unfit(path, &what, "find out who wrote it; without its commands it can be kept"));
    }
    let mut databases = seen.databases.iter();
    if databases.clone().any(|database| database.drops) {
        return Err(unfit(
            path,
            "drops every object before it creates it, which fails in a new database",
            "dump again without --clean, or with --if-exists as well",
        ));
    }
    if databases.any(|database| database.completes && !database.defines) {
        return Err(without_tables(path));
    }
    Ok(())
}

fn without_tables(path: &Path) -> Error {
    let what = "holds only rows, indexes or constraints, and not the tables for them";
    unfit(path, what, "dump again without --data-only and --section")
}

/// Says that no restore could run it; it can be kept all the same.
fn unfit(path: &Path, what: &str, advice: &str) -> Error {
    Error::usage(format!("{} {what}, so it could not be restored", path.display()))
        .hint(advice)
        .hint("`pgstow backup --name … -- cat FILE` stores anything")
}

/// Reads an archive to its end.
async fn archive(path: &Path, begin: &[u8], mut content: impl AsyncRead + Unpin) -> Result<Dump> {
    let mut reader = Reader::new();
    let mut outcome = reader.feed(begin);
    let mut buffer = vec![0; AT_ONCE];
    while outcome.is_ok() {
        match content.read(&mut buffer).await.map_err(|e| unreadable(path, e))? {
            0 => break,
            count => outcome = reader.feed(buffer.get(..count).unwrap_or_default()),
        }
    }
    let (server_version, pg_dump_version) = reader
        .header()
        .map(|header| (header.server_version.clone(), header.dump_version.clone()))
        .unwrap_or_default();
    if reader.toc().is_some_and(is_without_tables) {
        return Err(without_tables(path));
    }
    let end = match outcome {
        // `pg_dump -Fc > file` of 16 to 18 appends its table of contents once more.
        Err(Damage::Trailing(end)) if repeats_contents(&reader, open_at(path, end).await?).await => {
            tracing::debug!("the table of contents that follows the archive at byte {end} is left out");
            end
        }
        Err(Damage::Trailing(_)) => {
            let what =
                format!("{} goes on after the archive, and what follows would be lost", path.display());
            return Err(Error::usage(what).hint("give each archive a file of its own, and remove other text"));
        }
        Err(damage) => return Err(not_whole(Error::from(damage).context(path.display()))),
        Ok(()) => reader.finish().map_err(|e| not_whole(Error::from(e).context(path.display())))?.length,
    };
    Ok(Dump {
        kind: manifest::BackupKind::Postgres,
        database: None,
        range: 0..end,
        server_version,
        pg_dump_version,
    })
}

/// Whether all that follows an archive is its table of contents once more, in which only offsets may differ.
///
/// `pg_dump` means to write it over the first, and passes over the text of statistics there, which it did not keep: so that
/// text may be missing.
async fn repeats_contents(reader: &Reader, rest: impl AsyncRead + Unpin) -> bool {
    let Some(Preamble { header, toc }) = reader.preamble() else { return false };
    let whole = Preamble { header: header.clone(), toc: toc.clone() }.to_bytes();
    let contents = whole.get(header.raw().len()..).unwrap_or_default();
    let entries = || toc.entries().iter();
    let number = contents.len() - entries().map(|entry| entry.raw().len()).sum::<usize>();
    let mut again = Vec::new();
    // One byte more shows that there is more.
    let is_read = rest.take(contents.len() as u64 + 1).read_to_end(&mut again).await.is_ok();
    let is_left = |after: Option<&[u8]>| after.is_some_and(<[u8]>::is_empty);
    let after_all = |passes: bool| {
        let begin = again.strip_prefix(contents.get(..number)?);
        entries().try_fold(begin?, |rest, entry| {
            let silent = passes && entry.kind() == EntryKind::StatisticsData;
            let entry = if silent { entry.passing_over_defn() } else { entry.clone() };
            let (own, _) = entry.raw().split_last_chunk::<OFFSET>()?;
            rest.strip_prefix(own)?.get(OFFSET..)
        })
    };
    is_read && (is_left(after_all(false)) || is_left(after_all(true)))
}

fn not_whole(error: Error) -> Error {
    error.hint("look for a complete one; to keep this one anyway, `pgstow backup --name … -- cat FILE` stores anything")
}

/// Whether an archive completes tables and defines none.
pub(super) fn is_without_tables(toc: &Toc) -> bool {
    let defines = |entry: &TocEntry| {
        let kind = entry.kind();
        !(kind.completes()
            || kind.is_remark()
            || kind.is_grant()
            || kind.is_setting()
            || entry.is_of_database())
    };
    toc.entries().iter().any(|entry| entry.kind().completes()) && !toc.entries().iter().any(defines)
}

/// Reads a script to its end.
async fn script(path: &Path, begin: &[u8], mut content: impl AsyncRead + Unpin) -> Result<ScriptContents> {
    let mut outline = Outline::default();
    outline.feed(begin);
    let mut buffer = vec![0; AT_ONCE];
    while outline.may_be_dump() {
        match content.read(&mut buffer).await.map_err(|e| unreadable(path, e))? {
            0 => break,
            count => outline.feed(buffer.get(..count).unwrap_or_default()),
        }
    }
    let seen = outline.finish();
    if !seen.is_dump {
        return Err(no_dump(path, "is neither an archive of pg_dump -Fc nor its plain text"));
    }
    let is_complete = seen.complete && seen.databases.iter().all(|section| section.complete);
    // What comes after a command of psql's own may look as if it never ended.
    if !is_complete && seen.command.is_none() {
        let what = if seen.is_cluster { "cluster dump" } else { "dump" };
        return Err(not_whole(Error::verify(format!(
            "{} was cut: it does not end with \"PostgreSQL database {what} complete\"",
            path.display()
        ))));
    }
    Ok(seen)
}

fn no_dump(path: &Path, what: &str) -> Error {
    Error::usage(format!("{} {what}", path.display())).hint(
        "adopt takes what pg_dump -Fc, pg_dump and pg_dumpall write, compressed by gzip or not; \
         `pgstow backup --name … -- cat FILE` stores anything",
    )
    .hint("undo other compression first, as with zstd -d; of -Ft and -Fd, pg_restore -f dump.sql makes plain SQL")
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    // What gzip cannot undo is damage; all else is the file's.
    let is_damage =
        matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof);
    let kind = if is_damage { Kind::Verify } else { Kind::LocalFile };
    Error::new(kind, format!("{} cannot be read: {error}", path.display())).because(error)
}
