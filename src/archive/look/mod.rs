//! What an archive's table of contents says: facts, roles, tables to choose from.

mod attached;
mod classes;
pub mod database;
pub mod facts;
pub mod hypertables;
pub mod late;
pub mod list;
mod names;
pub mod partial;
pub mod pattern;
mod places;
mod reading;
pub mod roles;
pub mod select;
pub mod torn;
mod unsaid;
pub mod without;
