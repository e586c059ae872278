//! A backup that is there: opened, streamed, read in parts or to its end.

pub mod excerpt;
pub mod header;
pub mod opened;
pub mod ranges;
pub mod read_back;
pub mod reader;
