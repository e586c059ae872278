//! What a verb answers.

pub mod tables;
