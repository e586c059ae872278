//! What an inventory says of an extension: what an archive does not say itself.

use serde::{Deserialize, Serialize};

/// An extension of the dumped database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// Its version, in its own words.
    pub version: String,
    /// Its tables and sequences whose content the dump has: schema and name of each.
    pub content: Vec<[String; 2]>,
    /// Its schemas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<String>,
    /// What else of it somebody has granted rights on: schema and name of each, without arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted: Vec<[String; 2]>,
    /// Its tables, and its functions for triggers, if that is known: schema and name of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Vec<[String; 2]>>,
}
