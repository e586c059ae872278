//! The settings of `pgstow list`.

use super::{StoreSettings, keys, name};
use crate::cli::ListWords;
use crate::error::Result;
use crate::stored::names::Name;
use crate::stored::signing::VerifyKey;

/// `pgstow list`.
#[derive(Debug)]
pub struct List {
    /// Only this name.
    pub name: Option<Name>,
    /// Where.
    pub store: StoreSettings,
    /// Whose manifests to believe.
    pub trusted: Option<VerifyKey>,
}

impl List {
    /// Checks the words of `pgstow list`.
    pub fn read(words: &ListWords) -> Result<Self> {
        Ok(Self {
            name: name(words.only.as_deref().or(words.name.as_deref()))?,
            store: StoreSettings::read(&words.store)?,
            trusted: keys::verify_key(&words.trust)?,
        })
    }
}
