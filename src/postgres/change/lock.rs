//! One backup of a name at a time: an advisory lock on the source, held by a session of its own.
//!
//! It belongs to the database, and is told from others by the store and the name: one database may well
//! go into two stores at the same time. Nothing but the end of the session frees it.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::error::{Error, Kind, Result};

use crate::postgres::tools::Psql;
use crate::postgres::tools::session::Session;

/// The first half of every key: `pgst` in ASCII.
const OURS: i32 = i32::from_be_bytes(*b"pgst");
/// How often a lock that somebody else holds is asked for.
const EVERY: Duration = Duration::from_secs(1);

/// A session may rest for as long as the dump takes; the setting exists since PostgreSQL 14.
const SETUP: &str = "DO $$ BEGIN
  PERFORM set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';
END $$;";

/// A lock; dropping it frees it.
pub struct Lock {
    _session: Session,
}

impl Lock {
    /// Takes the lock of this name in this store, waiting for at most `wait` where another run holds it.
    ///
    /// Works on a standby too, where it keeps only the standby's own runs apart. Fails with
    /// `Kind::Locked` where the other run outlasts the wait.
    pub async fn take(psql: &Psql, store: &str, name: &str, wait: Duration) -> Result<Self> {
        let query = format!("SELECT pg_try_advisory_lock({OURS}, {});", second_half(store, name));
        let deadline = Instant::now() + wait;
        let mut session = Session::open(psql, SETUP).await?;
        let mut waiting = false;
        loop {
            if session.ask(&query).await? == "t" {
                return Ok(Self { _session: session });
            }
            if Instant::now() >= deadline {
                let error = Error::new(Kind::Locked, format!("another backup of {name} is running"));
                return Err(
                    error.hint("--wait 10m waits for it; its session is in pg_locks, of type advisory")
                );
            }
            if !std::mem::replace(&mut waiting, true) {
                tracing::warn!("another backup of {name} is running; waiting for it");
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
