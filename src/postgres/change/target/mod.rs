//! The database a restore fills: found empty or made for it, never emptied.
//!
//! Only a database that this run created is ever dropped. The new one comes from `template0` with
//! the source's encoding and locale.

mod create;
mod defaults;
mod existing;
mod made;
mod publish;
mod statements;
mod timescale;

pub use defaults::{ASIDE, BACK};
pub use existing::{OwnProperties, SchemaAndName, Schemas, Taken, existing, parts_of_tables};
pub use statements::analyze;
pub use timescale::RESTORING as TIMESCALEDB_RESTORING;
pub(super) use timescale::resume;

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::error::{Error, Result};

use super::content;
use super::lock::{Lock, may_hold_a_session};
use super::naming::{Naming, free_name, report_trials, report_unfinished};
use super::reach::reach;
use super::rename::{Known, RESTORING};
use crate::postgres::clients::{Client, Version};
use crate::postgres::connect::ConnInfo;
use crate::postgres::failure::{Failure, Situation};
use crate::postgres::server::{Checkpoints, Server, TargetFacts, refuse_standby};
use crate::postgres::sql::{block, identifier, literal};
use crate::postgres::tools::psql::Psql;
use crate::postgres::tools::sessions::WITHOUT_EVENT_TRIGGERS;

/// The server takes a moment to notice that a session has ended.
const BREATH: Duration = Duration::from_millis(300);

/// A target: the server is reached, and the database does not exist yet or is empty.
pub struct Target {
    /// The name that was asked for.
    name: String,
    /// The name it has now, or will be created under.
    called: String,
    /// Whether it is a trial's: only the moment in its name makes it differ from another trial's.
    is_trial: bool,
    /// Its object identifier, once this run has created it.
    oid: Option<u32>,
    /// Keeps other restores into the same database away.
    _lock: Lock,
    server: Server,
    maintenance: Psql,
    psql: Psql,
    exists: bool,
    created: bool,
    owner: Option<String>,
    tablespace: Option<String>,
    made_roles: Vec<String>,
    making_roles: Option<(Vec<String>, JoinHandle<Result<()>>)>,
    closed: bool,
    owner_waits: bool,
    creating: Option<JoinHandle<Result<Vec<u8>, Failure>>>,
    locks: u64,
    logs_least: bool,
    sessions: Option<u32>,
    named_at_once: bool,
    inherits: bool,
    search_path: Option<String>,
    holds_timescaledb: bool,
}

/// The server has room for a few more locks, and does not say for how many.
const SETTINGS: &str = "SELECT json_build_array(current_setting('max_locks_per_transaction')::bigint *
  (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint),
  current_setting('wal_level') = 'minimal');";

