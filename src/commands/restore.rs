//! `pgstow restore`: a backup into a database made for it.
//!
//! One transaction of `pg_restore` reads the stream; its last bytes come only when every digest has
//! agreed, so a bad backup commits nothing. A database this run created goes when the run fails.

use super::list::age;
use super::source::Source;
use crate::archive::{Contents, Reader};
use crate::error::{Error, Kind, Result};
use crate::postgres::clients::{Clients, Version};
use crate::postgres::{Locale, RestoreOptions, Target, restore};
use crate::report::Report;
use crate::settings;
use crate::signal::Stop;
use serde_json::json;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// Bytes on their way between decompression and `pg_restore`.
const BETWEEN: usize = 1 << 20;
/// Bytes written into `pg_restore`'s pipe at once; small writes cost more than the restore.
const AT_ONCE: usize = 256 << 10;

/// Runs `pgstow restore`.
pub async fn run(settings: settings::Restore, report: &Report, stop: &Stop) -> Result<()> {
    let started = Instant::now();
    settings.options.check()?;
    let source = stop.or(Source::find(settings.source)).await?;
    let clients = stop.or(Clients::find(&settings.clients)).await?;
    let mut target = stop.or(Target::open(clients.newest()?, &settings.target)).await?;
    report.say(format!("restoring {} into {}", source.place(), target.name()));

    let following = report.follow(&source.progress);
    let restored = stop.or(run_through(&source, &clients, &mut target, &settings.options)).await;
    drop(following);
    let contents = match restored {
        Ok(contents) => contents,
        Err(first) => {
            clean_up(&mut target, settings.keep_failed).await;
            return Err(first);
        }
    };

    // Committed: from here on nothing is taken back.
    report.say("analyzing");
    let analyze = async {
        target.analyze().await;
        Ok(())
    };
    let analyzed = stop.or(analyze).await;
    let took = started.elapsed();
    report.say(format!(
        "restored {} into {}: {} tables, {} rows, {}; every digest agrees",
        source.place(),
        target.name(),
        contents.tables(),
        contents.rows(),
        age(took)
    ));
    analyzed.map_err(|e| e.hint("the restore itself is complete; run ANALYZE in the new database"))?;
    report.answer(
        "",
        &json!({
            "id": source.place().id, "name": source.place().name, "database": target.name(),
            "created": target.is_created(), "tables": contents.tables(), "rows": contents.rows(),
            "plain_bytes": source.dump.plain_bytes, "stored_bytes": source.dump.stored_bytes,
            "duration_s": took.as_secs_f64(), "signature": source.backup.signature,
        }),
    )
}

/// Runs the stream and `pg_restore` side by side until both are done.
async fn run_through(
    source: &Source,
    clients: &Clients,
    target: &mut Target,
    options: &RestoreOptions,
) -> Result<Contents> {
    let (mut near, far) = tokio::io::duplex(BETWEEN);
    let stream = async {
        let contents = source.stream(&mut near).await?;
        // The end of the stream is what lets pg_restore commit: it is given only here.
        near.shutdown().await.map_err(|e| Error::unexpected("the stream cannot be ended").because(e))?;
        Ok(contents)
    };
    let (contents, ()) = tokio::try_join!(stream, load(far, clients, target, options))?;
    Ok(contents)
}

/// Reads the archive's front, makes the database it asks for, and feeds `pg_restore`.
async fn load(
    mut archive: DuplexStream,
    clients: &Clients,
    target: &mut Target,
    options: &RestoreOptions,
) -> Result<()> {
    let (front, reader) = read_front(&mut archive).await?;
    let (Some(header), Some(toc)) = (reader.header(), reader.toc()) else {
        return Err(Error::verify("the archive ends before its table of contents does"));
    };
    let dumped_by = Version::parse(&header.dump_version)
        .ok_or_else(|| Error::verify("the archive does not say which pg_dump wrote it"))?;
    let format = (header.version.major, header.version.minor);
    let client = clients.for_restore(format, dumped_by, target.version())?;
    let statement = toc.create_database().unwrap_or_default();
    target.create(&Locale::from_create_database(&statement)).await?;

    let mut pg_restore = restore::restore(client, target.conn(), options)?;
    let fed = async {
        pg_restore.write_all(&front).await?;
        tokio::io::copy_buf(&mut BufReader::with_capacity(AT_ONCE, archive), &mut pg_restore).await
    };
    let fed = fed.await;
    // When pg_restore has died, its own words say more than "broken pipe".
    pg_restore.finish().await?;
    fed.map_err(|e| Error::from_io(e, Kind::Postgres, "pg_restore stopped reading"))?;
    Ok(())
}

/// Leaves nothing half-restored behind.
async fn clean_up(target: &mut Target, keep: bool) {
    if keep && target.is_created() {
        tracing::warn!("{} is kept as the failed restore left it", target.name());
    } else if let Err(error) = target.drop_created().await {
        tracing::warn!("{} is left behind, empty or unfinished: {error}", target.name());
    }
}

/// Reads until the table of contents is known, or to the end; returns the bytes read so far.
async fn read_front(archive: &mut (impl AsyncRead + Unpin)) -> Result<(Vec<u8>, Reader)> {
    let mut front = Vec::new();
    let mut reader = Reader::new();
    let mut buffer = vec![0; 64 << 10];
    while reader.toc().is_none() {
        let count =
            archive.read(&mut buffer).await.map_err(|e| Error::unexpected("the stream broke").because(e))?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        reader.feed(bytes)?;
        front.extend_from_slice(bytes);
    }
    Ok((front, reader))
}
