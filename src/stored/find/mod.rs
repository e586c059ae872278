//! Which backups are in a store, and which of them is meant: a listing, the newest one, those that are proven.

pub mod catalogue;
pub mod clocks;
pub mod contents;
pub mod history;
pub mod newest;
pub mod proven;
pub mod renamed;
