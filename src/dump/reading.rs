//! Starts to read a database, and says at the end whether its rows fit their definitions.
//!
//! It starts anew only as long as nothing is stored. That definitions are whole is not looked at here.

use crate::consistent::Dumping;
use crate::error::{Error, Result};
use crate::parallel::{self, Dump, Sessions};
use crate::postgres::{Psql, Server, Unlocked};
use crate::run::Run;

/// How often reading is begun.
const ATTEMPTS: u32 = 3;

/// A database that is being read.
pub struct Reading {
    /// What no lock keeps, as it was before that.
    unlocked: Unlocked,
}

impl Reading {
    /// Starts `pg_dump`, anew if a type was changed before it had read all definitions.
    ///
    /// # Errors
    /// Those of [`parallel::start`].
    pub async fn start(
        dumping: Dumping<'_>,
        server: &Server,
        sessions: Sessions,
        run: &Run,
    ) -> Result<(Self, Dump)> {
        for attempt in 1.. {
            let (dump, unlocked) = parallel::start(dumping, server, sessions, run).await?;
            // Those who read may need all the sessions that there are.
            if dumping.left.is_some() || attempt == ATTEMPTS {
                return Ok((Self { unlocked }, dump));
            }
            match unlocked.changed_type(dumping.psql).await {
                Ok(Some(what)) => {
                    tracing::info!("pg_dump begins again: {what} while definitions were read");
                }
                _ => return Ok((Self { unlocked }, dump)),
            }
        }
        Err(Error::unexpected("pg_dump was begun too often"))
    }

    /// Asks whether the rows of these tables, which were read, are theirs and fit their definitions.
    ///
    /// # Errors
    /// Those of [`Unlocked::fit`].
    pub async fn check(&self, psql: &Psql, tables: &[u32]) -> Result<()> {
        self.unlocked.fit(psql, tables).await
    }
}
