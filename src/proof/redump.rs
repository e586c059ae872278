//! The restored database, dumped again: nothing of it is stored, only what it says of itself.

use crate::archive::{Contents, Depth, Reader, Toc};
use crate::error::{Error, Kind, Result};
use crate::postgres::clients::Clients;
use crate::postgres::dump::dump;
use crate::postgres::{ChildOutput, DumpOptions, Psql, Server, Target};
use crate::progress::{Direction, Progress};
use crate::run::Run;
use crate::stored::inventory::Inventory;
use std::sync::atomic::Ordering;
use tokio::io::AsyncReadExt;

/// Bytes of the dump looked at together.
const AT_ONCE: usize = 256 << 10;

/// Dumps the database and digests every block and every row of it.
///
/// Tables whose rows row-level security hides come without any.
pub async fn whole(target: &Target, clients: &Clients, inventory: &Inventory, run: &Run) -> Result<Contents> {
    let server = Server::inspect(&Psql::new(clients.newest()?, target.conn())).await?;
    target.breathe().await;
    let mut pg_dump = start(target, clients, &inventory.archive.encoding, server.rls_active_tables).await?;
    let progress = Progress {
        expected: Some(inventory.archive.bytes),
        direction: Direction::Again,
        ..Progress::default()
    };
    let _following = run.follow(&progress);
    let mut reader = Reader::looking(Depth::Rows);
    let mut buffer = vec![0; AT_ONCE];
    loop {
        let bytes = read(&mut pg_dump, &mut buffer).await?;
        if bytes.is_empty() {
            return Ok(reader.finish()?);
        }
        reader.feed(bytes)?;
        progress.plain.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

/// Dumps no more than the table of contents, which stands before all data and says where sequences are.
pub async fn table_of_contents(target: &Target, clients: &Clients, encoding: &str) -> Result<Toc> {
    let mut pg_dump = start(target, clients, encoding, Vec::new()).await?;
    let mut reader = Reader::new();
    let mut buffer = vec![0; AT_ONCE];
    let toc = loop {
        let bytes = read(&mut pg_dump, &mut buffer).await?;
        if bytes.is_empty() {
            break reader.finish()?.toc;
        }
        reader.feed(bytes)?;
        if let Some(toc) = reader.toc() {
            break toc.clone();
        }
    };
    pg_dump.stop().await;
    Ok(toc)
}

async fn start(
    target: &Target,
    clients: &Clients,
    encoding: &str,
    hidden: Vec<String>,
) -> Result<ChildOutput> {
    let options = DumpOptions {
        exclude_table_data: hidden,
        // Digests are of text, and the text depends on the encoding.
        extra: vec![format!("--encoding={encoding}")],
        ..DumpOptions::default()
    };
    dump(clients.for_dump(target.version())?, target.conn(), &options).await
}

async fn read<'b>(pg_dump: &mut ChildOutput, buffer: &'b mut [u8]) -> Result<&'b [u8]> {
    let count = pg_dump.read(buffer).await;
    let count = count.map_err(|e| Error::from_io(e, Kind::Postgres, "read what pg_dump writes"))?;
    Ok(buffer.get(..count).unwrap_or_default())
}
