//! The way to a target's server, and what may keep a database from being created there.

use crate::error::{Error, Result};
use crate::postgres::failure::{Failure, Situation};
use crate::postgres::sql::{identifier, literal};
use crate::postgres::tools::psql::{self, NO_CONNECTION, Psql};

/// Nearly every server has one of these databases, which is needed to create another. Some services have `defaultdb` instead
/// of `postgres`. Nobody can create a database while this run's lock is held in `template1`, so that comes last.
pub const MAINTENANCE: [&str; 3] = ["postgres", "defaultdb", "template1"];

/// Finds a database to connect to, and says whether the target exists.
pub async fn reach(psql: &Psql, name: &str) -> Result<(Psql, bool)> {
    let question = format!(
        "SELECT json_build_array(EXISTS (SELECT FROM pg_database WHERE datname = {}));",
        literal(name)
    );
    let mut first: Option<Failure> = None;
    for database in MAINTENANCE.into_iter().filter(|database| *database != name).chain([name]) {
        let maintenance = psql.with_dbname(database);
        match maintenance.answer(&question).await {
            Ok(answer) => {
                let [exists]: [bool; 1] = psql::read(&answer)?;
                return Ok((maintenance, exists));
            }
            Err(failure) => {
                let hopeless = failure.code() != Some(NO_CONNECTION)
                    || failure.situation().is_some_and(Situation::is_of_server);
                if hopeless {
                    return Err(first.unwrap_or(failure).into());
                }
                first.get_or_insert(failure);
            }
        }
    }
    Err(match first {
        Some(first) if first.is(&[Situation::PasswordMissing]) => first.into(),
        Some(first) => shut_out(name, first),
        None => Error::unexpected("no database was tried"),
    })
}

/// Says that the server lets the role into none of these databases.
fn shut_out(name: &str, first: Failure) -> Error {
    let situation = first.situation();
    let error = Error::postgres(format!(
        "none of the databases {} and {} can be connected to",
        MAINTENANCE.join(", "),
        identifier(name)
    ))
    .because(Error::from(first));
    let error = match situation {
        Some(situation) => error.in_situation(situation),
        None => error,
    };
    let is_shut = matches!(situation, None | Some(Situation::ConnectDenied | Situation::DatabaseMissing));
    if let Some(hint) = situation.filter(|_| !is_shut).and_then(Situation::hint_anywhere) {
        return error.hint(hint);
    }
    error
        .hint("a database is created from another one: GRANT CONNECT ON DATABASE postgres TO the role")
        .hint("if the service lets nobody create databases, name the one that you have: a restore fills it if it is empty")
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
