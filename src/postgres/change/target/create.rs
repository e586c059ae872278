//! A target's database is created, and dropped again if the run fails, with the roles that were made for it.
//!
//! Only what this run created is ever dropped, and only if it is still the same.

use super::Target;
use super::made::is_killed;
use crate::error::{Error, Result};
use crate::postgres::change::naming::free_name;
use crate::postgres::change::reach::not_created;
use crate::postgres::change::rename::{RESTORING, Renaming};
use crate::postgres::change::subscriptions::{Subscriptions, dropping};
use crate::postgres::failure::{Constraint, Failure, Situation as S};
use crate::postgres::server::Locale;
use crate::postgres::sql::{identifier, literal};
use crate::postgres::tools::psql;
use std::time::{Duration, Instant};

/// How long a server that is being started again is waited for, to drop what this run created; an attempt that has begun may
/// take longer.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(500);

impl Target {
    /// Makes this role the owner of the database that will be created, if there is such a role.
    pub async fn belongs_to(&mut self, owner: &str) -> Result<()> {
        let question = format!(
            "SELECT json_build_array(EXISTS (SELECT FROM pg_roles WHERE rolname = {}));",
            literal(owner)
        );
        let [exists]: [bool; 1] = self.maintenance.query(&question).await?;
        if !exists {
            return Err(Error::postgres(format!(
                "there is no role {} on the target server",
                identifier(owner)
            ))
            .hint(format!("create it: CREATE ROLE {} LOGIN;", identifier(owner))));
        }
        self.owner = Some(owner.to_owned());
        Ok(())
    }

    /// Lets nobody connect to the database that will be created, until it is opened, but this role and the database's owner.
    pub fn keep_closed(&mut self) {
        self.closed = true;
    }

    /// Lets nobody but this role connect to it; until then it belongs to this role: whoever owns a database lets himself in.
    pub fn keep_closed_to_its_owner(&mut self) {
        (self.closed, self.owner_waits) = (true, true);
    }

    /// The role that logs in, if it is another than the one that works, and would be kept out with all others: the server
    /// asks whether it may connect before it becomes that one.
    pub(super) fn enters_as(&self) -> Option<&str> {
        let login = &self.server.login;
        // An owner enters what is his, and nothing of his own is to be taken from him in the end.
        let is_owner = !self.owner_waits && self.owner.as_ref() == Some(login);
        Some(&login[..]).filter(|_| self.closed && *login != self.server.user && !is_owner)
    }

    /// Makes this the tablespace that the database will lie in.
    pub fn lies_in(&mut self, tablespace: String) {
        self.tablespace = Some(tablespace);
    }

    /// Creates the database unless it exists (and is empty).
    pub async fn create(&mut self, locale: &Locale) -> Result<()> {
        if self.exists {
            tracing::debug!("database {} exists and is empty", self.name);
            return self.compare(locale).await;
        }
        loop {
            let Err(failure) = self.create_once(locale).await else { return Ok(()) };
            let is_taken = failure.is(&[S::DatabaseExists, S::ConstraintViolated(Constraint::Unique)]);
            if !is_taken || !self.is_trial {
                return Err(not_created(&self.name, failure));
            }
            // Another trial of the same backup, begun in the same second.
            self.be_called(free_name(&self.maintenance, &self.name, RESTORING).await?);
        }
    }

    async fn create_once(&mut self, locale: &Locale) -> Result<(), Failure> {
        let mut statement = locale.create_database(&self.called, self.version().major);
        let mut add = |option: String| statement = format!("{} {option};", statement.trim_end_matches(';'));
        if let Some(owner) = self.owner.as_ref().filter(|_| !self.owner_waits) {
            add(format!("OWNER {}", identifier(owner)));
        }
        if let Some(tablespace) = &self.tablespace {
            add(format!("TABLESPACE {}", identifier(tablespace)));
        }
        if self.owner_waits {
            // Nobody may slip in before the next statement: a database cannot be made in a transaction.
            add("ALLOW_CONNECTIONS false".to_owned());
        }
        let called = identifier(&self.called);
        if self.closed {
            statement.push_str(&format!("\nREVOKE CONNECT ON DATABASE {called} FROM PUBLIC;"));
        }
        if let Some(login) = self.enters_as() {
            statement.push_str(&format!("\nGRANT CONNECT ON DATABASE {called} TO {};", identifier(login)));
        }
        if self.owner_waits {
            statement.push_str(&format!("\nALTER DATABASE {called} ALLOW_CONNECTIONS true;"));
        }
        statement.push_str(&format!(
            "\nSELECT json_build_array(oid::bigint) FROM pg_database WHERE datname = {};",
            literal(&self.called)
        ));
        let maintenance = self.maintenance.clone();
        // On a task of its own: whoever gives up meanwhile must not lose sight of a database in the making.
        self.creating = Some(tokio::spawn(async move { maintenance.run(&statement).await }));
        self.settle().await
    }

    /// Whether somebody has dropped or renamed the database that this run created; false if the server does not say.
    pub async fn is_gone(&self) -> bool {
        let Some(known) = self.known() else { return false };
        let name = Renaming { maintenance: &self.maintenance }.name_of(known.oid).await;
        name.is_ok_and(|name| name.as_ref() != Some(&known.name))
    }

    /// Waits for a creation that was begun, so that it is known whether there is a database, and which.
    async fn settle(&mut self) -> Result<(), Failure> {
        let Some(creating) = &mut self.creating else { return Ok(()) };
        let done = creating.await;
        self.creating = None;
        let answer = done.unwrap_or_else(|lost| {
            Err(Failure::NotStarted(Error::unexpected("creating the database ended early").because(lost)))
        })?;
        let [oid]: [u32; 1] = psql::read(&answer).map_err(Failure::NotStarted)?;
        (self.created, self.exists, self.oid) = (true, true, Some(oid));
        Ok(())
    }

    /// Drops the database if this run created it, sessions and all, and the roles it made. One that
    /// somebody else has put in its place, or renamed, is left alone.
    ///
    /// A server that was the reason for the failure, and is being started again, is waited for.
    pub async fn drop_created(&mut self) -> Result<()> {
        let since = Instant::now();
        loop {
            let error = match self.drop_once().await {
                // Of two signals that come at once, the second may meet a psql that has no group of its own yet.
                Err(error) if is_killed(&error) => return self.drop_once().await,
                Err(error) => error,
                dropped => return dropped,
            };
            if !self.created || !may_pass(&error) || since.elapsed() >= PATIENCE {
                return Err(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn drop_once(&mut self) -> Result<()> {
        let known = match self.settle().await {
            Ok(()) => self.known(),
            Err(_) => None,
        };
        let Some(known) = known else {
            self.let_timescaledb_go().await?;
            return self.drop_made_roles().await;
        };
        let (guard, name) = (known.guard(), identifier(&known.name));
        let order = format!("{guard}DROP DATABASE {name} WITH (FORCE);");
        if let Err(error) = dropping(&self.maintenance, &order, &known, Subscriptions::All).await {
            // Somebody else may have dropped it already, and that is all that was wanted.
            let renaming = Renaming { maintenance: &self.maintenance };
            if may_pass(&error) || renaming.name_of(known.oid).await?.is_some() {
                return Err(
                    self.with_made_roles(error.context(format_args!("drop the unfinished database {name}")))
                );
            }
        }
        (self.created, self.exists, self.oid) = (false, false, None);
        self.drop_made_roles().await
    }
}

fn may_pass(error: &Error) -> bool {
    error.situation().is_some_and(S::may_pass)
}
