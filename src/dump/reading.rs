//! Starts to read a database, and says at the end whether its rows fit their definitions.
//!
//! It starts anew only as long as nothing is stored. That definitions are whole is not looked at here.

use crate::consistent::Dumping;
use crate::error::{Error, Result};
use crate::parallel::{self, Dump, Sessions};
use crate::postgres::{Psql, Server, Types};
use crate::run::Run;

/// How often reading is begun.
const ATTEMPTS: u32 = 3;

/// A database that is being read.
pub struct Reading {
    /// Its types before that.
    types: Types,
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
            let (dump, types) = parallel::start(dumping, server, sessions, run).await?;
            // Those who read may need all the sessions that there are.
            if dumping.left.is_some() || attempt == ATTEMPTS {
                return Ok((Self { types }, dump));
            }
            match types.changed_since(dumping.psql, None).await {
                Ok(Some(what)) => {
                    tracing::info!("pg_dump begins again: {what} while definitions were read");
                }
                _ => return Ok((Self { types }, dump)),
            }
        }
        Err(Error::unexpected("pg_dump was begun too often"))
    }

    /// Asks whether the rows of these tables, which were read, fit their definitions.
    ///
    /// # Errors
    /// Those of [`Types::fit`].
    pub async fn check(&self, psql: &Psql, tables: &[u32]) -> Result<()> {
        self.types.fit(psql, tables).await
    }
}
