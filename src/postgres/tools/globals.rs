//! Runs `pg_dumpall --globals-only`: roles, memberships and tablespaces, which no database dump holds.
//!
//! The output is SQL for people and `psql`; nothing here reads it.

use crate::error::{Error, Result};

use crate::postgres::clients::Client;
use crate::postgres::connect::{ConnInfo, quoted};

/// Reads the globals of the server; they are small.
///
/// `database` is one that this role may connect to: the usual one, postgres, may be closed to it.
///
/// Only a superuser may read the roles' passwords. Without them anybody may read the rest, unless the
/// server's owner forbade it.
pub async fn globals(client: &Client, conn: &ConnInfo, database: &str, passwords: bool) -> Result<Vec<u8>> {
    // A name with = in it would be taken for a connection string.
    let database = format!("--database={}", quoted("dbname", database));
    let mut program = client.program("pg_dumpall").arg("--globals-only").arg(database);
    if !passwords {
        program = program.arg("--no-role-passwords");
    }
    conn.dress(program).await?.run(b"").await.map_err(Error::from)
}
