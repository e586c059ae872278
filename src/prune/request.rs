//! What is asked of a prune: where, what is kept, and what counts as a backup.

use crate::retention::Policy;
use crate::stored::find::contents::Standard;
use crate::stored::format::name_pattern::NamePattern;
use crate::stored::write::destinations::Destination;
use std::time::Duration;

/// What to remove, and where.
#[derive(Debug)]
pub struct PruneOptions {
    /// The stores that the backups are in; each is pruned for itself.
    pub destinations: Vec<Destination>,
    /// The names that match, or all if there are no patterns.
    pub names: Vec<NamePattern>,
    /// What is kept.
    pub policy: Policy,
    /// Which backups count as whole.
    pub standard: Standard,
    /// How old something must be that a killed run left.
    pub leftovers: Duration,
    /// Whether nothing is removed, only decided.
    pub dry_run: bool,
}
