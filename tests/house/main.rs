//! The house rules that a compiler does not check: who may see whom, how long things may be, which words people read.
//!
//! Reads the sources and needs no server, so `make check` runs it. What the rules allow is data, in `rules.rs`;
//! what is not yet as it should be is listed in `not_yet.txt`, which only ever shrinks.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails by panicking"
)]

mod docs;
mod errors;
mod exceptions;
mod help;
mod imports;
mod items;
mod map;
mod messages;
mod named;
mod rules;
mod shape;
mod snapshots;
mod tree;
mod words;
mod world;
