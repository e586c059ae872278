//! Every database of a server, one backup each; one that fails does not keep the others from being made.

use super::database::{self, Roles};
use super::{document, say_done};
use crate::error::{Error, Kind, Result};
use crate::names::Name;
use crate::postgres::Psql;
use crate::postgres::clients::Clients;
use crate::postgres::databases::databases;
use crate::report::Report;
use crate::settings::{Database, Shipping};
use crate::signal::Stop;
use serde_json::json;

/// Backs every database up, but for those that a pattern excludes.
pub async fn back_up(
    each: &Database,
    exclude: &[String],
    shipping: &Shipping,
    report: &Report,
    stop: &Stop,
) -> Result<()> {
    let asking = async {
        let clients = Clients::find(&each.clients).await?;
        databases(&Psql::new(clients.newest()?, &each.connection), exclude).await
    };
    let names = stop.or(asking).await?;
    if names.is_empty() {
        return Err(
            Error::usage("no database is left to be backed up").hint("--exclude excludes all of them")
        );
    }
    let roles = Roles::new();
    let (mut ids, mut documents, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for database in &names {
        let delivered = match one_of(each, database) {
            Ok(one) => database::back_up(&one, shipping, &roles, report, stop).await,
            Err(error) => Err(error),
        };
        match delivered {
            Ok(delivered) => {
                say_done(report, &delivered);
                ids.push(delivered.manifest.id.to_string());
                documents.push(document(&delivered));
            }
            Err(error) if matches!(error.kind(), Kind::Interrupted | Kind::Terminated) => return Err(error),
            Err(error) => {
                let said = format!("{database} was not backed up: {}", error.with_hints());
                tracing::warn!("{said}");
                documents.push(json!({
                    "database": database, "error": error.message(), "exit_code": error.kind().exit_code(),
                }));
                failures.push(Error::new(error.kind(), said));
            }
        }
    }
    report.done(ids.join("\n"), &documents)?;
    let (failed, all) = (failures.len(), names.len());
    match failures.into_iter().next() {
        None => Ok(()),
        Some(first) => {
            let message = match failed == all {
                true => format!("none of the {all} databases was backed up"),
                false => format!("{failed} of {all} databases were not backed up; the others were"),
            };
            Err(Error::new(first.kind(), message).because(first))
        }
    }
}

/// One of the databases, under its own name.
fn one_of(each: &Database, database: &str) -> Result<Database> {
    let own = Name::of_database(database)?;
    let name = match &each.name {
        Some(before) => format!("{before}/{own}").parse()?,
        None => own,
    };
    Ok(Database { connection: each.connection.with_dbname(database), name: Some(name), ..each.clone() })
}
