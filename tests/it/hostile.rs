//! Servers and backups that want to do harm: whatever they say, no program of theirs runs here.

mod liar;
mod secrets;
mod server;
