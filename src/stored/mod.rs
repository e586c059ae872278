//! A backup in a store: what is written about it, how it is found, sent, received and opened.
//!
//! Never sees a database or Neon. `format`, then `find`, `read` and `write`: each knows only those before it.

pub mod download;
pub mod find;
pub mod format;
pub mod read;
pub mod upload;
pub mod watch;
pub mod write;
