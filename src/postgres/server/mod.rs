//! What a server and its database are, asked before a dump or a restore.
//!
//! A dozen questions, which PostgreSQL 13 and everything newer answers. They also find what would make the
//! dump fail after hours, or be refused for good reason: row-level security, a pooler that a managed
//! service puts in between.

mod blockers;
mod catalog;
mod checkpoints;
mod cluster;
mod columns;
pub mod databases;
mod extensions;
mod facts;
mod heaps;
mod locale;
pub mod managed;
pub mod patterns;
mod pooled;
mod presets;
mod rights;
mod unlocked;
mod unreadable;

use serde::Deserialize;

use crate::error::{Error, Result};

use crate::postgres::change::lock::SESSIONS_LEFT;
use crate::postgres::clients::Version;
use crate::postgres::connect::pooler;
use crate::postgres::failure::Situation;
use crate::postgres::sql::identifier;
use crate::postgres::tools::Psql;

pub use blockers::{exclusive_locks, lock_holders, waits_too_long};
pub use catalog::{Changes, Moment};
pub use checkpoints::Checkpoints;
pub use cluster::Cluster;
pub use columns::{FoundTable, Reference, Referring, WantedTable};
pub use extensions::extensions;
pub use facts::{Rights, TargetFacts};
pub use heaps::{Heap, KNOWS_PAGE_RANGES, heaps};
pub use locale::Locale;
pub use pooled::{Backend, moved, refuse_shared_backends};
pub use presets::Presets;
pub use rights::{Unreachable, first_names};
pub use unlocked::{Kept, Unlocked};
pub use unreadable::Unreadable;

/// A server and the database connected to.
#[derive(Debug, Clone, Deserialize)]
pub struct Server {
    version_num: u32,
    /// The server's version in its own words, e.g. `15.20 (Debian 15.20-0+deb12u1)`.
    pub version_text: String,
    /// The database connected to.
    pub database: String,
    /// The role that is asked in.
    pub user: String,
    /// The role that has logged in; most of the time the same.
    pub login: String,
    /// Host (or socket folder) and port that libpq really used, services and defaults applied.
    pub host: Option<String>,
    /// The port, or the number in the socket's name.
    pub port: Option<String>,
    /// `pg_database_size`: bytes on the server's disk, indexes included.
    pub size_bytes: u64,
    /// How many sessions the role could still have at once, this one included; `None` if nobody counts them.
    pub sessions_left: Option<u32>,
    /// Whether the role that has logged in is one.
    is_superuser: bool,
    /// `lc_messages`: the language of the server's messages.
    messages: String,
    /// Settings, with their usual values, of how values and names are written: those that are not so here, and that
    /// `pg_dump` takes as they are.
    spelling: Vec<(String, String)>,
    /// Whether the server is a standby.
    pub in_recovery: bool,
    /// Tables (quoted, with schema) whose rows row-level security hides from this role. `pg_dump` reads each partition
    /// itself, so the policies of a partitioned table hide nothing.
    pub rls_active_tables: Vec<String>,
}

