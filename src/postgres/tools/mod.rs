//! PostgreSQL's own client programs, each with the options pgstow gives it.
//!
//! One file per program and purpose; which database is prepared how is decided elsewhere.

pub mod dump;
pub mod globals;
mod left_out;
mod passthrough;
pub mod psql;
pub mod restore;
mod rows;
pub mod script;
pub mod session;
pub mod sessions;
mod snapshot;

#[cfg(test)]
mod tests;

pub use dump::DumpOptions;
pub use psql::Psql;
pub use restore::PgRestoreOptions;
pub use rows::{ROWS, RowsReader};
pub use snapshot::Snapshot;
