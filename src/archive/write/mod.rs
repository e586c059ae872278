//! Archives made of others: fewer entries, fewer blocks, other roles.
//!
//! Stock `pg_restore` reads them. It does not mind that entries are missing which others depend on;
//! every entry that has data needs its block, in the table's order. It does not notice either
//! if the entries for encoding and search path are missing, but then reads wrongly: so those always stay.

pub mod creating;
pub mod enclosed;
pub mod entry;
pub mod exclusions;
pub mod preamble;
pub mod roles;
pub mod rows;
mod schemas;
pub mod writer;
