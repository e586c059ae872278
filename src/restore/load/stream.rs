//! The whole stream through one `pg_restore`, in one transaction if the database was there before.
//!
//! The last bytes come only after every digest has been verified, so a bad backup commits nothing there. A copy
//! that nobody uses yet may have its indexes and constraints created by several connections after that.

use super::super::outcome::Filled;
use super::super::plan::Plan;
use super::super::postdata::PostData;
use super::super::prepare::{atomicity, prepare, read_front};
use super::super::request::RestoreRequest;
use super::parts::before_and_data;
use crate::error::{Error, Kind, Result};
use crate::postgres::Target;
use crate::postgres::clients::Clients;
use crate::postgres::restore::restore as pg_restore;
use crate::stored::reader::BackupReader;
use std::collections::BTreeSet;
use tokio::io::{AsyncWriteExt, BufReader, DuplexStream};

/// Bytes on their way between decompression and `pg_restore`.
pub const BETWEEN: usize = 1 << 20;
/// Bytes written into `pg_restore`'s pipe at once; small writes cost more than the restore.
pub const AT_ONCE: usize = 256 << 10;

/// Runs the stream and `pg_restore` side by side until both are done.
pub async fn restore(
    reader: &BackupReader,
    clients: &Clients,
    target: &mut Target,
    request: &RestoreRequest,
) -> Result<Filled> {
    let (mut near, far) = tokio::io::duplex(BETWEEN);
    let stream = async {
        let contents = reader.stream(&mut near).await?;
        // The end of the stream is what lets pg_restore commit: it is given only here.
        near.shutdown().await.map_err(|e| Error::unexpected("the stream cannot be ended").because(e))?;
        Ok(contents)
    };
    let (contents, (plan, failed)) = tokio::try_join!(stream, load(far, clients, target, request, 1))?;
    Ok(Filled { tables: contents.toc.tables() as u64, rows: contents.rows(), plan, passed: None, failed })
}

/// Reads the archive's front, makes the database it asks for, and feeds `pg_restore`; with several `jobs`,
/// what follows the data is created by this many connections, and no longer in one transaction with it.
pub async fn load(
    mut archive: DuplexStream,
    clients: &Clients,
    target: &mut Target,
    request: &RestoreRequest,
    jobs: usize,
) -> Result<(Plan, Vec<String>)> {
    let (read, archive_reader) = read_front(&mut archive).await?;
    let Some(front) = archive_reader.preamble() else {
        return Err(Error::verify("the archive ends before its table of contents does"));
    };
    let behind = read.get(front.to_bytes().len()..).unwrap_or_default();
    let (client, mut fitted, plan) = prepare(&front, clients, target, request).await?;
    let rest = if jobs > 1 { Some(PostData::of(&fitted, &BTreeSet::new())?) } else { None };
    if rest.is_some() {
        fitted = before_and_data(&fitted);
    }

    let atomicity = atomicity(&fitted, target);
    target.breathe().await;
    let mut pg_restore = pg_restore(client, target.conn(), &plan.options, atomicity).await?;
    let fed = async {
        pg_restore.write_all(&fitted.to_bytes()).await?;
        pg_restore.write_all(behind).await?;
        tokio::io::copy_buf(&mut BufReader::with_capacity(AT_ONCE, archive), &mut pg_restore).await
    };
    let fed = fed.await;
    // When pg_restore has died, its own words say more than "broken pipe".
    let failed = match plan.options.keep_going {
        true => pg_restore.finish_despite_errors().await?,
        false => pg_restore.finish().await.map(|_| Vec::new())?,
    };
    fed.map_err(|e| Error::from_io(e, Kind::Postgres, "pg_restore stopped reading"))?;
    if let Some(rest) = rest {
        rest.make(client, target, &plan.options, jobs).await?;
    }
    Ok((plan, failed))
}
