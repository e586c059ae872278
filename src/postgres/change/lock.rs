//! One backup of a name, or one restore into a database, at a time: an advisory lock, held by a session of
//! its own.
//!
//! It belongs to the database that the session is connected to. A backup's key is made of store and name:
//! one database may well go into two stores at the same time. Nothing but the end of the session frees it.
//!
//! A restore's lock is held by a transaction, through which a pooler keeps its session for us alone; when the connection ends,
//! the lock is gone. A backup reads from no pooler of that kind, and on its server nobody wants to see a transaction open for hours.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::error::{Error, Kind, Result};

use super::reach::reach;
use crate::postgres::server::{Backend, moved};
use crate::postgres::tools::Psql;
use crate::postgres::tools::session::Session;
use crate::postgres::tools::sessions::{HOLDING, LASTING};

/// The first half of every key: `pgst` in ASCII.
const OURS: i32 = i32::from_be_bytes(*b"pgst");
/// How often a lock that somebody else holds is asked for.
const EVERY: Duration = Duration::from_secs(1);

/// A session that holds locks; dropping it frees them.
pub struct Lock {
    /// `None` if the role may have too few sessions for one that only holds locks.
    session: Option<Session>,
    /// Its backend, as it was asked first.
    own: Option<Backend>,
}

/// Sessions that a run has at the same time besides the one that holds its lock.
const OTHERS: u32 = 2;

/// SQL for how many sessions the role may still have at once in this database, this one included: the role and the
/// database may have a limit. Null if nobody counts them.
pub const SESSIONS_LEFT: &str = "(SELECT greatest(1, least(of_role, of_database)) FROM (SELECT
      CASE WHEN rolconnlimit >= 0 THEN rolconnlimit - (SELECT count(*) FROM pg_stat_activity
        WHERE usename = session_user AND pid <> pg_backend_pid()) END AS of_role,
      CASE WHEN datconnlimit >= 0 THEN datconnlimit - (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()) END AS of_database
      FROM pg_roles, pg_database WHERE rolname = session_user AND datname = current_database() AND NOT rolsuper) AS l
    WHERE coalesce(of_role, of_database) IS NOT NULL)";

/// Asks again how many sessions the role may still have at once; `None` if nobody counts them.
pub async fn sessions_left(psql: &Psql) -> Result<Option<u32>> {
    let [left]: [Option<u32>; 1] = psql.query(&format!("SELECT json_build_array({SESSIONS_LEFT});")).await?;
    Ok(left)
}

/// Whether the role may have a session that only holds a lock; says so if not.
pub fn may_hold_a_session(left: Option<u32>) -> bool {
    let may = left.is_none_or(|left| left > OTHERS);
    if !may {
        tracing::warn!(
            target: "pgstow::once",
            "the role may have so few sessions at once (CONNECTION LIMIT) that there is one worker, and no lock that keeps another run away"
        );
    }
    may
}

impl Lock {
    /// One that holds nothing, and keeps nobody away.
    pub fn none() -> Self {
        Self { session: None, own: None }
    }

    /// Opens a session that holds nothing yet, if the role may have enough: `left` sessions at once.
    pub async fn open(psql: &Psql, left: Option<u32>) -> Result<Self> {
        Self::begin(psql, left, "").await
    }

    async fn begin(psql: &Psql, left: Option<u32>, setup: &str) -> Result<Self> {
        if !may_hold_a_session(left) {
            return Ok(Self::none());
        }
        // As the role that logs in, whatever role is asked in: it only holds.
        Ok(Self { session: Some(Session::bare(&psql.in_role(None), setup).await?), own: None })
    }

    /// How many of the sessions that were left before it are left besides it.
    pub fn besides(&self, left: Option<u32>) -> Option<u32> {
        left.map(|left| left - u32::from(self.session.is_some()))
    }

    /// The backend of the session, if there is one.
    pub async fn backend(&mut self) -> Result<Option<Backend>> {
        if let (Some(session), None) = (&mut self.session, &self.own) {
            self.own = Some(Backend::of(session).await?);
        }
        Ok(self.own.clone())
    }

