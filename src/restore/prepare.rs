//! Before data moves: the client that fits, the archive fitted to the server, the database created.

use super::plan::Plan;
use super::request::RestoreRequest;
use crate::archive::{EntryKind, Preamble, Reader, TocEntry};
use crate::error::{Error, Result};
use crate::postgres::clients::{Client, Clients, Version};
use crate::postgres::restore::Atomicity;
use crate::postgres::{Locale, Target};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Chooses the client that reads the archive and fits the target, fits the archive to it, and makes the
/// database it asks for.
pub async fn prepare<'a>(
    front: &Preamble,
    clients: &'a Clients,
    target: &mut Target,
    request: &RestoreRequest,
) -> Result<(&'a Client, Preamble, Plan)> {
    let Preamble { header, toc } = front;
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

/// Objects that one transaction may make: the server holds a lock or more for each, and by default has
/// room for 6,400 (64 for each of 100 connections).
const MOST_AT_ONCE: usize = 1000;

/// How much of these entries is restored at once: all of it if the database was there before, or if it is
/// not too much for the server's table of locks.
pub fn atomicity(front: &Preamble, target: &Target) -> Atomicity {
    // One such entry stands for up to a thousand large objects.
    let weight = |entry: &TocEntry| match entry.kind() {
        EntryKind::BlobMetadata | EntryKind::Blobs => MOST_AT_ONCE / 2,
        _ => 1,
    };
    let weight: usize = front.toc.entries().iter().map(weight).sum();
    if target.is_created() && weight > MOST_AT_ONCE { Atomicity::Batches } else { Atomicity::Whole }
}
