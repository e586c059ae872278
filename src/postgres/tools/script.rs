//! Runs a script of SQL through `psql`, which ends at the first error: as one transaction, unless the database is
//! dropped when it fails. A transaction takes a lock for every object, and a server has room for some thousands.
//!
//! psql takes the end of its input for the end of the script, and of the rows of a `COPY`, even if whoever wrote it was
//! killed. So its own `--single-transaction` is not used: the script gets its `COMMIT` here, after its last byte.
//!
//! Whoever wrote the script may have put commands of psql's own into it, which run programs on this machine. psql
//! refuses those if it can, and a psql that cannot is given no script. The one that it does not refuse is not given to it.

use crate::error::{Error, Kind, Result};

use tokio::io::AsyncWriteExt as _;

use super::psql::{STRICT, WITHOUT_VARIABLES};
use super::sessions::{LOADING, LOADING_TRANSACTION};
use crate::postgres::clients::Client;
use crate::postgres::connect::ConnInfo;
use crate::postgres::process::ChildInput;
use crate::sql::Guard;

/// More columns than a table can have.
const TOO_MANY_COLUMNS: usize = 1601;

/// A `psql` that runs a script.
pub struct Script {
    psql: ChildInput,
    guard: Guard,
    whole: bool,
}

impl Script {
    /// Gives it the next bytes.
    ///
    /// # Errors
    /// `Kind::Verify` if they could run programs on this machine: it has not got them.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some((what, _)) = self.guard.refuses(bytes) {
            return Err(Error::verify(format!(
                "the dump holds {what}, with which it could run programs on this machine, so psql is not given it"
            ))
            .hint(BY_HAND));
        }
        let written = self.psql.write_all(bytes).await;
        written.map_err(|e| Error::from_io(e, Kind::Postgres, "psql stopped reading"))
    }

    /// Ends the script, which commits, and waits for that.
    ///
    /// # Errors
    /// `Kind::Postgres`, also if the script ends among the rows of a table.
    pub async fn finish(mut self) -> Result<()> {
        let commit = if self.whole { ";\nCOMMIT;\n" } else { "" };
        let written = self.write(format!("{}{commit}", end_of_rows()).as_bytes()).await;
        let unread = self.psql.finish().await?;
        written?;
        match unread {
            0 => Ok(()),
            _ => Err(Error::postgres("psql ended before the end of the script")),
        }
    }

    /// What psql said if it has died, which is more than that it stopped reading; nothing is committed.
    pub async fn last_words(self) -> Result<()> {
        self.psql.finish().await.map(drop)
    }
}

/// What somebody can do who knows the dump.
const BY_HAND: &str =
    "if you trust whoever wrote the dump: pgstow fetch … -o dump.sql, and psql -X -f dump.sql";

/// Starts `psql`; the script is written to it, then `finish`ed, which commits.
///
/// One that is not `whole` commits each statement, and waits for no disk; its end is for the statement after it
/// to make durable. That is for a database which is dropped when this fails.
///
/// It is in restricted mode, which a script can neither enter again nor leave: its own `\restrict` and
/// `\unrestrict` must be left out.
///
/// # Errors
/// `Kind::Settings` if the client [does not know](Client::knows_restrict) that mode.
pub async fn script(client: &Client, conn: &ConnInfo, whole: bool) -> Result<Script> {
    conn.target_name()?;
    check(client)?;
    let program = client.program("psql").args(["-X", "-q"]).args(STRICT);
    let program = match whole {
        true => program.args(["-c", "BEGIN", "-c", LOADING_TRANSACTION]),
        false => program.args(["-c", LOADING, "-c", "SET synchronous_commit = off"]),
    };
    let psql = conn.dress(program.args(["-f", "-"])).await?.write()?;
    let mut key = [0; 16];
    getrandom::fill(&mut key)
        .map_err(|e| Error::unexpected(format!("the system gives no random bytes: {e}")))?;
    let restrict = format!("{WITHOUT_VARIABLES}\\restrict {}\n", hex::encode(key));
    let mut script = Script { psql, guard: Guard::default(), whole };
    script.write(restrict.as_bytes()).await?;
    Ok(script)
}

/// A comment, unless it stands among the rows of a `COPY`: no table has that many columns.
fn end_of_rows() -> String {
    format!("\n--{}\n", "\t".repeat(TOO_MANY_COLUMNS))
}

/// Refuses a client that would run the commands in a script.
pub fn check(client: &Client) -> Result<()> {
    if client.knows_restrict() {
        return Ok(());
    }
    Err(Error::settings(format!(
        "psql {} would run commands on this machine that a plain dump may hold (CVE-2025-8714), so it is not given one",
        client.version
    ))
    .hint("update PostgreSQL's client programs: all minors since August 2025 can forbid them")
    .hint(BY_HAND))
}
