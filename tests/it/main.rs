//! The integration tests: the built `pgstow` against real databases and real stores.
//!
//! One binary, so that the servers are started once and everything links once. `harness` runs
//! pgstow, `servers` runs everything else; the other modules are the tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that cannot go on fails by panicking"
)]

#[allow(dead_code, reason = "a box of tools, not all of which are in use at any time")]
mod harness;
mod scene;
#[allow(dead_code, reason = "a box of tools, not all of which are in use at any time")]
mod servers;

mod back;
mod clone;
mod config;
mod deploy;
mod doctor;
mod documents;
mod field;
mod gcs;
mod history;
mod hostile;
mod inventory;
mod journey;
mod keep;
mod keys;
mod monitoring;
mod neon;
mod opens_without_us;
mod options;
mod parallel;
mod passwords;
mod proof;
mod report;
mod roles;
mod schedule;
mod secrets;
mod shells;
mod soak;
mod sources;
mod store_faults;
mod stores;
mod swap;
mod tables;
mod there;
mod tried;
mod two_stores;