    /// Fails if the session has another backend by now, after others have asked.
    ///
    /// # Errors
    /// `Kind::Usage`: a pooler would keep the lock with a session that is not ours.
    pub async fn stays(&mut self) -> Result<()> {
        match (&mut self.session, &self.own) {
            (Some(session), Some(own)) => own.stays(session).await,
            _ => Ok(()),
        }
    }

    /// Takes the lock of the backups of this name in this store, waiting for at most `wait`.
    ///
    /// Works on a standby too, where it keeps only the standby's own runs apart.
    ///
    /// # Errors
    /// `Kind::Locked` if another run holds it for longer than the wait.
    pub async fn of_backup(&mut self, store: &str, name: &str, wait: Duration) -> Result<()> {
        let locked = |error: Error| {
            error.hint("--wait 10m waits for it; its session is in pg_locks, of type advisory")
        };
        let (key, other) = (second_half(store, name), format!("another backup of {name}"));
        if let Some(session) = &mut self.session {
            session.ask(LASTING).await?;
        }
        let taken = self.take("pg_try_advisory_lock", key, &other, wait).await;
        taken.map_err(|error| if error.kind() == Kind::Locked { locked(error) } else { error })
    }

    /// Takes the lock of the restores into the database of this name, in a session that is in another one; `left` is how many
    /// sessions the role may still have.
    ///
    /// # Errors
    /// `Kind::Locked` if another run holds it.
    pub async fn of_restore(psql: &Psql, left: Option<u32>, name: &str) -> Result<Self> {
        let mut lock = Self::begin(psql, left, HOLDING).await?;
        let locked = |error: Error| {
            error.hint("wait for it, or restore into a database of another name; its session is in pg_locks, of type advisory")
        };
        let (key, other) = (second_half("restore", name), format!("another restore into {name}"));
        let taken = lock.take("pg_try_advisory_xact_lock", key, &other, Duration::ZERO).await;
        taken.map_err(|error| if error.kind() == Kind::Locked { locked(error) } else { error })?;
        Ok(lock)
    }

    /// Keeps restores into the database of this name away, over the connection on which each of them takes the lock.
    ///
    /// # Errors
    /// `Kind::Locked` if another run holds it.
    pub async fn against_restores(psql: &Psql, name: &str) -> Result<Self> {
        let (maintenance, _) = reach(psql, name).await?;
        Self::of_restore(&maintenance, sessions_left(&maintenance).await?, name).await
    }

    /// Takes a lock with this function of the server, by the session's own backend and no other.
    async fn take(&mut self, function: &str, key: i32, other: &str, wait: Duration) -> Result<()> {
        let own = self.backend().await?;
        let (Some(session), Some(own)) = (&mut self.session, own) else { return Ok(()) };
        let query = format!(
            "SELECT CASE WHEN NOT {} THEN 'moved' WHEN pg_catalog.{function}({OURS}, {key}) THEN 'taken' ELSE 'held' END;",
            own.is_here()
        );
        let deadline = Instant::now() + wait;
        let mut waiting = false;
        loop {
            match &*session.ask(&query).await? {
                "taken" => return Ok(()),
                "moved" => return Err(moved()),
                _ => {}
            }
            if Instant::now() >= deadline {
                return Err(Error::new(Kind::Locked, format!("{other} is running")));
            }
            if !std::mem::replace(&mut waiting, true) {
                tracing::warn!("{other} is running; waiting for it");
            }
            tokio::time::sleep_until(deadline.min(Instant::now() + EVERY)).await;
        }
    }
}

/// The second half of a key: the first four bytes of the SHA-256 of `STORE/NAME`, as a signed number.
fn second_half(store: &str, name: &str) -> i32 {
    let digest = Sha256::digest(format!("{store}/{name}"));
    digest.first_chunk().copied().map(i32::from_be_bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_can_be_computed_by_others() {
        // printf s3://bucket/prefix/app | sha256sum
        let half = i32::from_be_bytes([0x75, 0x31, 0xe5, 0x61]);
        assert_eq!((OURS, second_half("s3://bucket/prefix", "app")), (1_885_827_956, half));
    }
}
