//! Tells a pooler in transaction mode at any address: there two sessions that are open at the same time can have
//! one and the same backend.
//!
//! A pooler in session mode is not found, and does no harm.

use std::time::Duration;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::postgres::failure::Situation;
use crate::postgres::sql::literal;
use crate::postgres::tools::Psql;
use crate::postgres::tools::psql::read;
use crate::postgres::tools::session::Session;

/// How long a role with few sessions waits for one that has ended, and that the server may still count.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// The process that answers a session, and its server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Backend(String);

macro_rules! text {
    () => {
        "pg_catalog.concat(pg_catalog.pg_backend_pid(), ' ', pg_catalog.pg_postmaster_start_time())"
    };
}

impl Backend {
    /// SQL for its number, with the server's start: one address may stand for several servers.
    pub const SQL: &str = concat!("pg_catalog.to_json(", text!(), ")");

    /// Asks an open session.
    pub async fn of(session: &mut Session) -> Result<Self> {
        read(session.ask(&format!("SELECT {};", Self::SQL)).await?.as_bytes())
    }

    /// Refuses the backend of another session that was open at the same time if it is this one.
    ///
    /// # Errors
    /// `Kind::Usage` if it is.
    pub fn refuse(&self, other: &Self) -> Result<()> {
        if self == other { Err(pooler("two sessions have the same backend")) } else { Ok(()) }
    }

    /// Refuses a session that had this backend before, and has another one now.
    ///
    /// # Errors
    /// `Kind::Usage` if it is so.
    pub async fn stays(&self, session: &mut Session) -> Result<()> {
        if Self::of(session).await? == *self { Ok(()) } else { Err(moved()) }
    }

    /// SQL for whether a session has this backend.
    pub fn is_here(&self) -> String {
        format!("{} OPERATOR(pg_catalog.=) {}", text!(), literal(&self.0))
    }
}

/// The failure that a session has another backend than before.
pub fn moved() -> Error {
    pooler("a session has another backend than before")
}

fn pooler(why: &str) -> Error {
    Error::usage(format!("there is a connection pooler in transaction mode: {why}"))
        .hint("use the server's own host and port, or a pool in session mode; --allow-pooled tries it anyway")
}

/// Refuses a server whose sessions share backends. A role that may have only one session cannot look.
///
/// # Errors
/// `Kind::Usage` if they do.
pub async fn refuse_shared_backends(psql: &Psql, left: Option<u32>) -> Result<()> {
    if left == Some(1) {
        return Ok(());
    }
    let mut pauses = PAUSES.iter();
    // It stays open until the other has answered.
    let (mut first, one) = loop {
        let mut first = Session::bare(&psql.in_role(None), "").await?;
        match (Backend::of(&mut first).await, pauses.next()) {
            (Ok(one), _) => break (first, one),
            (Err(error), Some(pause)) if error.situation() == Some(Situation::ConnectionLimit) => {
                tokio::time::sleep(*pause).await;
            }
            (Err(error), _) => return Err(error),
        }
    };
    one.refuse(&psql.query(&format!("SELECT {};", Backend::SQL)).await?)?;
    one.stays(&mut first).await
}
