//! The database a restore fills: found empty or made for it, never emptied.
//!
//! Only a database that this run created is ever dropped. The new one comes from `template0` with
//! the source's encoding and locale.

use tokio::task::JoinHandle;

use crate::error::{Error, Result};

use super::content::{self, CONTENTS, Contents};
use super::grants::Grant;
use super::lock::Lock;
use super::naming::{Naming, may_hold_a_session, name_while_restoring, report_unfinished};
use super::reach::reach;
use super::rename::{Known, RESTORED, RESTORING, Renaming, renames};
use super::roles::Making;
use crate::postgres::clients::{Client, Version};
use crate::postgres::connect::ConnInfo;
use crate::postgres::failure::{Failure, Situation};
use crate::postgres::server::{Locale, Server, TargetFacts};
use crate::postgres::sql::{about_database, identifier, literal};
use crate::postgres::tools::psql::{self, Psql};

/// A target: the server is reached, and the database does not exist yet or is empty.
pub struct Target {
    /// The name that was asked for.
    name: String,
    /// The name it has now, or will be created under.
    called: String,
    /// Its object identifier, once this run has created it.
    oid: Option<u32>,
    /// Keeps other restores into the same database away.
    _lock: Option<Lock>,
    server: Server,
    maintenance: Psql,
    psql: Psql,
    exists: bool,
    created: bool,
    owner: Option<String>,
    made_roles: Vec<String>,
    closed: bool,
    creating: Option<JoinHandle<Result<Vec<u8>, Failure>>>,
}

impl Target {
    /// Reaches the server and looks at the database, which is changed by nothing here.
    ///
    /// # Errors
    /// `Kind::TargetExists` if it has content, `Kind::Locked` if another run is restoring into it.
    pub async fn open(client: &Client, conn: &ConnInfo, naming: Naming) -> Result<Self> {
        let name = conn.target_name()?.to_string();
        let psql = Psql::new(client, conn);
        let (maintenance, exists) = reach(&psql, &name).await?;
        let server = Server::inspect(&maintenance).await?;
        if server.in_recovery {
            return Err(Error::postgres("the target server is a standby, which cannot be written to")
                .hint("name the primary's host"));
        }
        let mut called = name.clone();
        let mut lock = None;
        if let Naming::WhenProven(moment) = naming {
            if may_hold_a_session(&maintenance).await? {
                lock = Some(Lock::of_restore(&maintenance, &name).await?);
            }
            if !exists {
                called = name_while_restoring(&name, &moment);
                report_unfinished(&maintenance, &name).await?;
            }
        }
        if exists {
            content::refuse(&psql, &name).await?;
        }
        Ok(Self {
            psql: server.in_english(psql.with_dbname(&called)).await,
            name,
            called,
            oid: None,
            _lock: lock,
            server,
            maintenance,
            exists,
            created: false,
            owner: None,
            made_roles: Vec::new(),
            closed: false,
            creating: None,
        })
    }

    /// The server, as its maintenance database shows it.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The server's version.
    pub fn version(&self) -> Version {
        self.server.version()
    }

    /// The connection to the database itself.
    pub fn conn(&self) -> &ConnInfo {
        self.psql.conn()
    }

    /// The database's name, which it has at the latest when it is published.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name that the database has now, or will be created under.
    pub fn called(&self) -> &str {
        &self.called
    }

    /// Says whether the database exists, made by this run or before it.
    pub fn exists(&self) -> bool {
        self.exists
    }

    /// Says whether this run created the database.
    pub fn is_created(&self) -> bool {
        self.created
    }

    /// What else there is on the server.
    pub async fn facts(&self) -> Result<TargetFacts> {
        TargetFacts::ask(&self.maintenance).await
    }

    /// Asks whether the restoring role may make event triggers: some services let some roles, and only a
    /// try shows. Nothing of it stays.
    pub async fn takes_event_triggers(&self) -> bool {
        let order = "BEGIN;
CREATE FUNCTION pg_temp.pgstow_try() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER pgstow_try ON sql_drop WHEN TAG IN ('DROP VIEW') EXECUTE PROCEDURE pg_temp.pgstow_try();
ROLLBACK;";
        self.maintenance.execute(order).await.is_ok()
    }

    /// Makes roles, all or none; says what of them could not be taken over, a sentence each.
    ///
    /// They go again with the database that this run creates.
    pub async fn make_roles(&mut self, making: Making) -> Result<Vec<String>> {
        let Making { names, must, may, left_out: mut not } = making;
        self.maintenance.execute(&format!("BEGIN;\n{}\nCOMMIT;", must.join("\n"))).await?;
        self.made_roles.extend(names);
        for (what, statement) in may {
            if let Err(error) = self.maintenance.execute(&statement).await {
                not.push(format!("{what} could not be taken over: {error}"));
            }
        }
        Ok(not)
    }

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

    /// Allows only its owner to connect to the database that will be created, until it is opened.
    pub fn keep_closed(&mut self) {
        self.closed = true;
    }

    /// Opens the database to the others that its grants allow.
    pub async fn open_to_others(&self) -> Result<()> {
        if !(self.closed && self.created) {
            return Ok(());
        }
        self.maintenance
            .execute(&format!("GRANT CONNECT ON DATABASE {} TO PUBLIC;", identifier(&self.called)))
            .await
    }

    /// Grants a role something on all that is in the database.
    pub async fn grant(&self, role: &str, grant: Grant) -> Result<()> {
        self.psql.execute(&grant.script(role, &self.called)).await
    }

