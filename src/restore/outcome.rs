//! What became of a restore.

use super::plan::Plan;
use crate::error::{Error, Result};
use crate::proof::Proof;
use crate::stored::format::inventory::Inventory;
use std::time::Duration;

/// A database that was filled.
pub struct Filled {
    /// How many tables are in it.
    pub tables: u64,
    /// How many rows came; `None` if nobody counted them.
    pub rows: Option<u64>,
    /// What was decided before.
    pub plan: Plan,
    /// What the dump held, if that became known only while it passed.
    pub passed: Option<Inventory>,
    /// What could not be restored, a message each, if that is no reason to stop.
    pub failed: Vec<String>,
}

/// A database that was filled, looked at, and finished if it is what was dumped.
pub struct Outcome {
    /// The database's name.
    pub database: String,
    /// Whether this run created it.
    pub created: bool,
    /// What came.
    pub filled: Filled,
    /// What was proven; `None` if nothing was to be, or could be.
    pub proof: Option<Proof>,
    /// How many checkpoints the server was asked for outside its schedule while it was filled; `None` if it did not say.
    pub forced_checkpoints: Option<u64>,
    /// How long all of it took.
    pub took: Duration,
    /// Why it is not what was dumped; it was dropped then, unless it was to be kept.
    pub differs: Option<Error>,
}

impl Outcome {
    /// Fails if the database is not what was dumped.
    pub fn conclude(self) -> Result<()> {
        self.differs.map_or(Ok(()), Err)
    }
}
