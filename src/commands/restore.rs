//! `pgstow restore`: a backup into a database made for it.
//!
//! One transaction of `pg_restore` reads the stream; its last bytes come only when every digest has
//! agreed, so a bad backup commits nothing. Then the rows of every table are counted and compared with
//! the inventory. A database this run created goes when the run fails.

use super::list::age;
use super::proof::Proof;
use super::source::Source;
use crate::archive::{Contents, Reader};
use crate::error::{Error, Kind, Result};
use crate::inventory::Inventory;
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
    let inventory = stop.or(inventory(&source, settings.prove)).await?;
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

    // Committed: from here on only a proof that fails takes it back.
    let complete = "the restore itself is complete, and was not looked at any further";
    report.say("analyzing");
    let analyze = async {
        target.analyze().await;
        Ok(())
    };
    stop.or(analyze).await.map_err(|e| e.hint(complete))?;
    let mut proof = None;
    if let Some(inventory) = &inventory {
        report.say("counting rows");
        let counted = stop.or(Proof::of(&target, inventory)).await;
        proof = Some(counted.map_err(|e| e.context("count the restored rows").hint(complete))?);
    }
    let took = started.elapsed();
    report.say(format!(
        "restored {} into {}: {} tables, {} rows, {}; every digest agrees",
        source.place(),
        target.name(),
        contents.tables(),
        contents.rows(),
        age(took)
    ));
    let judgement = proof.as_ref().map_or(Ok(()), |proof| proof.judge(target.name()));
    let document = json!({
        "id": source.place().id, "name": source.place().name, "database": target.name(),
        "created": target.is_created(), "tables": contents.tables(), "rows": contents.rows(),
        "plain_bytes": source.dump.plain_bytes, "stored_bytes": source.dump.stored_bytes,
        "duration_s": took.as_secs_f64(), "signature": source.backup.signature, "proof": proof,
    });
    if judgement.is_err() {
        clean_up(&mut target, settings.keep_failed).await;
    } else if let Some(proof) = &proof {
        report.say(format!(
            "proven: {} rows in {} tables, counted in {}",
            proof.rows,
            proof.tables,
            target.name()
        ));
    }
    report.answer("", &document)?;
    judgement
}

/// The inventory to prove the restore with; read first, so that damage is found before data moves.
async fn inventory(source: &Source, prove: bool) -> Result<Option<Inventory>> {
    if !prove {
        return Ok(None);
    }
    let inventory = source.inventory().await;
    let inventory = inventory.map_err(|e| match e.kind() {
        Kind::Verify if e.advice().is_none() => {
            e.hint("--proof none restores the dump all the same, and proves nothing")
        }
        _ => e,
    })?;
    if inventory.is_none() {
        tracing::warn!("{} has no inventory: its rows will not be compared", source.place());
    }
    Ok(inventory)
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