    /// Runs a statement about the database that an archive holds, if `pg_dump` writes such statements.
    ///
    /// Whoever made the archive may have written anything: nothing of the text itself is run.
    pub async fn say_of_database(&self, statement: &str) -> Result<()> {
        let statement = about_database(statement)
            .ok_or_else(|| Error::verify("pg_dump writes no such statement about a database"))?;
        self.maintenance.execute(&statement).await
    }

    /// Creates the database unless it exists (and is empty).
    pub async fn create(&mut self, locale: &Locale) -> Result<()> {
        if self.exists {
            tracing::debug!("database {} exists and is empty", self.name);
            return Ok(());
        }
        let mut statement = locale.create_database(&self.called, self.version().major);
        if let Some(owner) = &self.owner {
            statement = format!("{} OWNER {};", statement.trim_end_matches(';'), identifier(owner));
        }
        if self.closed {
            // A second statement: a database cannot be made in a transaction.
            statement
                .push_str(&format!("\nREVOKE CONNECT ON DATABASE {} FROM PUBLIC;", identifier(&self.called)));
        }
        statement.push_str(&format!(
            "\nSELECT json_build_array(oid::bigint) FROM pg_database WHERE datname = {};",
            literal(&self.called)
        ));
        let maintenance = self.maintenance.clone();
        // On a task of its own: if the caller gives up meanwhile, it is still known that a database is being made.
        self.creating = Some(tokio::spawn(async move { maintenance.run(&statement).await }));
        self.settle().await.map_err(|failure| not_created(&self.name, failure))
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

    /// The database that this run created, known by more than its name.
    fn known(&self) -> Option<Known> {
        Some(Known { oid: self.oid?, name: self.called.clone() })
    }

    /// Gives the database its name, now that it is proven.
    ///
    /// # Errors
    /// `Kind::TargetExists` if another database has the name by now. The restored one is kept then, as its
    /// name says, which is part of the hint.
    pub async fn publish(&mut self) -> Result<()> {
        let Some(known) = self.known().filter(|known| known.name != self.name) else { return Ok(()) };
        let renaming = Renaming { maintenance: &self.maintenance };
        let done = renaming.insist(None, &known, &renames(&known, &self.name), &self.name).await;
        let Err(error) = done else {
            self.be_called(self.name.clone());
            return Ok(());
        };
        let restored = known.name.replace(RESTORING, RESTORED);
        if renaming.insist(None, &known, &renames(&known, &restored), &restored).await.is_ok() {
            self.be_called(restored);
        }
        let taken = reach(&self.maintenance, &self.name).await.is_ok_and(|(_, exists)| exists);
        let error = match taken {
            true => Error::target_exists(format!(
                "a database {} was created while this run was restoring",
                identifier(&self.name)
            ))
            .because(error),
            false => error,
        };
        Err(error.hint(format!(
            "{0} is whole and proven; when the name is free: ALTER DATABASE {0} RENAME TO {1};",
            identifier(&self.called),
            identifier(&self.name)
        )))
    }

    fn be_called(&mut self, name: String) {
        self.psql = self.psql.with_dbname(&name);
        self.called = name;
    }

    /// Drops the database if this run created it, sessions and all, and the roles it made. One that
    /// somebody else has put in its place, or renamed, is left alone.
    pub async fn drop_created(&mut self) -> Result<()> {
        let known = match self.settle().await {
            Ok(()) => self.known(),
            Err(_) => None,
        };
        let Some(known) = known else { return self.drop_made_roles().await };
        let (guard, name) = (known.guard(), identifier(&known.name));
        let order = if self.version().major >= 13 {
            format!("{guard}DROP DATABASE {name} WITH (FORCE);")
        } else {
            format!(
                "{guard}SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datid = {};\n\
                 SELECT pg_sleep(0.2);\n\
                 DROP DATABASE {name};",
                known.oid
            )
        };
        if let Err(error) = self.maintenance.execute(&order).await {
            // Somebody else may have dropped it already, and that is all that was wanted.
            let renaming = Renaming { maintenance: &self.maintenance };
            if renaming.name_of(known.oid).await?.is_some() {
                return Err(error.context(format_args!("drop the unfinished database {name}")));
            }
        }
        (self.created, self.exists, self.oid) = (false, false, None);
        self.drop_made_roles().await
    }

    async fn drop_made_roles(&mut self) -> Result<()> {
        let names: Vec<String> =
            std::mem::take(&mut self.made_roles).iter().map(|name| identifier(name)).collect();
        if names.is_empty() {
            return Ok(());
        }
        let names = names.join(", ");
        let dropped = self.maintenance.execute(&format!("DROP ROLE IF EXISTS {names};")).await;
        dropped.map_err(|error| error.context(format_args!("drop the roles {names} that were made")))
    }

    /// Gathers statistics; a failure is only a warning, since the data is there.
    ///
    /// Warnings about system tables, which this role may not analyze, are not shown.
    pub async fn analyze(&self) {
        if let Err(error) = self.psql.execute("SET client_min_messages = error;\nANALYZE;").await {
            tracing::warn!("ANALYZE failed, queries may be slow until it is run: {error}");
        }
    }

    /// Asks the database itself.
    pub(super) fn psql(&self) -> &Psql {
        &self.psql
    }

    /// Counts what the database holds now.
    pub async fn contents(&self) -> Result<Contents> {
        self.psql.query(CONTENTS).await
    }
}

fn not_created(name: &str, failure: Failure) -> Error {
    let name = identifier(name);
    let (situation, error) = (failure.situation(), Error::from(failure));
    let error = match situation {
        Some(Situation::DatabaseExists) => {
            let what = format!("somebody else has just created the database {name}");
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
