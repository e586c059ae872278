//! A backup, or some of its tables, into a file or to stdout.

pub mod output;
pub mod rows;
pub mod whole;
