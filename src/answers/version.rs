//! What `version` answers.

use super::Answer;
use crate::version;
use serde::Serialize;

/// The program's version.
#[derive(Debug, Serialize)]
pub struct Version {
    version: &'static str,
    /// The commit it was built from, if that is known.
    commit: Option<&'static str>,
    /// The optional features it was built with.
    features: &'static [&'static str],
}

impl Version {
    /// This program's.
    pub const OURS: Self =
        Self { version: version::VERSION, commit: version::COMMIT, features: version::FEATURES };
}

impl Answer for Version {
    fn text(&self) -> String {
        format!("pgstow {}", version::long())
    }
}
