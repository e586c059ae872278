//! What is asked of a rekey: which backups, what opens them, and who can read them from now on.

use crate::pipeline::keys::Recipients;
use crate::stored::find::newest::Which;
use crate::stored::format::names::Name;
use crate::stored::format::signing::SigningKey;
use crate::stored::read::opened::ReadOptions;
use std::sync::Arc;

/// Which backups get new recipients, and which those are.
#[derive(Debug)]
pub struct RekeyOptions {
    /// Which backups.
    pub which: Which,
    /// Of this name only.
    pub name: Option<Name>,
    /// Where they are, and the keys that open them.
    pub reading: ReadOptions,
    /// What becomes of them.
    pub change: Change,
    /// Whether it is only said what would be done.
    pub dry_run: bool,
}

/// What becomes of the chosen backups.
#[derive(Debug)]
pub struct Change {
    /// Who can read them from now on.
    pub recipients: Arc<Recipients>,
    /// The key that signs the manifests of those that were signed before.
    pub signing: Option<SigningKey>,
    /// Whether the old ones stay.
    pub keep_old: bool,
}