impl Target {
    /// Reaches the server and looks at the database, which is changed by nothing here.
    ///
    /// # Errors
    /// `Kind::TargetExists` if it has content, `Kind::Locked` if another run is restoring into it.
    pub async fn open(client: &Client, conn: &ConnInfo, naming: Naming) -> Result<Self> {
        let name = conn.target_name()?.to_string();
        let psql = Psql::new(client, conn);
        let (maintenance, mut exists) = reach(&psql, &name).await?;
        let server = Server::inspect(&maintenance).await?;
        refuse_standby(server.in_recovery)?;
        let named_at_once = matches!(naming, Naming::AtOnce | Naming::ForSwap { .. });
        let inherits = matches!(naming, Naming::ForSwap { .. });
        let is_trial = matches!(naming, Naming::ForTrial);
        let (mut called, mut lock, mut owner) = (name.clone(), Lock::none(), None);
        match naming {
            Naming::AtOnce => {}
            // What is restored may need what only the database's owner is allowed (pg_database_owner).
            Naming::ForSwap { owner: of_live } => owner = of_live,
            Naming::ForTrial => {
                exists = false;
                called = free_name(&maintenance, &name, RESTORING).await?;
                report_trials(&maintenance).await?;
            }
            Naming::WhenProven => {
                lock = Lock::of_restore(&maintenance, server.sessions_left, &name).await?;
                if !exists {
                    called = free_name(&maintenance, &name, RESTORING).await?;
                    report_unfinished(&maintenance, &name).await?;
                }
            }
        }
        let (locks, logs_least): (u64, bool) = maintenance.query(SETTINGS).await?;
        let sessions = lock.besides(server.sessions_left);
        if exists {
            content::refuse(&psql, &name).await?;
        }
        Ok(Self {
            psql: server.as_usual(psql.with_dbname(&called)).await,
            name,
            called,
            is_trial,
            oid: None,
            _lock: lock,
            server,
            maintenance,
            exists,
            created: false,
            owner,
            tablespace: None,
            made_roles: Vec::new(),
            making_roles: None,
            closed: false,
            owner_waits: false,
            creating: None,
            locks,
            logs_least,
            sessions,
            named_at_once,
            inherits,
            search_path: None,
            holds_timescaledb: false,
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

    /// A text about the database as it is called now, for people: with the name that it gets in the end.
    pub fn by_its_last_name(&self, text: &str) -> String {
        let last = match self.name.rsplit_once(RESTORING) {
            Some((name, _)) if self.inherits => name,
            _ => &self.name,
        };
        text.replace(&identifier(&self.called), &identifier(last)).replace(&self.called, last)
    }

    /// Adds to a lack of a password for a database of this run how it is called: a password file may know its last name only.
    #[must_use]
    pub fn with_name_of_now(&self, error: Error) -> Error {
        if !self.created || error.situation() != Some(Situation::PasswordMissing) {
            return error;
        }
        error.without_hints().hint(format!(
            "until all is done the database is called {}: a line of ~/.pgpass fits every name if its database is *; or give the \
             password in the URL, or in PGPASSWORD",
            self.called
        ))
    }

    /// The name that the database has now, or will be created under.
    pub fn called(&self) -> &str {
        &self.called
    }

    /// Says whether it has its own name from the beginning, since nobody uses it before more is done.
    pub fn is_named_at_once(&self) -> bool {
        self.named_at_once
    }

    /// Says whether owner, grants and settings come with the name that it will get, and not with the backup.
    pub fn inherits(&self) -> bool {
        self.inherits
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

    /// Says whether the server writes no WAL for rows that come into a table in the transaction that emptied it
    /// (`wal_level=minimal`).
    pub fn logs_least(&self) -> bool {
        self.logs_least
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
        self.acting(self.maintenance.conn().with_dbname(&self.called))
    }

    /// Keeps event triggers from firing in every session of this run in the database.
    pub async fn without_event_triggers(&mut self) -> Result<()> {
        // The target's database may not be there yet.
        let reachable = self.maintenance.conn().database().unwrap_or("postgres");
        self.psql = self.psql.with_settings(&[WITHOUT_EVENT_TRIGGERS], reachable).await?;
        Ok(())
    }

    /// From now on, functions find in these schemas what they name without one: those that the server puts into the plan of a
    /// question, and those that it calls for statistics or materialized views.
    pub fn find_names_in(&mut self, schemas: Option<&str>) {
        self.search_path = schemas.map(|schemas| format!("pg_catalog, {schemas}"));
    }

    /// SQL that begins with that, for the rest of a session.
    pub(super) fn finding_names(&self) -> String {
        self.search_path.as_deref().map(finding_names).unwrap_or_default()
    }

    /// What else there is on the server.
    pub async fn facts(&self) -> Result<TargetFacts> {
        TargetFacts::ask(&self.maintenance).await
    }

    /// How often the server has been asked for checkpoints; `None` if it does not say.
    pub async fn checkpoints(&self) -> Option<Checkpoints> {
        self.breathe().await;
        let asked = Checkpoints::ask(&self.maintenance, self.version().major).await;
        asked.inspect_err(|error| tracing::debug!("checkpoints are not counted: {error}")).ok()
    }

    /// How often it was asked since then, while the database was filled, and what its `max_wal_size` is.
    pub async fn checkpoints_since(&self, before: &Checkpoints) -> Option<(u64, String)> {
        self.breathe().await;
        let major = self.version().major;
        let asked = Checkpoints::ask_again(&self.maintenance, major).await;
        let now = asked.inspect_err(|error| tracing::debug!("checkpoints are not counted: {error}")).ok()?;
        Some((now.since(before, self.created, major), now.max_wal_size))
    }

    /// Asks the database itself.
    pub(super) fn psql(&self) -> &Psql {
        &self.psql
    }

    /// The database that this run created, known by more than its name.
    fn known(&self) -> Option<Known> {
        Some(Known { oid: self.oid?, name: self.called.clone() })
    }
}

/// SQL with which functions find names in these schemas for the rest of a session.
fn finding_names(schemas: &str) -> String {
    block(&format!("BEGIN PERFORM set_config('search_path', {}, false); END", literal(schemas)))
}