const QUERY: &str = "
SELECT json_build_object(
  'version_num', current_setting('server_version_num')::int,
  'version_text', current_setting('server_version'),
  'database', current_database(),
  'user', current_user,
  'login', session_user,
  'host', nullif(:'HOST', ''),
  'port', nullif(:'PORT', ''),
  'size_bytes', pg_database_size(current_database()),
  'sessions_left', {sessions_left},
  'is_superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = session_user),
  'messages', current_setting('lc_messages'),
  'in_recovery', pg_is_in_recovery(),
  'spelling', (
    SELECT coalesce(json_agg(json_build_array(w.name, w.value)), '[]')
    FROM pg_settings s JOIN (VALUES ('bytea_output', 'hex'), ('quote_all_identifiers', 'off')) w(name, value) USING (name)
    WHERE s.reset_val <> w.value),
  'rls_active_tables', (
    SELECT coalesce(json_agg(format('%I.%I', n.nspname, c.relname) ORDER BY n.nspname, c.relname), '[]')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relrowsecurity AND row_security_active(c.oid)
      AND NOT EXISTS (SELECT FROM pg_depend x
                      WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')));";

/// What helps if the role to be taken is not there.
const NO_SUCH_ROLE: &str = "check the role that --pg-dump-arg --role names; the server does not know it";

/// The setting for messages in English.
const ENGLISH: (&str, &str) = ("lc_messages", "C");

impl Server {
    /// Connects and asks.
    pub async fn inspect(psql: &Psql) -> Result<Self> {
        let asked = psql.query(&QUERY.replace("{sessions_left}", SESSIONS_LEFT)).await;
        asked.map_err(|error: Error| match (psql.role(), error.situation()) {
            // It is none that a restore could create.
            (Some(_), Some(Situation::RoleMissing)) => error.without_hints().hint(NO_SUCH_ROLE),
            _ => error,
        })
    }

    /// The server's version.
    pub fn version(&self) -> Version {
        Version::from_num(self.version_num)
    }

    /// Asks for the number that `initdb` gave to this server's data; `None` if this role may not know it.
    pub async fn system_identifier(psql: &Psql) -> Option<String> {
        let asked = psql.query("SELECT to_json(system_identifier::text) FROM pg_control_system();").await;
        asked.inspect_err(|error| tracing::debug!("the server's identifier is not known: {error}")).ok()
    }

    /// Asks from now on for messages in English, by which failures are recognised, if this role may; and for values and
    /// names as they are usually written, so that two dumps of the same rows are alike.
    ///
    /// Most servers need not be asked. A pooler at an ordinary address may refuse it, so it is tried first.
    pub async fn as_usual(&self, psql: Psql) -> Psql {
        let is_english = |name: &str| ["", "C", "POSIX"].contains(&name) || name.starts_with("en");
        // "C.UTF-8" and "en_US.UTF-8" without the encoding.
        let language = self.messages.split('.').next().unwrap_or_default();
        let english = (self.is_superuser && !is_english(language)).then_some(ENGLISH);
        let spelling = self.spelling.iter().map(|(name, value)| (&name[..], &value[..]));
        let wanted: Vec<(&str, &str)> = english.into_iter().chain(spelling).collect();
        if wanted.is_empty() {
            return psql;
        }
        match psql.with_settings(&wanted, &self.database).await {
            Ok(usual) => usual,
            Err(error) => {
                tracing::debug!("the server's settings stay as they are ({wanted:?}): {error}");
                psql
            }
        }
    }

    /// Refuses a pooler by the address that libpq really used.
    pub fn refuse_pooler(&self) -> Result<()> {
        pooler::refuse(self.host.as_deref().unwrap_or_default(), self.port.as_deref().unwrap_or_default())
    }

    /// Refuses a dump in which row-level security would hide rows, and warns of a standby's limits.
    ///
    /// A `filtered` dump may leave those tables out; there `pg_dump` decides, and fails if it must.
    pub fn check_dump(&self, filtered: bool) -> Result<()> {
        if self.in_recovery {
            tracing::warn!(target: "pgstow::once::standby",
                "the server is a standby: unlogged tables are not in the backup, and a recovery conflict may cancel it",
            );
        }
        if filtered || self.rls_active_tables.is_empty() {
            return Ok(());
        }
        let names = first_names(&self.rls_active_tables);
        Err(Error::postgres(format!(
            "row-level security hides rows of {names} from role {}; the backup would not be whole",
            self.user
        ))
        .hint(format!(
            "dump as a role that sees everything (ALTER ROLE {} BYPASSRLS, as a superuser), or exclude the tables",
            identifier(&self.user)
        )))
    }
}

/// Refuses a target whose server is a standby.
pub fn refuse_standby(in_recovery: bool) -> Result<()> {
    match in_recovery {
        true => Err(Error::postgres("the target server is a standby, which cannot be written to")
            .hint("name the primary's host")),
        false => Ok(()),
    }
}
