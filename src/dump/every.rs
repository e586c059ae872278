//! Every database of a server, one backup each; one that fails does not keep the others from being made.

use super::database;
use super::request::DumpRequest;
use crate::error::{Error, Kind, Result};
use crate::failures::Failures;
use crate::postgres::clients::Clients;
use crate::postgres::databases::{Databases, databases};
use crate::postgres::{Psql, Situation};
use crate::run::Run;
use crate::stored::format::name_pattern::fits;
use crate::stored::format::names::Name;
use crate::stored::write::writer::{StoredBackup, WriteOptions};
use crate::text::shell_word;

/// How the backups of a server's databases went.
pub struct EveryDatabase {
    /// Each database, and its backup or what went wrong.
    pub databases: Vec<(String, Result<StoredBackup, Failed>)>,
    failures: Failures,
    /// The signal that ended the run before all were backed up.
    stopped: Option<Error>,
    /// How many of the failures have a backup, but not in every store.
    incomplete: usize,
}

/// Why a database was not backed up, for programs.
pub struct Failed {
    /// The failure's sentence.
    pub error: String,
    /// The exit code it would have had alone.
    pub exit_code: u8,
    /// The name its backups are kept under, unless it has none.
    pub name: Option<Name>,
}

impl EveryDatabase {
    /// The new backups.
    pub fn stored(&self) -> impl Iterator<Item = &StoredBackup> {
        self.databases.iter().filter_map(|(_, outcome)| outcome.as_ref().ok())
    }

    /// Fails if any database was not backed up.
    pub fn conclude(self) -> Result<()> {
        if let Some(stopped) = self.stopped {
            return Err(stopped);
        }
        let incomplete = self.incomplete;
        self.failures.conclude(|failed, of| match failed - incomplete {
            0 => format!("{incomplete} of {of} databases were not backed up into every store"),
            lost if lost == of => format!("none of the {of} databases was backed up"),
            lost if incomplete == 0 => {
                format!("{lost} of {of} databases were not backed up; the others were")
            }
            lost => {
                format!("{lost} of {of} databases were not backed up, and {incomplete} not into every store")
            }
        })
    }
}

/// Backs every database up, except those that a pattern excludes.
pub async fn back_up(
    each: &DumpRequest,
    exclude: &[String],
    writing: &WriteOptions,
    run: &Run,
) -> Result<EveryDatabase> {
    let asking = async {
        let clients = Clients::find(&each.clients).await?;
        let psql = Psql::new(clients.newest()?, &each.connection);
        let found = databases(&psql, exclude).await?;
        Ok((psql, found))
    };
    let (psql, found) = run.or(asking).await?;
    say_what_is_left_out(&found, exclude, run);
    let names = found.open;
    if names.is_empty() {
        return Err(
            Error::usage("no database is left to be backed up").hint("--exclude excludes all of them")
        );
    }
    let mut every = EveryDatabase {
        databases: Vec::new(),
        failures: Failures::of_unnamed(names.len()),
        stopped: None,
        incomplete: 0,
    };
    for database in names {
        let one = one_of(each, &database);
        let name = one.as_ref().ok().and_then(|one| one.name.clone());
        let stored = match one {
            Ok(one) => database::back_up(&one, writing, run).await,
            Err(error) => Err(error),
        };
        let outcome = match stored {
            Ok(stored) => {
                if let Err(error) = stored.conclude() {
                    every.incomplete += 1;
                    every.failures.keep(error, str::to_owned)?;
                }
                Ok(stored)
            }
            Err(error) if is_gone(&psql, &database, &error).await => {
                tracing::warn!(
                    "{database} is left out: it was dropped, renamed or closed after the run began"
                );
                every.failures.leave_one_out();
                continue;
            }
            // What was stored before is reported all the same.
            Err(error) if error.kind().is_signal() => {
                every.stopped = Some(error);
                break;
            }
            Err(error) => {
                let error = match error.situation() {
                    Some(Situation::ConnectDenied | Situation::NotAdmitted) => {
                        error.hint(format!("or leave it out: --exclude {}", shell_word(&database)))
                    }
                    _ => error,
                };
                let exit_code = error.kind().exit_code();
                let failed = Failed { error: error.message().to_owned(), exit_code, name };
                every.failures.keep(error, |why| format!("{database} was not backed up: {why}"))?;
                Err(failed)
            }
        };
        every.databases.push((database, outcome));
    }
    Ok(every)
}

/// Names the databases that are not backed up, and why.
pub fn say_what_is_left_out(found: &Databases, exclude: &[String], run: &Run) {
    for pattern in exclude {
        if !found.excluded.iter().any(|name| fits(pattern, name)) {
            tracing::warn!("--exclude {pattern} matches nothing, so it leaves nothing out");
        }
    }
    let Databases { open: _, excluded, templates, of_service, closed, invalid, unfinished } = found;
    if !excluded.is_empty() {
        run.say(format!("skipped, as --exclude says: {}", excluded.join(", ")));
    }
    for name in templates {
        tracing::warn!(
            "{name} is left out: it is a template; back it up with its own URL, or add it to --exclude"
        );
    }
    for name in of_service {
        run.say(format!("{name} is left out: it belongs to the service"));
    }
    for name in closed {
        tracing::warn!("{name} is left out: it allows no connections; allow them, or add it to --exclude");
    }
    for name in invalid {
        tracing::warn!("{name} is left out: it is invalid, as DROP DATABASE was interrupted; drop it again");
    }
    for name in unfinished {
        run.say(format!("{name} is left out: a restore fills it, or was killed before it had"));
    }
}

/// Whether a database that could not be backed up is no longer one to be backed up.
async fn is_gone(psql: &Psql, database: &str, error: &Error) -> bool {
    error.kind() == Kind::Postgres
        && databases(psql, &[]).await.is_ok_and(|found| !found.open.iter().any(|open| open == database))
}

/// One of the databases, under its own name.
pub fn one_of(each: &DumpRequest, database: &str) -> Result<DumpRequest> {
    let own = Name::of_database(database).map_err(|error| {
        error
            .without_hints()
            .hint("back it up alone, with its own URL and a --name, and leave it out here with --exclude")
    })?;
    let name = match &each.name {
        Some(before) => format!("{before}/{own}").parse()?,
        None => own,
    };
    Ok(DumpRequest { connection: each.connection.with_dbname(database), name: Some(name), ..each.clone() })
}
