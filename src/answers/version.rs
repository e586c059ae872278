//! What `version` answers.

use super::Answer;
use serde::Serialize;

/// The program's version.
#[derive(Debug, Serialize)]
pub struct Version {
    version: &'static str,
}

impl Version {
    /// This program's.
    pub const OURS: Self = Self { version: env!("CARGO_PKG_VERSION") };
}

impl Answer for Version {
    fn text(&self) -> String {
        format!("pgstow {}", self.version)
    }
}
