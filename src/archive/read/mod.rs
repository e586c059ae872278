//! Archives as they pass: read from a stream, counted, digested, and not kept.

pub mod blocks;
pub mod chunk;
pub mod copy;
pub mod csv;
pub mod digests;
pub mod inflate;
pub mod preamble;
pub mod reader;
pub mod tally;
pub mod unordered;
