//! Keys over the years: who can read what, and new keys for old backups.

mod kills;
mod paper;
mod plugins;
mod readers;
mod rekey;
mod replaced;
pub(crate) mod scene;
