//! What is asked of a copy: which backups, from where, and where to.

use crate::stored::find::history::History;
use crate::stored::find::newest::Which;
use crate::stored::format::names::Name;
use crate::stored::format::signing::VerifyKeys;
use crate::stored::read::opened::Location;

/// What to copy, and where.
#[derive(Debug)]
pub struct CopyOptions {
    /// Where the backups are.
    pub from: Location,
    /// Where they are to be too.
    pub to: Location,
    /// Which.
    pub which: Which,
    /// Of this name only.
    pub name: Option<Name>,
    /// Whose manifests to believe.
    pub trusted: Option<VerifyKeys>,
    /// Which backups were seen before, if that is to be compared.
    pub history: Option<History>,
    /// Backups that are copied at the same time.
    pub jobs: usize,
}
