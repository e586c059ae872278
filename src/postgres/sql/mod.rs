//! SQL as text: names and strings quoted, statements of PostgreSQL's own tools taken apart.
//!
//! Nothing here runs anything.

mod database;
mod mask;
mod quote;
pub mod words;

pub use database::about_database;
pub use mask::masked;
pub use quote::{identifier, literal, shell_word};
