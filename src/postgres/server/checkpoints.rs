//! How often a server was asked for a checkpoint that its schedule does not have: while much is written, because the
//! WAL since the last one reached `max_wal_size`.

use std::time::Duration;

use serde::Deserialize;

use crate::error::Result;
use crate::postgres::tools::Psql;

/// Since this major they are counted in a view of their own.
const OWN_VIEW: u32 = 17;
/// Since this major a new database needs none; before, it needs two.
const NONE_TO_CREATE: u32 = 15;
/// Since this major what is counted can be seen at once; before, after half a second.
const COUNTS_AT_ONCE: u32 = 15;
const HALF_A_SECOND: Duration = Duration::from_millis(600);

/// What a server says of its checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Checkpoints {
    /// How many it was asked for since its statistics began.
    pub requested: u64,
    /// The setting, as `SHOW` prints it.
    pub max_wal_size: String,
}

impl Checkpoints {
    /// Asks a server of this major; every role may.
    pub async fn ask(psql: &Psql, major: u32) -> Result<Self> {
        let count = if major >= OWN_VIEW {
            "num_requested FROM pg_stat_checkpointer"
        } else {
            "checkpoints_req FROM pg_stat_bgwriter"
        };
        psql.query(&format!(
            "SELECT json_build_object('max_wal_size', current_setting('max_wal_size'), 'requested', (SELECT {count}));"
        ))
        .await
    }

    /// The same after something was done, when the server has counted all that it caused.
    pub async fn ask_again(psql: &Psql, major: u32) -> Result<Self> {
        if major < COUNTS_AT_ONCE {
            tokio::time::sleep(HALF_A_SECOND).await;
        }
        Self::ask(psql, major).await
    }

    /// How many it was asked for since then, without those that it needs to create a database; `created` says whether
    /// one was created meanwhile.
    pub fn since(&self, before: &Self, created: bool, major: u32) -> u64 {
        let own = if created && major < NONE_TO_CREATE { 2 } else { 0 };
        self.requested.saturating_sub(before.requested).saturating_sub(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_a_new_database_do_not_count() {
        let at = |requested| Checkpoints { requested, max_wal_size: "1GB".into() };
        assert_eq!(at(9).since(&at(4), true, 18), 5);
        assert_eq!(at(9).since(&at(4), true, 14), 3);
        assert_eq!(at(9).since(&at(4), false, 14), 5);
        assert_eq!(at(1).since(&at(4), false, 14), 0, "somebody has reset the statistics");
    }
}
