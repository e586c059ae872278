//! Into a database in use, in one transaction: rows for tables that it has, or tables that it has no more.

mod append;
mod create_tables;
mod live_rows;
mod one_transaction;

pub use append::{Appended, IntoOptions, append};
pub use create_tables::create;
