//! What is written about a backup, and what it is called: the stored format.

pub mod digest;
pub mod extension;
pub mod inventory;
pub mod manifest;
pub(super) mod metadata;
pub mod name_pattern;
pub mod names;
mod prefixes;
pub mod receipt;
pub mod signing;
