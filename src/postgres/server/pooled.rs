//! Tells a pooler in transaction mode at any address: there two sessions that are open at the same time can have
//! one and the same backend.
//!
//! A pooler in session mode is not found, and does no harm.

use crate::error::{Error, Result};
use crate::postgres::change::lock::sessions_left;
use crate::postgres::tools::Psql;
use crate::postgres::tools::session::Session;

/// A backend's number, with the server's start: one address may stand for several servers.
const BACKEND: &str =
    "SELECT pg_catalog.to_json(pg_catalog.pg_backend_pid() || ' ' || pg_catalog.pg_postmaster_start_time())";

/// Refuses a server whose sessions share backends. A role that may have only one session cannot look.
///
/// # Errors
/// `Kind::Usage` if they do.
pub async fn refuse_shared_backends(psql: &Psql) -> Result<()> {
    if sessions_left(psql).await? == Some(1) {
        return Ok(());
    }
    let mut first = Session::open(psql, "").await?;
    let one: String = psql_value(&first.ask(&format!("{BACKEND};")).await?)?;
    let other: String = psql.query(&format!("{BACKEND};")).await?;
    if one != other {
        return Ok(());
    }
    Err(Error::usage("there is a connection pooler in transaction mode: two sessions have the same backend")
        .hint(
            "use the server's own host and port, or a pool in session mode; --allow-pooled tries it anyway",
        ))
}

fn psql_value(line: &str) -> Result<String> {
    crate::postgres::tools::psql::read(line.as_bytes())
}
