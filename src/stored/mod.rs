//! A backup in a store: what is written about it, how it is found, sent, received and opened.
//!
//! Never sees a database or Neon.

pub mod catalogue;
pub mod clocks;
pub mod compare;
pub mod contents;
pub mod destinations;
pub mod digest;
pub mod download;
pub mod excerpt;
pub mod header;
pub mod history;
pub mod inventory;
pub mod manifest;
mod metadata;
pub mod name_pattern;
pub mod names;
pub mod newest;
pub mod opened;
mod prefixes;
mod previous;
pub mod proven;
pub mod publication;
pub mod ranges;
pub mod read_back;
pub mod reader;
pub mod receipt;
pub mod removal;
pub mod renamed;
pub mod signing;
pub mod upload;
pub mod uploads;
pub mod watch;
pub mod writer;
