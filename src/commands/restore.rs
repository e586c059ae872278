//! `pgstow restore`: a backup into a database made for it.
//!
//! One transaction of `pg_restore` reads the stream; its last bytes come only when every digest has
//! agreed, so a bad backup commits nothing. A database this run created goes when the run fails.

use super::list::age;
use super::source::Source;
use crate::archive::{Contents, Reader};
use crate::error::{Error, Result};
use crate::postgres::clients::{Clients, Version};
use crate::postgres::{self, Target};
use crate::report::Report;
use crate::settings;
use crate::signal::Stop;
use serde_json::json;
use std::cell::OnceCell;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Bytes on their way between decompression and `pg_restore`.
const BETWEEN: usize = 1 << 20;

/// Runs `pgstow restore`.
pub async fn run(settings: settings::Restore, report: &Report, stop: &Stop) -> Result<()> {
    let started = Instant::now();
    let source = stop.or(Source::find(settings.source)).await?;
    let clients = stop.or(Clients::find(&settings.clients)).await?;
    let target = stop.or(Target::ask(clients.newest()?, &settings.target)).await?;
    target.must_be_empty()?;
    let database = target.name().to_owned();
    report.say(format!("restoring {} into {database}", source.place()));

    let loading = Loading { clients, target, options: settings.options, created: OnceCell::new() };
    let following = report.follow(&source.progress);
    let restored = stop.or(loading.run(&source)).await;
    drop(following);
    let contents = match restored {
        Ok(contents) => contents,
        Err(first) => {
            loading.clean_up(settings.keep_failed).await;
            return Err(first);
        }
    };

    // Committed: from here on nothing is taken back.
    report.say("analyzing");
    if let Err(error) = stop.or(loading.target.analyze()).await {
        tracing::warn!("{database} is restored, but ANALYZE did not finish: {error}");
    }
    let took = started.elapsed();
    report.say(format!(
        "restored {} into {database}: {} tables, {} rows, {}; every digest agrees",
        source.place(),
        contents.tables(),
        contents.rows(),
        age(took)
    ));
    report.answer(
        "",
        &json!({
            "id": source.place().id, "name": source.place().name, "database": database,
            "created": loading.created.get().is_some(), "tables": contents.tables(), "rows": contents.rows(),
            "plain_bytes": source.dump.plain_bytes, "stored_bytes": source.dump.stored_bytes,
            "duration_s": took.as_secs_f64(), "signature": source.backup.signature,
        }),
    )
}

/// The database side of a restore.
struct Loading {
    clients: Clients,
    target: Target,
    options: postgres::RestoreOptions,
    /// Set when this run has created the database.
    created: OnceCell<()>,
}

impl Loading {
    /// Runs the stream and `pg_restore` side by side until both are done.
    async fn run(&self, source: &Source) -> Result<Contents> {
        let (mut near, far) = tokio::io::duplex(BETWEEN);
        let stream = async {
            let contents = source.stream(&mut near).await?;
            // The end of the stream is what lets pg_restore commit: it is given only here.
            near.shutdown().await.map_err(|e| Error::unexpected("the stream cannot be ended").because(e))?;
            Ok(contents)
        };
        let (contents, ()) = tokio::try_join!(stream, self.load(far))?;
        Ok(contents)
    }

    /// Reads the archive's front, makes the database it asks for, and feeds `pg_restore`.
    async fn load(&self, mut archive: DuplexStream) -> Result<()> {
        let (front, reader) = read_front(&mut archive).await?;
        let (Some(header), Some(toc)) = (reader.header(), reader.toc()) else { return Ok(()) };
        let dumped_by = Version::parse(&header.pg_dump_version_text())
            .ok_or_else(|| Error::verify("the archive does not say which pg_dump wrote it"))?;
        let client = self.clients.for_restore(header.version(), dumped_by, self.target.server_version())?;
        if !self.target.exists() {
            let definition = toc.database_definition();
            self.target.create(definition.as_deref()).await?;
            let _ = self.created.set(());
        }
        let mut pg_restore = postgres::restore::start(client, self.target.connection(), &self.options)?;
        let fed = async {
            pg_restore.write_all(&front).await?;
            tokio::io::copy(&mut archive, &mut pg_restore).await
        };
        // When pg_restore has died, its own words say more than "broken pipe".
        let fed = fed.await;
        pg_restore.finish().await?;
        fed.map_err(|e| Error::from_io(e, crate::error::Kind::Postgres, "pg_restore stopped reading"))?;
        Ok(())
    }

    /// Leaves nothing half-restored behind.
    async fn clean_up(&self, keep: bool) {
        if self.created.get().is_none() {
            return;
        }
        let name = self.target.name();
        if keep {
            tracing::warn!("{name} is kept as the failed restore left it");
        } else if let Err(error) = self.target.drop_created().await {
            tracing::warn!("{name}, created by this run, could not be dropped: {error}");
        }
    }
}

/// Reads until the table of contents is known, or to the end; returns the bytes read so far.
async fn read_front(archive: &mut (impl AsyncRead + Unpin)) -> Result<(Vec<u8>, Reader)> {
    let mut front = Vec::new();
    let mut reader = Reader::new();
    let mut buffer = vec![0; 64 << 10];
    while reader.toc().is_none() {
        let count = archive.read(&mut buffer).await.map_err(|e| Error::unexpected("the stream broke").because(e))?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        reader.feed(bytes)?;
        front.extend_from_slice(bytes);
    }
    Ok((front, reader))
}
