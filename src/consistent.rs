//! A `pg_dump` whose look at the catalogues nobody disturbed.
//!
//! `pg_dump` takes its rows from one snapshot, but the server writes many definitions for it as they are at
//! that moment. Whoever drops or replaces a function meanwhile makes it write half a definition, and it ends
//! with 0. All definitions come before the first row: they are read here, and if anything was defined in the
//! meantime, `pg_dump` begins again before a byte has been stored.

use crate::archive::{Reader, Toc};
use crate::error::{Error, Kind, Result};
use crate::postgres::dump::dump;
use crate::postgres::{CatalogState, ChildOutput, Client, DumpOptions, Psql};
use std::io::Cursor;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, Chain};

/// How often `pg_dump` is begun.
const ATTEMPTS: u32 = 3;
/// The pause before it is begun again; a migration takes a moment.
const PAUSE: Duration = Duration::from_secs(2);
/// Bytes read at once.
const AT_ONCE: usize = 64 << 10;

/// An archive on its way: what was read of it, and the rest.
pub type ConsistentDump = Chain<Cursor<Vec<u8>>, ChildOutput>;

/// Starts `pg_dump`, again if something was defined while it read definitions.
///
/// # Errors
/// `pg_dump`'s own; `Kind::Postgres` if definitions came out torn every time.
pub async fn start(client: &Client, psql: &Psql, options: &DumpOptions) -> Result<ConsistentDump> {
    let mut attempt = 1;
    let mut before = CatalogState::read(psql).await?;
    loop {
        let mut pg_dump = dump(client, psql.conn(), options)?;
        let (head, toc) = read_definitions(&mut pg_dump).await?;
        let now = CatalogState::read(psql).await?;
        let torn = toc.as_ref().map(Toc::torn_definitions).unwrap_or_default();
        if now == before && torn.is_empty() {
            return Ok(Cursor::new(head).chain(pg_dump));
        }
        if attempt == ATTEMPTS {
            return match torn.first() {
                None => {
                    tracing::warn!(
                        "objects were created, changed or dropped while pg_dump read their definitions, {ATTEMPTS} \
                         times in a row: `pgstow verify --restore` shows whether this backup restores"
                    );
                    Ok(Cursor::new(head).chain(pg_dump))
                }
                Some(torn) => {
                    pg_dump.stop().await;
                    Err(disturbed(&torn.to_string()))
                }
            };
        }
        pg_dump.stop().await;
        tracing::warn!(
            "objects were created, changed or dropped while pg_dump read their definitions: it begins again"
        );
        tokio::time::sleep(PAUSE * attempt).await;
        attempt += 1;
        before = CatalogState::read(psql).await?;
    }
}

fn disturbed(torn: &str) -> Error {
    Error::postgres(format!(
        "objects were dropped or replaced while pg_dump read their definitions, {ATTEMPTS} times in a row; what it wrote \
         does not restore: {torn}"
    ))
    .hint("back up when no migration runs, or give temporary objects to temporary schemas")
}

/// Reads until all definitions are known, or to the end of a stream that has none.
async fn read_definitions(from: &mut (impl AsyncRead + Unpin)) -> Result<(Vec<u8>, Option<Toc>)> {
    let (mut head, mut reader) = (Vec::new(), Reader::new());
    let mut buffer = vec![0; AT_ONCE];
    while reader.toc().is_none() {
        let count = from.read(&mut buffer).await;
        let count = count.map_err(|e| Error::from_io(e, Kind::Postgres, "read what pg_dump writes"))?;
        let bytes = buffer.get(..count).unwrap_or_default();
        // Whether it is whole is for the reader that follows all of it to say; so is damage.
        if bytes.is_empty() || reader.feed(bytes).is_err() {
            head.extend_from_slice(bytes);
            return Ok((head, None));
        }
        head.extend_from_slice(bytes);
    }
    Ok((head, reader.toc().cloned()))
}
