//! A snapshot of the database that several sessions share.

use serde::Deserialize;
use tokio::sync::Mutex;

use crate::error::{Error, Result};

use super::psql::{Psql, check_sql, read};
use super::session::Session;
use crate::postgres::failure::Situation;
use crate::postgres::server::Moment;

/// Tells one running server from another: sessions of two servers must never be taken for one.
/// In seconds: how a moment is written depends on settings.
pub(super) const INSTANCE: &str =
    "(EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time()))::pg_catalog.text";

/// A snapshot; other sessions can begin to use it as long as this lives.
pub struct Snapshot {
    /// The name by which other sessions find it.
    pub id: String,
    /// The server that it is of.
    pub(super) instance: String,
    moment: Moment,
    /// Only held; the lock is for the compiler, as nobody asks it any more.
    _session: Mutex<Session>,
}

#[derive(Deserialize)]
struct Exported {
    is_wrong: bool,
    id: String,
    instance: String,
    moment: Moment,
}

/// Whether it is a standby of before November 2026: to a session that begins to use its snapshot, transactions that were
/// under way look as if they had ended, and what that session notes on pages stays. The parameter came with the same minors
/// of all majors as the mend.
const IS_WRONG: &str =
    "pg_is_in_recovery() AND NOT EXISTS (SELECT FROM pg_settings WHERE name = 'composite_type_mismatch')";

impl Snapshot {
    /// Takes it now. These tables, named as SQL, are locked before that against being
    /// changed or emptied.
    ///
    /// # Errors
    /// If one of the tables is gone, or not to be had for 5 seconds; if the server shares no snapshots, or would share a
    /// wrong one.
    pub async fn take(psql: &Psql, tables: &[String]) -> Result<Self> {
        let mut all = vec!["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned()];
        if !tables.is_empty() {
            all.push("SET LOCAL lock_timeout = '5s'".to_owned());
        }
        for table in tables {
            check_sql(table.as_bytes())?;
            // Such a lock needs no snapshot, so the snapshot is taken after it.
            all.push(format!("LOCK TABLE ONLY {table} IN ACCESS SHARE MODE"));
        }
        all.push(format!(
            "SELECT json_build_object('is_wrong', {IS_WRONG}, 'id', pg_export_snapshot(), 'instance', {INSTANCE}, 'moment', {});",
            Moment::SQL
        ));
        let mut session = Session::open(psql, "").await?;
        // All in one message: each costs a round trip.
        let question = all.join("\\;\n");
        let Exported { is_wrong, id, instance, moment } = read(session.ask(&question).await?.as_bytes())?;
        if is_wrong {
            return Err(Error::postgres("a snapshot of this standby cannot be shared")
                .in_situation(Situation::SnapshotBroken));
        }
        Ok(Self { id, instance, moment, _session: Mutex::new(session) })
    }

    /// Its moment.
    pub fn moment(&self) -> &Moment {
        &self.moment
    }
}
