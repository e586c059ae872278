//! `pgstow fetch`: brings a backup back as the plain archive that `pg_restore` reads.

use super::source::Source;
use crate::archive::Contents;
use crate::error::{Error, Kind, Result};
use crate::manifest;
use crate::report::Report;
use crate::settings;
use crate::signal::Stop;
use indicatif::BinaryBytes;
use serde_json::json;
use std::error::Error as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Runs `pgstow fetch`.
pub async fn run(settings: settings::Fetch, report: &Report, stop: &Stop) -> Result<()> {
    match &settings.output {
        Some(path) => free_to_write(path, settings.force)?,
        None if std::io::stdout().is_terminal() => {
            return Err(Error::usage("a backup is not for a terminal")
                .hint("name a file with -o, or pipe it: pgstow fetch … -o - | pg_restore -f app.sql"));
        }
        None if report.is_json() => {
            return Err(Error::usage("--json and -o - both want stdout").hint("name a file with -o"));
        }
        None => {}
    }
    let source = stop.or(Source::find(settings.source)).await?;
    let globals = if settings.globals { Some(stop.or(globals(&source)).await?) } else { None };
    let bytes = globals.as_ref().map_or(source.dump.plain_bytes, |sql| sql.len() as u64);
    if let (Some(path), true) = (&settings.output, settings.check_space) {
        enough_space(path, bytes)?;
    }
    let following = report.follow(&source.progress);
    let writing = write(&source, globals.as_deref(), settings.output.as_deref(), settings.force);
    let contents = stop.or(writing).await?;
    drop(following);

    let whereto = settings.output.as_ref().map_or("stdout".to_owned(), |path| path.display().to_string());
    let what = match &contents {
        Some(contents) => {
            format!("{}, {} tables, {} rows", BinaryBytes(bytes), contents.tables(), contents.rows())
        }
        None => BinaryBytes(bytes).to_string(),
    };
    let of = if settings.globals { "the roles of " } else { "" };
    report.say(format!("fetched {of}{} to {whereto}: {what}; every digest agrees", source.place()));
    if settings.output.is_none() {
        return Ok(());
    }
    report.answer(
        "",
        &json!({
            "id": source.place().id, "name": source.place().name, "output": whereto,
            "plain_bytes": bytes, "stored_bytes": source.dump.stored_bytes,
            "tables": contents.as_ref().map(Contents::tables), "rows": contents.as_ref().map(Contents::rows),
            "signature": source.backup.signature,
        }),
    )
}

/// The server's roles, as SQL.
async fn globals(source: &Source) -> Result<Vec<u8>> {
    source.globals().await?.ok_or_else(|| {
        let why = source.backup.manifest.globals;
        Error::not_found(format!("{} holds no roles: they {why}", source.place()))
    })
}

/// Puts the dump, or `instead` of it something else, where it shall be.
async fn write(
    source: &Source,
    instead: Option<&[u8]>,
    output: Option<&Path>,
    force: bool,
) -> Result<Option<Contents>> {
    let Some(path) = output else {
        return deliver(source, instead, &mut tokio::io::stdout())
            .await
            .map_err(|e| undelivered("stdout", e));
    };
    let name = path.display().to_string();
    let unwritable = |e| undelivered(&name, Error::from_io(e, Kind::LocalFile, "write"));
    // A file of the final name is a whole one: until then it has another, and goes when we fail.
    let folder = folder_of(path);
    let temporary = tempfile::Builder::new().prefix(".pgstow-").suffix(".partial").tempfile_in(&folder);
    let (file, temporary) = temporary.map_err(unwritable)?.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    let contents = deliver(source, instead, &mut file).await.map_err(|e| undelivered(&name, e))?;
    file.flush().await.map_err(unwritable)?;
    file.sync_all().await.map_err(unwritable)?;
    let persisted = if force { temporary.persist(path) } else { temporary.persist_noclobber(path) };
    persisted.map_err(|e| unwritable(e.error))?;
    Ok(contents)
}

async fn deliver(
    source: &Source,
    instead: Option<&[u8]>,
    sink: &mut (impl AsyncWrite + Unpin + Send),
) -> Result<Option<Contents>> {
    let Some(bytes) = instead else {
        return match source.kind() {
            manifest::Kind::Postgres => source.stream(sink).await.map(Some),
            manifest::Kind::Stream => source.bytes(sink).await.map(|()| None),
        };
    };
    let written = async {
        sink.write_all(bytes).await?;
        sink.flush().await
    };
    written.await.map_err(|e| Error::local_file("write").because(e))?;
    Ok(None)
}

/// Names the file, or stdout, that could not be written; other failures pass as they are.
fn undelivered(whereto: &str, error: Error) -> Error {
    if error.kind() != Kind::LocalFile {
        return error;
    }
    let cause = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    let why = cause.map_or_else(|| error.to_string(), ToString::to_string);
    let closed = cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe);
    let error = Error::local_file(format!("{whereto} cannot be written: {why}")).because(error);
    if closed { error.hint("whoever reads our output stopped reading before the end") } else { error }
}

fn free_to_write(path: &Path, force: bool) -> Result<()> {
    if path.is_dir() {
        return Err(
            Error::usage(format!("{} is a folder", path.display())).hint("-o names the archive's file")
        );
    }
    if path.exists() && !force {
        return Err(Error::target_exists(format!("{} exists", path.display())).hint("--force replaces it"));
    }
    Ok(())
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// Refuses to begin what the disk cannot hold; where the system cannot say, we begin.
fn enough_space(path: &Path, bytes: u64) -> Result<()> {
    let Ok(disk) = rustix::fs::statvfs(folder_of(path)) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= bytes {
        return Ok(());
    }
    Err(Error::local_file(format!(
        "the archive has {}, and the disk of {} has {} free",
        BinaryBytes(bytes),
        path.display(),
        BinaryBytes(free)
    ))
    .hint("restore straight into a database, which needs no disk here; --no-space-check begins all the same"))
}
