//! The ways to load an archive or a script into the target database.

mod early;
pub mod later;
mod parts;
mod queue;
pub mod script;
pub mod stream;
pub mod workers;
