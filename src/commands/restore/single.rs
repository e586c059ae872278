//! The whole stream through one `pg_restore`, in one transaction.
//!
//! The last bytes come only when every digest has agreed, so a bad backup commits nothing. A copy that is
//! made for nobody yet may have its indexes and constraints made by several connections behind that.

use super::super::source::Source;
use super::Filled;
use super::parallel::Rest;
use super::parts::before_and_data;
use super::plan::{Plan, Wishes};
use crate::archive::{Preamble, Reader};
use crate::error::{Error, Kind, Result};
use crate::postgres::clients::{Client, Clients, Version};
use crate::postgres::restore::restore as pg_restore;
use crate::postgres::{Locale, Target};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// Bytes on their way between decompression and `pg_restore`.
pub const BETWEEN: usize = 1 << 20;
/// Bytes written into `pg_restore`'s pipe at once; small writes cost more than the restore.
const AT_ONCE: usize = 256 << 10;

/// Runs the stream and `pg_restore` side by side until both are done.
pub async fn restore(
    source: &Source,
    clients: &Clients,
    target: &mut Target,
    wishes: &Wishes,
) -> Result<Filled> {
    let (mut near, far) = tokio::io::duplex(BETWEEN);
    let stream = async {
        let contents = source.stream(&mut near).await?;
        // The end of the stream is what lets pg_restore commit: it is given only here.
        near.shutdown().await.map_err(|e| Error::unexpected("the stream cannot be ended").because(e))?;
        Ok(contents)
    };
    let (contents, plan) = tokio::try_join!(stream, load(far, clients, target, wishes, 1))?;
    Ok(Filled { tables: contents.toc.tables() as u64, rows: contents.rows(), plan })
}

/// Reads the archive's front, makes the database it asks for, and feeds `pg_restore`; with several `jobs`,
/// what comes behind the data is made by so many connections, and no longer in one transaction with it.
pub async fn load(
    mut archive: DuplexStream,
    clients: &Clients,
    target: &mut Target,
    wishes: &Wishes,
    jobs: usize,
) -> Result<Plan> {
    let (read, reader) = read_front(&mut archive).await?;
    let Some(front) = reader.preamble() else {
        return Err(Error::verify("the archive ends before its table of contents does"));
    };
    let behind = read.get(front.to_bytes().len()..).unwrap_or_default();
    let (client, mut fitted, plan) = prepare(&front, clients, target, wishes).await?;
    let rest = if jobs > 1 { Some(Rest::of(&fitted)?) } else { None };
    if rest.is_some() {
        fitted = before_and_data(&fitted);
    }

    let mut pg_restore = pg_restore(client, target.conn(), &plan.options)?;
    let fed = async {
        pg_restore.write_all(&fitted.to_bytes()).await?;
        pg_restore.write_all(behind).await?;
        tokio::io::copy_buf(&mut BufReader::with_capacity(AT_ONCE, archive), &mut pg_restore).await
    };
    let fed = fed.await;
    // When pg_restore has died, its own words say more than "broken pipe".
    pg_restore.finish().await?;
    fed.map_err(|e| Error::from_io(e, Kind::Postgres, "pg_restore stopped reading"))?;
    if let Some(rest) = rest {
        rest.make(client, target, &plan.options, jobs).await?;
    }
    Ok(plan)
}

/// Chooses the client that reads the archive and fits the target, fits the archive to it, and makes the
/// database it asks for.
pub async fn prepare<'a>(
    front: &Preamble,
    clients: &'a Clients,
    target: &mut Target,
    wishes: &Wishes,
) -> Result<(&'a Client, Preamble, Plan)> {
    let Preamble { header, toc } = front;
    let dumped_by = Version::parse(&header.dump_version)
        .ok_or_else(|| Error::verify("the archive does not say which pg_dump wrote it"))?;
    let format = (header.version.major, header.version.minor);
    let client = clients.for_restore(format, dumped_by, target.version())?;
    let (fitted, plan) = wishes.plan(front, target).await?;
    let statement = toc.create_database().unwrap_or_default();
    target.create(&Locale::from_create_database(&statement)).await?;
    Ok((client, fitted, plan))
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
