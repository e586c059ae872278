//! What a verb answers: a document for programs, and its text for people.
//!
//! Every JSON document is a struct here; some of its parts are structs of the rooms whose facts they are.
//! docs/json.md shows an example of each. Nothing is printed here:
//! that is `report.rs`.

pub mod backup;
pub mod doctor;
pub mod fetch;
pub mod keygen;
pub mod list;
pub mod prune;
pub mod restore;
pub mod show;
pub mod status;
mod tables;
pub mod verify;
pub mod version;

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
}
