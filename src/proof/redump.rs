//! The restored database, dumped again: nothing of it is stored, only what it says of itself.

use crate::archive::{Contents, Depth, Reader, Toc};
use crate::consistent::Dumping;
use crate::error::{Error, Kind, Result};
use crate::postgres::clients::Clients;
use crate::postgres::patterns::{PatternOf, look_up};
use crate::postgres::{ChildOutput, ConnInfo, DumpOptions, Psql, Server, Situation, Target};
use crate::progress::{Direction, Progress};
use crate::run::Run;
use crate::stored::format::inventory::Inventory;
use std::sync::atomic::Ordering;
use tokio::io::AsyncReadExt;

/// Bytes of the dump looked at together.
const AT_ONCE: usize = 256 << 10;
/// What helps if somebody holds a lock in the restored database.
const IN_THE_WAY: &str = "what was restored may have started that session: end it, and run this again";

/// Dumps the database as the one was dumped whose table of contents is `said`, and digests every block and every row of it.
///
/// Tables whose rows row-level security hides come without any.
pub async fn whole(
    target: &Target,
    clients: &Clients,
    inventory: &Inventory,
    said: &Toc,
    run: &Run,
) -> Result<Contents> {
    let psql = Psql::new(clients.newest()?, target.conn());
    let server = Server::inspect(&psql).await?;
    let psql = server.as_usual(psql).await;
    let encoding = &inventory.archive.encoding;
    let hidden: Vec<_> =
        server.rls_active_tables.iter().map(|table| (PatternOf::Table, &table[..])).collect();
    let hidden = match &hidden[..] {
        [] => Vec::new(),
        hidden => look_up(&psql, hidden, Some(encoding))
            .await?
            .into_iter()
            .filter_map(|table| table.bytes)
            .collect(),
    };
    target.breathe().await;
    let mut reader = Reader::looking(Depth::Rows);
    let mut options = DumpOptions { exclude_rows: hidden, ..options(encoding) };
    if said.quotes_all_names() {
        // The text of a `regclass` is a name, too.
        options.extra.push("--quote-all-identifiers".into());
    }
    let mut pg_dump = start(target, psql.conn(), clients, options, &mut reader).await?;
    let progress = Progress {
        expected: Some(inventory.archive.bytes),
        direction: Direction::Again,
        ..Progress::default()
    };
    let _following = run.follow(&progress);
    let mut buffer = vec![0; AT_ONCE];
    loop {
        let count = pg_dump.read(&mut buffer).await;
        let count = count.map_err(|e| Error::from_io(e, Kind::Postgres, "read what pg_dump writes"))?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(reader.finish()?);
        }
        reader.feed(bytes)?;
        progress.plain.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

/// Dumps no more than the table of contents, which stands before all data and says where sequences are.
pub async fn table_of_contents(target: &Target, clients: &Clients, encoding: &str) -> Result<Toc> {
    let mut reader = Reader::new();
    let pg_dump = start(target, target.conn(), clients, options(encoding), &mut reader).await?;
    pg_dump.stop().await;
    Ok(reader.into_preamble()?.toc)
}

fn options(encoding: &str) -> DumpOptions {
    // Digests are of text, and the text depends on the encoding.
    DumpOptions { extra: vec![format!("--encoding={encoding}")], ..DumpOptions::default() }
}

/// Starts `pg_dump`, and reads all definitions: while it does, it may wait for a lock that it sets no limit for.
async fn start(
    target: &Target,
    conn: &ConnInfo,
    clients: &Clients,
    options: DumpOptions,
    reader: &mut Reader,
) -> Result<ChildOutput> {
    let (client, psql) = (clients.for_dump(target.version())?, Psql::new(clients.newest()?, conn));
    let dumping = Dumping { client, psql: &psql, options: &options, left: None };
    let begun = dumping.read_definitions(reader).await;
    begun.map(|(pg_dump, _)| pg_dump).map_err(|error| match error.situation() {
        Some(Situation::LockTimeout) => error.without_hints().hint(IN_THE_WAY),
        _ => error,
    })
}
