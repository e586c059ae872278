//! From a database, a command or a file to the bytes of a backup.

pub mod command;
pub mod database;
pub mod every;
pub mod look;
