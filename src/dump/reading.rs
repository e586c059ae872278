//! Starts to read a database, and says at the end whether its rows fit their definitions.
//!
//! It starts anew only as long as nothing is stored. That definitions are whole is not looked at here.

use crate::consistent::Dumping;
use crate::error::{Error, Result};
use crate::parallel::{self, Dump, Sessions};
use crate::postgres::{Enums, Psql, Server};
use crate::run::Run;

/// How often reading is begun.
const ATTEMPTS: u32 = 3;

/// A database that is being read.
pub struct Reading {
    /// The values of its enums before that.
    enums: Enums,
}

impl Reading {
    /// Starts `pg_dump`, anew if a value of an enum was renamed before it had read all definitions.
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
            let (dump, enums) = parallel::start(dumping, server, sessions, run).await?;
            // Those who read may need all the sessions that there are.
            if dumping.left.is_some() || attempt == ATTEMPTS {
                return Ok((Self { enums }, dump));
            }
            match enums.renamed_since(dumping.psql, None).await {
                Ok(Some(name)) => tracing::info!(
                    "pg_dump begins again: a value of the enum {name} was renamed while definitions were read"
                ),
                _ => return Ok((Self { enums }, dump)),
            }
        }
        Err(Error::unexpected("pg_dump was begun too often"))
    }

    /// Asks whether the rows of these tables, which were read, fit their definitions.
    ///
    /// # Errors
    /// If a value of an enum was renamed. If that cannot be asked, there is only a warning: the dump itself is whole.
    pub async fn check(&self, psql: &Psql, tables: &[u32]) -> Result<()> {
        match self.enums.renamed_since(psql, Some(tables)).await {
            Ok(None) => Ok(()),
            Ok(Some(name)) => Err(Error::postgres(format!(
                "a value of the enum {name} was renamed while rows were read: some may have its new name, and the \
                 definition has the old one"
            ))
            .hint("back up again, and rename values (ALTER TYPE … RENAME VALUE) when no backup runs")),
            Err(error) => {
                tracing::warn!("whether values of enums were renamed during the backup is not known: {error}");
                Ok(())
            }
        }
    }
}
