//! SQL as text: names and strings quoted, statements of PostgreSQL's own tools taken apart.
//!
//! Nothing here runs anything.

mod database;
mod mask;
mod quote;
pub mod words;

pub use database::about_database;
pub use mask::{masked, masked_within};
pub use quote::{LONGEST_NAME, block, identifier, list, literal};
