//! The database a restore fills: found empty or made for it, never emptied.
//!
//! Only a database that this run created is ever dropped. The new one comes from `template0` with
//! the source's encoding and locale.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::error::{Error, Result};

use super::content::{self, CONTENTS, Contents};
use super::grants::Grant;
use super::lock::{Lock, may_hold_a_session, sessions_left};
use super::naming::{INCOMPLETE, Naming, free_name, name_with, report_unfinished};
use super::reach::{not_created, reach};
use super::rename::{Known, RESTORED, RESTORING, Renaming, renames};
use super::roles::Making;
use crate::postgres::clients::{Client, Version};
use crate::postgres::connect::ConnInfo;
use crate::postgres::failure::{Failure, Situation};
use crate::postgres::server::{Locale, Server, TargetFacts};
use crate::postgres::sql::{about_database, identifier, literal};
use crate::postgres::tools::psql::{self, Psql};
use crate::postgres::tools::sessions::WITHOUT_EVENT_TRIGGERS;

/// The server takes a moment to notice that a session has ended.
const BREATH: Duration = Duration::from_millis(300);

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
    tablespace: Option<String>,
    made_roles: Vec<String>,
    closed: bool,
    creating: Option<JoinHandle<Result<Vec<u8>, Failure>>>,
    locks: u64,
    sessions: Option<u32>,
}

/// The server has room for a few more, and does not say for how many.
const LOCKS: &str = "SELECT json_build_array(current_setting('max_locks_per_transaction')::bigint *
  (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint));";

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
            lock = Some(Lock::of_restore(&maintenance, &name).await?);
            if !exists {
                called = free_name(&maintenance, &name, moment).await?;
                report_unfinished(&maintenance, &name).await?;
            }
        }
        let [locks]: [u64; 1] = maintenance.query(LOCKS).await?;
        let sessions = sessions_left(&maintenance).await?;
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
            tablespace: None,
            made_roles: Vec::new(),
            closed: false,
            creating: None,
            locks,
            sessions,
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

    /// How many locks the server has room for, over all its sessions.
    pub fn locks(&self) -> u64 {
        self.locks
    }

    /// How many workers there may be at the most: the role may be allowed few sessions.
    pub fn at_most(&self, jobs: usize) -> usize {
        match self.sessions {
            Some(left) if may_hold_a_session(Some(left)) => jobs.min(left as usize),
            Some(_) => 1,
            None => jobs,
        }
    }

    /// Lets a session that has just ended be gone, if the role may have few.
    pub async fn breathe(&self) {
        if self.sessions.is_some() {
            tokio::time::sleep(BREATH).await;
        }
    }

    /// The name that a session of this run has, for [`Target::end_sessions`].
    pub fn session_name(&self, what: &str) -> String {
        format!("{} {what}", self.conn().application_name())
    }

    /// The connection to the database itself, as anybody has it.
    pub fn conn_of_anybody(&self) -> ConnInfo {
        self.maintenance.conn().with_dbname(&self.called)
    }

    /// Keeps event triggers from firing in every session of this run in the database.
    pub fn without_event_triggers(&mut self) {
        self.psql = self.psql.with_option(WITHOUT_EVENT_TRIGGERS);
    }

    /// What else there is on the server.
    pub async fn facts(&self) -> Result<TargetFacts> {
        TargetFacts::ask(&self.maintenance).await
    }

    /// Asks whether the restoring role may make event triggers: some services let some roles, and only a
    /// try tells. Nothing is left of it.
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

    /// Lets nobody but its owner connect to the database that will be created, until it is opened.
    pub fn keep_closed(&mut self) {
        self.closed = true;
    }

    /// Opens the database to others again, as far as its grants let them.
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

    /// Connects to the database as anybody would; fails if nobody could, whatever was loaded for that.
    pub async fn can_be_entered(&self) -> Result<()> {
        let anybody = self.maintenance.with_dbname(&self.called);
        match anybody.run("SELECT 1;").await {
            // That many may be in it, and no more: so it was meant.
            Err(failure) if !failure.is(&[Situation::TooManyConnections, Situation::ConnectionLimit]) => {
                Err(failure.into())
            }
            _ => Ok(()),
        }
    }

    /// Ends the sessions of this run in the database that have this name, whatever became of our end of them: they
    /// would keep their locks for as long as the server takes them for alive.
    pub async fn end_sessions(&self, application_name: &str) -> Result<()> {
        let Some(oid) = self.oid else { return Ok(()) };
        let name = literal(application_name);
        let ours = format!("datid = {oid} AND usename = current_user AND application_name = {name}");
        let order = format!(
            "DO $$ BEGIN
               FOR n IN 1..100 LOOP
                 PERFORM pg_stat_clear_snapshot();
                 PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours};
                 EXIT WHEN NOT FOUND;
                 PERFORM pg_sleep(0.1);
               END LOOP;
             END $$;"
        );
        self.maintenance.execute(&order).await
    }

    /// Takes back what was set for everybody in the database.
    pub async fn reset(&self, parameter: &str) -> Result<()> {
        let name = identifier(&self.called);
        self.maintenance.execute(&format!("ALTER DATABASE {name} RESET {parameter};")).await
    }

    /// Makes this the tablespace that the database will lie in.
    pub fn lies_in(&mut self, tablespace: String) {
        self.tablespace = Some(tablespace);
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
        if let Some(tablespace) = &self.tablespace {
            statement = format!("{} TABLESPACE {};", statement.trim_end_matches(';'), identifier(tablespace));
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
        // On a task of its own: whoever gives up meanwhile must not lose sight of a database in the making.
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

    /// Gives the database a name that says that something is missing in it: `app_incomplete`, with a moment if there
    /// is one already.
    pub async fn keep_as_incomplete(&mut self) -> Result<()> {
        let Some(known) = self.known() else { return Ok(()) };
        let mut name = name_with(&self.name, INCOMPLETE, "");
        if reach(&self.maintenance, &name).await?.1 {
            let moment = known.name.rsplit_once(RESTORING).map_or("", |(_, moment)| moment);
            name = name_with(&self.name, &format!("{INCOMPLETE}_"), moment);
        }
        let renaming = Renaming { maintenance: &self.maintenance };
        renaming.insist(None, &known, &renames(&known, &name), &name).await?;
        self.be_called(name);
        Ok(())
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
    /// That the system's own tables are not this role's to analyze is nothing to hear about.
    pub async fn analyze(&self) {
        if let Err(error) = self.psql.execute("SET client_min_messages = error;\nANALYZE;").await {
            tracing::warn!("ANALYZE failed, queries may be slow until it is run: {error}");
        }
    }

    /// Fills a materialized view; event triggers do not fire for a superuser.
    pub async fn refresh(&self, view: &str) -> Result<()> {
        self.psql
            .execute(&format!(
                "DO $$ BEGIN IF current_setting('is_superuser') = 'on' THEN
                   PERFORM set_config('session_replication_role', 'replica', false);
                 END IF; END $$;
                 REFRESH MATERIALIZED VIEW {view};"
            ))
            .await
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
