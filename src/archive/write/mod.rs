//! Archives made of others: fewer entries, fewer blocks, other roles.
//!
//! Stock `pg_restore` reads them. It does not mind that entries are missing which others depend on;
//! every entry that has data needs its block, in the table's order. Nor does it mind that the entries
//! are missing that say how all others are to be read, and then reads them wrongly: those always stay.

pub mod entry;
pub mod preamble;
pub mod roles;
pub mod rows;
pub mod writer;
