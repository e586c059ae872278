//! A plain dump through `psql`, in one transaction if the database was there before.
//!
//! What it says of the old database itself (its creation, settings, grants) is left out: the new one has
//! another name, and the old one may be in use. Its end comes only when every digest has agreed.

use super::super::outcome::Filled;
use super::super::request::RestoreRequest;
use crate::error::{Error, Kind, Result};
use crate::postgres::clients::Clients;
use crate::postgres::script::{check, script};
use crate::postgres::{Locale, Situation, Target, masked};
use crate::script::Filter;
use crate::stored::read::reader::BackupReader;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Bytes on their way between decompression and `psql`.
const BETWEEN: usize = 1 << 20;
/// Bytes read at once.
const AT_ONCE: usize = 256 << 10;
/// By then a script has said what database it wants, in bytes.
const LONGEST_FRONT: usize = 4 << 20;

/// Runs the stream and `psql` side by side until both are done.
pub async fn restore(
    reader: &BackupReader,
    clients: &Clients,
    target: &mut Target,
    request: &RestoreRequest,
) -> Result<Filled> {
    check(clients.newest()?)?;
    let mut plan = request.plan_of_script(target).await?;
    let (mut near, far) = tokio::io::duplex(BETWEEN);
    let stream = async {
        reader.look_through().await?;
        reader.bytes(&mut near).await?;
        // The end of the stream is what lets psql commit: it is given only here.
        near.shutdown().await.map_err(|e| Error::unexpected("the stream cannot be ended").because(e))
    };
    let ((), left_out) = tokio::try_join!(stream, load(far, clients, target))?;
    plan.left_out.extend(left_out);
    let contents = target.contents().await?;
    // Nobody counts the rows of a plain script.
    Ok(Filled { tables: contents.tables, rows: None, plan, passed: None, failed: Vec::new() })
}

/// Reads the script's front, makes the database it asks for, and feeds `psql`. Returns what is said of the old database, and
/// not of the new one.
async fn load(mut dump: DuplexStream, clients: &Clients, target: &mut Target) -> Result<Vec<String>> {
    let client = clients.newest()?;
    let mut filter = if target.exists() { Filter::of_one_transaction() } else { Filter::default() };
    let mut ready = Vec::new();
    let mut buffer = vec![0; AT_ONCE];
    let mut more = true;
    while more && !filter.has_begun() && ready.len() < LONGEST_FRONT {
        more = read(&mut dump, &mut buffer, &mut filter, &mut ready).await?;
    }
    target.refuse_bytes(filter.encoding()).await?;
    target.create(&Locale::from_create_database(&filter.create_database())).await?;

    target.breathe().await;
    let mut psql = script(client, target.conn(), !target.is_created()).await?;
    let fed = async {
        while more {
            psql.write(&ready).await?;
            ready.clear();
            more = read(&mut dump, &mut buffer, &mut filter, &mut ready).await?;
        }
        let left_out: Vec<String> = filter.left_out().iter().map(|said| masked(said)).collect();
        filter.finish(&mut ready);
        psql.write(&ready).await?;
        Ok::<_, Error>(left_out)
    };
    let left_out = match fed.await {
        // Not ended but dropped: it must not take the end of the pipe for the end of its script.
        Err(error) if error.kind() != Kind::Postgres => return Err(error),
        // When psql has died, its own words say more than "broken pipe".
        Err(error) => return psql.last_words().await.map_err(advise).and(Err(error)),
        Ok(left_out) => left_out,
    };
    psql.finish().await.map_err(advise)?;
    if !left_out.is_empty() {
        tracing::warn!("said of the old database, and not applied to the new one: {}", left_out.join("; "));
    }
    Ok(left_out.into_iter().map(|said| format!("{said}: not applied to the database")).collect())
}

/// Reads on; false at the end of the script.
async fn read(
    dump: &mut DuplexStream,
    buffer: &mut [u8],
    filter: &mut Filter,
    ready: &mut Vec<u8>,
) -> Result<bool> {
    let count = dump.read(buffer).await.map_err(|e| Error::unexpected("the stream broke").because(e))?;
    filter.feed(buffer.get(..count).unwrap_or_default(), ready);
    Ok(count > 0)
}

/// Advice on a dump that nothing can be left out of.
fn advise(error: Error) -> Error {
    match error.situation() {
        Some(Situation::RoleMissing) => error.without_hints().hint(
            "create the role first; if the backup holds the roles, `pgstow fetch … --globals -o -` shows how they were",
        ),
        Some(Situation::ObjectExists) => error.hint(
            "a plain SQL dump is run unchanged: remove there what has this name, or name a database that does not exist yet",
        ),
        _ => error,
    }
}
