//! Runs `pg_dumpall --globals-only`: roles, memberships and tablespaces, which no database dump holds.
//!
//! The output is SQL for people and `psql`; nothing here reads it.

use crate::error::Result;

use super::child::ChildOutput;
use super::clients::Client;
use super::conninfo::ConnInfo;
use super::server::Server;

/// Starts `pg_dumpall`; its exit status is checked at the end of the stream.
///
/// Only a superuser may read the roles' passwords; for anybody else they are left out, and
/// restored roles have none.
pub fn globals(client: &Client, conn: &ConnInfo, server: &Server) -> Result<ChildOutput> {
    let mut program = client.program("pg_dumpall").arg("--globals-only");
    if !server.is_superuser {
        program = program.arg("--no-role-passwords");
    }
    conn.dress(program).read()
}
