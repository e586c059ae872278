//! What a backup is taken from, and what comes along: one run at a time, the server's roles.

mod adopt;
mod chunks;
mod command;
mod django;
mod every;
mod globals;
mod left_out;
mod lock;
mod scripts;
