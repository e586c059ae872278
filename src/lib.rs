//! pgstow.
pub mod error;
pub mod archive;
pub mod pipeline;
pub mod postgres;
pub mod store;
