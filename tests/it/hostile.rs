//! Servers, backups and neighbours that do harm, on purpose or by chance: no program of theirs runs here, and
//! nothing half is called whole.

mod forged;
mod liar;
mod meanwhile;
mod neighbour;
mod programs;
mod races;
mod renamed;
mod secrets;
mod server;
mod silence;
mod subtransactions;
mod survivors;
mod trap;
