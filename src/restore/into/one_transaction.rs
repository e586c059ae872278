//! Into a database in use, in one transaction; and what became of that, if the answer to its COMMIT never came: whoever
//! takes it for undone runs it again, and has the rows twice.

use super::super::load::stream::{AT_ONCE, BETWEEN};
use crate::error::{Error, Kind, Result};
use crate::postgres::clients::Client;
use crate::postgres::restore::{Atomicity, restore as pg_restore};
use crate::postgres::{ConnInfo, PgRestoreOptions, Psql, REPORT, Reports};
use crate::stored::read::reader::BackupReader;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader};

/// Begins the report of the transaction's number.
const TRANSACTION: &str = "transaction ";
/// How long the server is asked what became of it.
const PATIENCE: Duration = Duration::from_secs(15);

/// SQL for the end of the transaction, that reports its number: twice, since a message is whole only when the next one comes.
pub(super) fn reporting() -> String {
    format!("DO $$ BEGIN RAISE WARNING '{REPORT}{TRANSACTION}%', pg_catalog.txid_current(); END $$;\n")
        .repeat(2)
}

/// Feeds one `pg_restore`, which commits only if it gets the end of the stream: after every digest was verified. What our own
/// SQL reports is collected.
pub(super) async fn load(
    reader: &BackupReader,
    client: &Client,
    conn: &ConnInfo,
    reports: &Reports,
) -> Result<()> {
    let options = PgRestoreOptions { reports: reports.clone(), ..PgRestoreOptions::default() };
    let (mut near, far) = tokio::io::duplex(BETWEEN);
    let stream = async {
        reader.stream(&mut near).await?;
        near.shutdown().await.map_err(|e| Error::unexpected("the stream cannot be ended").because(e))
    };
    let load = async {
        let mut pg_restore = pg_restore(client, conn, &options, Atomicity::Whole).await?;
        let mut archive = BufReader::with_capacity(AT_ONCE, far);
        let fed = tokio::io::copy_buf(&mut archive, &mut pg_restore).await;
        // When pg_restore has died, its own words say more than "broken pipe".
        pg_restore.finish().await?;
        fed.map_err(|e| Error::from_io(e, Kind::Postgres, "pg_restore stopped reading"))?;
        Ok(())
    };
    tokio::try_join!(stream, load).map(|((), ())| ())
}

/// What was reported.
pub(super) fn reported(reports: &Reports) -> Vec<String> {
    reports.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// What became of a [`load`], or of the signal that ended it: a failure says if its transaction was committed all the same, or
/// that nobody knows.
pub(super) async fn settled(loaded: Result<()>, psql: &Psql, reports: &Reports) -> Result<()> {
    let Err(error) = loaded else { return Ok(()) };
    let number =
        reported(reports).iter().find_map(|report| report.strip_prefix(TRANSACTION)?.parse::<u64>().ok());
    // Its number is the last that it reports: without it, there was no COMMIT.
    let Some(number) = number else { return Err(error) };
    let question = format!("SELECT json_build_array(pg_catalog.txid_status({number}));");
    let asking = async {
        loop {
            match psql.query::<[Option<String>; 1]>(&question).await {
                Ok([Some(status)]) if status != "in progress" => break status == "committed",
                _ => tokio::time::sleep(Duration::from_millis(500)).await,
            }
        }
    };
    Err(match tokio::time::timeout(PATIENCE, asking).await {
        Ok(false) => error,
        Ok(true) => error
            .and("all the same, its transaction was committed, and the rows are in the database")
            .hint("do not run it again: they would come a second time"),
        Err(_) => error
            .and("whether its transaction was committed is not known")
            .hint(format!("before it is run again, ask the server: SELECT txid_status({number});")),
    })
}
