//! What a verb answers: a document for programs, and its text for people.
//!
//! Every JSON document is a struct here; some of its parts are structs of the rooms whose facts they are.
//! docs/json.md shows an example of each. Nothing is printed here:
//! that is `report/`.

pub mod backup;
pub mod config;
pub mod copy;
pub mod doctor;
pub mod fetch;
pub mod keygen;
pub mod keys;
pub mod list;
pub mod overview;
pub mod prune;
pub mod receipts;
pub mod rekey;
pub mod restore;
pub mod script;
pub mod show;
pub mod status;
mod tables;
pub mod theft;
pub mod verify;
pub mod version;

use crate::record::Entry;
use serde::Serialize;

/// What a verb answers.
pub trait Answer: Serialize {
    /// The same for people; empty if there is nothing that they asked for.
    fn text(&self) -> String {
        String::new()
    }

    /// The same for a terminal of this number of columns.
    fn text_within(&self, _columns: usize) -> String {
        self.text()
    }

    /// What became of each backup or database.
    fn entries(&self) -> Vec<Entry> {
        Vec::new()
    }

    /// What must not be repeated in a log.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}
