//! The way to a target's server, and what may keep a database from being created there.

use crate::error::{Error, Result};
use crate::postgres::failure::{Failure, Situation};
use crate::postgres::sql::{identifier, literal};
use crate::postgres::tools::psql::{self, NO_CONNECTION, Psql};

/// Databases that nearly every server has; one is needed to create another.
pub const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

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

/// Says why a database could not be created, and what can be done.
pub fn not_created(name: &str, failure: Failure) -> Error {
    let name = identifier(name);
    let (situation, error) = (failure.situation(), Error::from(failure));
    let error = match situation {
        Some(Situation::DatabaseExists) => {
            let what = format!("database {name} was created by somebody else just now");
            return Error::target_exists(what).because(error);
        }
        Some(Situation::LocaleMissing) => error.hint(
            "the target server lacks the source's locale: install it there, or create the empty database \
             yourself with a locale it has, and restore into that",
        ),
        Some(Situation::PermissionDenied) => error
            .without_hints()
            .hint("the role needs CREATEDB, or somebody must create the empty database for it"),
        _ => error,
    };
    error.context(format_args!("create database {name}"))
}
