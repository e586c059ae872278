//! Runs `pg_dumpall --globals-only`: roles, memberships and tablespaces, which no database dump holds.
//!
//! The output is SQL for people and `psql`; nothing here reads it.

use crate::error::{Error, Result};

use super::client::Client;
use super::conninfo::ConnInfo;
use super::server::Server;

/// Reads the globals of the server; they are small.
///
/// Only a superuser may read the roles' passwords. Without them anybody may read the rest, unless the
/// server's owner forbade it.
pub async fn globals(client: &Client, conn: &ConnInfo, server: &Server, passwords: bool) -> Result<Vec<u8>> {
    // By the database we are let into: the usual one, postgres, may be closed to this role.
    let database = format!("--database={}", server.database);
    let mut program = client.program("pg_dumpall").arg("--globals-only").arg(database);
    if !passwords {
        program = program.arg("--no-role-passwords");
    }
    conn.dress(program).run(b"").await.map_err(Error::from)
}
