//! Before data moves: the client that fits, the archive fitted to the server, the database created.

use super::plan::Plan;
use super::request::RestoreRequest;
use crate::archive::{Front, Reader};
use crate::error::{Error, Result};
use crate::postgres::clients::{Client, Clients, Version};
use crate::postgres::{Locale, Target};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Chooses the client that reads the archive and fits the target, fits the archive to it, and makes the
/// database it asks for.
pub async fn prepare<'a>(
    front: &Front,
    clients: &'a Clients,
    target: &mut Target,
    request: &RestoreRequest,
) -> Result<(&'a Client, Front, Plan)> {
    let Front { header, toc } = front;
    let dumped_by = Version::parse(&header.dump_version)
        .ok_or_else(|| Error::verify("the archive does not say which pg_dump wrote it"))?;
    let format = (header.version.major, header.version.minor);
    let client = clients.for_restore(format, dumped_by, target.version())?;
    let (fitted, plan) = request.plan(front, target).await?;
    let statement = toc.create_database().unwrap_or_default();
    target.create(&Locale::from_create_database(&statement)).await?;
    Ok((client, fitted, plan))
}

/// Reads until the table of contents is known, or to the end; returns the bytes read so far.
pub async fn read_front(archive: &mut (impl AsyncRead + Unpin)) -> Result<(Vec<u8>, Reader)> {
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
