//! One verb per file, each a short story. Only here do a database and a store meet.

pub mod adopt;
pub mod backup;
pub mod clone;
pub mod fetch;
pub mod keygen;
pub mod list;
pub mod show;
pub mod swap;
pub mod verify;
