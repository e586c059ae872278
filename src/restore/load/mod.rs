//! The ways to load an archive or a script into the target database.

pub mod parts;
pub mod script;
pub mod stream;
pub mod workers;
