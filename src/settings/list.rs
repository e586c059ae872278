//! The settings of `pgstow list`.

use super::{history, keys, location_to_look_at, name};
use crate::cli::ListWords;
use crate::error::Result;
use crate::stored::find::history::History;
use crate::stored::format::names::Name;
use crate::stored::format::signing::VerifyKeys;
use crate::stored::read::opened::Location;
use std::time::Duration;

/// `pgstow list`.
#[derive(Debug)]
pub struct List {
    /// Only this name.
    pub name: Option<Name>,
    /// Only backups that are at most this old.
    pub newer_than: Option<Duration>,
    /// Where.
    pub location: Location,
    /// Whose manifests to believe.
    pub trusted: Option<VerifyKeys>,
    /// Which backups were seen before, if that is to be compared.
    pub history: Option<History>,
}

impl List {
    /// Checks the words of `pgstow list`.
    pub fn read(words: &ListWords) -> Result<Self> {
        Ok(Self {
            name: name(words.only.as_deref().or(words.name.as_deref()))?,
            newer_than: words.newer_than,
            location: location_to_look_at(&words.store)?,
            history: history(&words.trust),
            trusted: keys::verify_keys(&words.trust)?,
        })
    }
}
