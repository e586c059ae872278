//! PostgreSQL, through its own tools: nothing here speaks its protocol.
//!
//! [`conninfo`] understands what the user typed, [`clients`] picks the binaries, [`psql`] asks
//! ([`server`], [`target`]), [`dump`] reads and [`restore`] writes, [`cluster`] is a server of our own.
//! Every child is a [`child`], and everything it says goes through [`words`]. This folder knows no
//! store and no archive format.

pub mod advice;
pub mod child;
pub mod client;
pub mod clients;
pub mod cluster;
pub mod conninfo;
pub mod count;
pub mod databases;
pub mod dump;
mod extra;
pub mod globals;
pub mod grants;
pub mod ground;
mod locale;

pub mod lock;
pub mod managed;
mod parse;
mod platform;
mod pooler;
mod program;
pub mod psql;
mod quote;
pub mod restore;
pub mod roles;
pub mod script;
mod search;
mod secret;
pub mod server;
mod session;
mod sql;
pub mod swap;
pub mod target;
mod user;
mod words;

pub use child::{ChildInput, ChildOutput};
pub use client::{Client, Version};
pub use clients::{Clients, Search};
pub use cluster::Cluster;
pub use conninfo::ConnInfo;
pub use dump::DumpOptions;
pub use ground::Ground;
pub use locale::Locale;
pub use managed::Provider;
pub use program::Program;
pub use psql::Psql;
pub use quote::{identifier, shell_word};
pub use restore::RestoreOptions;
pub use roles::{KnownRoles, Making};
pub use secret::Secret;
pub use server::Server;
pub use swap::Swap;
pub use target::Target;
