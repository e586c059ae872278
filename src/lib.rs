//! pgstow.
pub mod archive;
pub mod download;
pub mod error;
pub mod manifest;
pub mod names;
pub mod pipeline;
pub mod postgres;
pub mod signing;
pub mod store;
pub mod upload;
