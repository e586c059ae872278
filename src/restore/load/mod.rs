//! The ways to load an archive or a script into the target database.

mod early;
pub mod parts;
mod queue;
pub mod script;
pub mod stream;
pub mod workers;
