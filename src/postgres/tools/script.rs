//! Runs a script of SQL through `psql`, which ends at the first error: as one transaction, unless the database is
//! dropped when it fails. A transaction takes a lock for every object, and a server has room for some thousands.

use crate::error::Result;

use super::psql::STRICT;
use super::sessions::{LOADING, LOADING_TRANSACTION};
use crate::postgres::clients::Client;
use crate::postgres::connect::ConnInfo;
use crate::postgres::process::ChildInput;

/// Starts `psql`; the script is written to it, then `finish`ed, which commits.
///
/// One that is not `whole` commits each statement, and waits for no disk; its end is for the statement after it
/// to make durable. That is for a database which is dropped when this fails.
pub fn script(client: &Client, conn: &ConnInfo, whole: bool) -> Result<ChildInput> {
    conn.target_name()?;
    let program = client.program("psql").args(["-X", "-q"]).args(STRICT);
    let program = match whole {
        true => program.args(["--single-transaction", "-c", LOADING_TRANSACTION]),
        false => program.args(["-c", LOADING, "-c", "SET synchronous_commit = off"]),
    };
    conn.dress(program.args(["-f", "-"])).write()
}
