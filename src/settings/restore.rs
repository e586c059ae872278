//! The settings of `pgstow restore`.

use super::{after, fitting, neon_branch, selection, server, tables};
use crate::archive::Pattern;
use crate::cli::RestoreWords;
use crate::error::{Error, Result};
use crate::branch::NeonBranch;
use crate::postgres::{ConnInfo, clients::Search};
use crate::proof::ProofBy;
use crate::restore::request::{After, Fitting};
use crate::stored::opened::BackupSelection;

/// `pgstow restore`.
#[derive(Debug)]
pub struct Restore {
    /// What to restore.
    pub source: BackupSelection,
    /// Which tables; none for all.
    pub tables: Vec<Pattern>,
    /// Into what.
    pub goal: Goal,
    /// How many workers, where the user says so.
    pub jobs: Option<u8>,
    /// How it is fitted to the server.
    pub fitting: Fitting,
    /// What is done in it before anybody sees it.
    pub after: After,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
    /// Understands one of the words that the command line allows.
pub(super) fn proof_by(word: &str) -> ProofBy {
    match word {
        "none" => ProofBy::Nothing,
        "digests" => ProofBy::Digests,
        _ => ProofBy::Counts,
    }
}
