//! pgstow.
pub mod archive;
pub mod cli;
pub mod error;
pub mod manifest;
pub mod names;
pub mod pipeline;
pub mod postgres;
pub mod progress;
pub mod report;
pub mod signal;
pub mod signing;
pub mod store;
