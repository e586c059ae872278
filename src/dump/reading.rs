//! Starts to read a database, and says at the end whether its rows fit their definitions.
//!
//! It starts anew only as long as nothing is stored. That definitions are whole is not looked at here.

use crate::consistent::Dumping;
use crate::error::{Error, Result};
use crate::parallel::{self, Dump, Sessions};
use crate::postgres::{Kept, Psql, Server};
use crate::run::Run;

/// How often reading is begun.
const ATTEMPTS: u32 = 3;

/// A database that is being read.
pub struct Reading {
    /// What no lock keeps, as it was before that.
    kept: Kept,
}

impl Reading {
    /// Starts `pg_dump`, anew if a type was changed before it had read all definitions. If a session `may_hold` something,
    /// because no pooler is in between, one holds locks.
    ///
    /// # Errors
    /// Those of [`parallel::start`].
    pub async fn start(
        dumping: Dumping<'_>,
        server: &Server,
        sessions: Sessions,
        may_hold: bool,
        run: &Run,
    ) -> Result<(Self, Dump)> {
        for attempt in 1.. {
            let (dump, kept) = parallel::start(dumping, server, sessions, may_hold, run).await?;
            // Those who read may need all the sessions that there are.
            if dumping.left.is_some() || attempt == ATTEMPTS {
                return Ok((Self { kept }, dump));
            }
            match kept.changed_type(dumping.psql).await {
                Ok(Some(what)) => {
                    tracing::info!("pg_dump begins again: {what} while definitions were read");
                }
                _ => return Ok((Self { kept }, dump)),
            }
        }
        Err(Error::unexpected("pg_dump was begun too often"))
    }

    /// Asks whether the rows of these tables, which were read, are theirs and fit their definitions.
    ///
    /// # Errors
    /// Those of [`Kept::fit`].
    pub async fn check(&self, psql: &Psql, tables: &[u32]) -> Result<()> {
        self.kept.fit(psql, tables).await
    }
}
