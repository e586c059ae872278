//! Gives a database another name, whoever is connected to it.
//!
//! PostgreSQL renames no database that somebody is connected to: while the first `RENAME` waits for that,
//! it holds a lock that keeps newcomers waiting, and a second session ends those who are in. Nothing is
//! switched off beforehand that a killed run could leave off. Nothing is ever dropped here.

use crate::error::{Error, Result};
use crate::postgres::failure::{Failure, Situation};
use crate::postgres::sql::{block, identifier, literal};
use crate::postgres::tools::Psql;
use std::time::Duration;
use tokio::time::Instant;

/// Between the name and the moment in the name of a database that is still being restored.
pub const RESTORING: &str = "_restoring_";
/// Between the name and the moment in the name of a database that was restored and proven.
pub const RESTORED: &str = "_restored_";
/// How often the exchange is tried; the server gives sessions five seconds to end each time.
const TRIES: usize = 3;
/// Between two rounds of ending sessions.
const ROUND: Duration = Duration::from_millis(150);
/// How long a server that is started again is waited for, to learn which names its databases have.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked meanwhile.
const EVERY: Duration = Duration::from_millis(500);

/// A database, known by more than its name, which may be another's a moment later.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its object identifier.
    pub oid: u32,
    /// Its name.
    pub name: String,
}

/// Renames databases over this connection, which is to another one.
#[derive(Debug)]
pub struct Renaming<'a> {
    /// The connection.
    pub maintenance: &'a Psql,
}

impl Renaming<'_> {
    /// Runs a script that gives `name` to `new`, again if sessions are in the way, or the server was started again.
    pub async fn insist(&self, old: Option<&Known>, new: &Known, script: &str, name: &str) -> Result<()> {
        let mut tries = 0;
        loop {
            tries += 1;
            let Err(failure) = self.rename(old, new, script).await else { return Ok(()) };
            let held = failure.is(&[Situation::DatabaseInUse, Situation::LockTimeout]);
            let passes = held || failure.situation().is_some_and(Situation::may_pass);
            // The answer may have been lost on the way: the server knows.
            match self.name_in_the_end(new.oid).await {
                Ok(Some(now)) if now == name => return Ok(()),
                Ok(_) if passes && tries < TRIES => {}
                Ok(_) => {
                    let what = format!("give the name {} to {}", identifier(name), identifier(&new.name));
                    let error = Error::from(failure).context(what);
                    return Err(if held { self.held(error, old.unwrap_or(new)).await } else { error });
                }
                Err(second) => {
                    tracing::warn!("{second}");
                    return Err(not_known(Error::from(failure), old, new, name));
                }
            }
        }
    }

    /// Renames both, ending sessions until it is done.
    async fn rename(&self, old: Option<&Known>, new: &Known, script: &str) -> Result<(), Failure> {
        let databases: Vec<String> = old
            .into_iter()
            .chain([new])
            .map(|found| format!("({}, {})", found.oid, literal(&found.name)))
            .collect();
        // By name too: those who come to the new database under its new name are not meant.
        let end = block(&END_SESSIONS.replace("{databases}", &databases.join(", ")));
        self.maintenance.run(&end).await?;
        let mut renaming = std::pin::pin!(self.maintenance.run(script));
        loop {
            tokio::select! {
                biased;
                done = &mut renaming => return done.map(drop),
                () = tokio::time::sleep(ROUND) => {}
            }
            // To its end, so that none is on its way when the names have changed.
            if let Err(failure) = self.maintenance.run(&end).await {
                tracing::debug!("sessions could not be ended: {failure:?}");
            }
        }
    }

    /// The name that the database has now, if there still is one.
    pub async fn name_of(&self, oid: u32) -> Result<Option<String>> {
        let query = format!("SELECT json_build_array((SELECT datname FROM pg_database WHERE oid = {oid}));");
        let [name]: [Option<String>; 1] = self.maintenance.query(&query).await?;
        Ok(name)
    }

    /// The same; a server that is about to be there again is waited for.
    async fn name_in_the_end(&self, oid: u32) -> Result<Option<String>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.name_of(oid).await {
                Err(error)
                    if error.situation().is_some_and(Situation::may_pass) && Instant::now() < deadline =>
                {
                    tracing::debug!("the name is asked for again: {error}");
                    tokio::time::sleep(EVERY).await;
                }
                name => return name,
            }
        }
    }

    /// Says who would not leave.
    async fn held(&self, error: Error, database: &Known) -> Error {
        let query = format!(
            "SELECT coalesce(json_agg(DISTINCT format('%s (%s)', coalesce(usename, backend_type), application_name)), '[]')
               FROM pg_stat_activity WHERE datid = {};",
            database.oid
        );
        match self.maintenance.query::<Vec<String>>(&query).await {
            Ok(who) if !who.is_empty() => error.hint(format!(
                "sessions that this role could not end: {}; ending them takes pg_signal_backend, or a superuser for a superuser's",
                who.join(", ")
            )),
            _ => error,
        }
    }
}

/// Says that nobody knows whether the names have changed, and how to find out.
fn not_known(error: Error, old: Option<&Known>, new: &Known, name: &str) -> Error {
    let (new, oid, name) = (identifier(&new.name), new.oid, identifier(name));
    let what = match old {
        Some(_) => {
            format!("it is not known whether {name} is the new database or still the old one; both are whole")
        }
        None => {
            format!("it is not known whether the new database is called {name} or still {new}; it is whole")
        }
    };
    error.context(what).hint(format!(
        "when the server answers again, SELECT oid, datname FROM pg_database shows the name of the new one, whose oid is {oid}; if \
         that is {new}, nothing was changed"
    ))
}

impl Known {
    /// SQL that fails unless the database still has this name: another one may have it by now.
    pub fn guard(&self) -> String {
        let (oid, name) = (self.oid, literal(&self.name));
        block(&format!(
            "BEGIN IF NOT EXISTS (SELECT FROM pg_database WHERE oid = {oid} AND datname = {name}) THEN
               RAISE 'the database % is not the one it was: somebody renamed or dropped it', quote_ident({name});
             END IF; END"
        ))
    }
}

/// The statements that rename a database, if it is still the one that is meant.
pub fn renames(database: &Known, to: &str) -> String {
    format!("{}{}", database.guard(), rename(&database.name, to))
}

/// TimescaleDB warns that its workers end, for which pgstow cares.
fn rename(from: &str, to: &str) -> String {
    let rename = format!("ALTER DATABASE {} RENAME TO {};\n", identifier(from), identifier(to));
    format!("SET client_min_messages = error;\n{rename}RESET client_min_messages;\n")
}

/// `20261121_054500`.
pub fn is_stamp(text: &str) -> bool {
    text.len() == 15
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 8 { byte == b'_' } else { byte.is_ascii_digit() })
}

/// Ends the sessions of these databases as far as the role may; the others are not its business.
const END_SESSIONS: &str = "
DECLARE
  one int;
BEGIN
  FOR one IN SELECT a.pid FROM pg_stat_activity a JOIN pg_database d ON d.oid = a.datid
              WHERE (d.oid, d.datname) IN ({databases}) LOOP
    BEGIN
      PERFORM pg_terminate_backend(one);
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
  END LOOP;
END";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_taken_for_ours() {
        assert!(is_stamp("20261121_054500"));
        for other in
            ["", "20261121", "20261121-054500", "20261121_05450x", "20261121_0545001", "migration_2026_x"]
        {
            assert!(!is_stamp(other), "{other}");
        }
    }
}
