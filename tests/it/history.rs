//! Whoever can write to the store cannot rewrite its history unnoticed: which backups there were, and who made them.

mod chain;
pub mod receipts;
pub mod scene;
mod trust;
