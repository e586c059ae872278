//! The settings of `pgstow list`.

use super::{keys, location_to_look_at, name};
use crate::cli::ListWords;
use crate::error::Result;
use crate::stored::names::Name;
use crate::stored::opened::Location;
use crate::stored::signing::VerifyKey;

/// `pgstow list`.
#[derive(Debug)]
pub struct List {
    /// Only this name.
    pub name: Option<Name>,
    /// Where.
    pub location: Location,
    /// Whose manifests to believe.
    pub trusted: Option<VerifyKey>,
}

impl List {
    /// Checks the words of `pgstow list`.
    pub fn read(words: &ListWords) -> Result<Self> {
        Ok(Self {
            name: name(words.only.as_deref().or(words.name.as_deref()))?,
            location: location_to_look_at(&words.store)?,
            trusted: keys::verify_key(&words.trust)?,
        })
    }
}
