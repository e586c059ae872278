//! A backup into a database made for it.

pub mod command;
pub mod finish;
pub mod load;
pub mod neon;
pub mod plan;
pub mod run;
