//! Archives made of others: fewer entries, fewer blocks, other words.

pub mod part;
