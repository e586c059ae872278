//! Finds a database to connect to if the one that is meant need not exist.

use crate::error::{Error, Result};
use crate::postgres::failure::{Failure, Situation};
use crate::postgres::sql::literal;
use crate::postgres::tools::psql::{self, NO_CONNECTION, Psql};

/// Databases that nearly every server has; one is needed to create another.
pub(super) const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// Finds a database to connect to, and says whether the target exists.
pub async fn reach(psql: &Psql, name: &str) -> Result<(Psql, bool)> {
    let question = format!(
        "SELECT json_build_array(EXISTS (SELECT FROM pg_database WHERE datname = {}));",
        literal(name)
    );
    let mut first: Option<Failure> = None;
    for database in MAINTENANCE.into_iter().chain([name]) {
        let maintenance = psql.with_dbname(database);
        match maintenance.run(&question).await {
            Ok(answer) => {
                let [exists]: [bool; 1] = psql::read(&answer)?;
                return Ok((maintenance, exists));
            }
            Err(failure) => {
                let hopeless = failure.code() != Some(NO_CONNECTION)
                    || failure.situation().is_some_and(Situation::is_of_server);
                first.get_or_insert(failure);
                if hopeless {
                    break;
                }
            }
        }
    }
    Err(first.map_or_else(|| Error::unexpected("no database was tried"), Error::from))
}
