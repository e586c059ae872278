//! PostgreSQL, through its own tools: nothing here speaks its protocol.
//!
//! [`connect`] understands what the user typed, [`clients`] picks the programs, [`tools`] runs them,
//! [`server`] asks what is there, [`change`] prepares, fills and renames databases. Every child is a
//! [`process`]; how it failed is decided in [`failure`]. [`sql`] quotes. This room knows no store and
//! no archive format.

mod change;
pub mod clients;
mod connect;
mod failure;
mod process;
mod server;
mod sql;
mod tools;

pub use change::{
    ASIDE, BACK, BY_HAND, Counted, Hidden, KnownRoles, Making, Naming, NotEmpty, OwnProperties,
    SchemaAndName, Schemas, Swap, TIMESCALEDB_RESTORING, TRIAL, TableName, Taken, Target, analyze, existing,
    grants, lock, parts_of_tables, swap,
};
pub use clients::{Client, Clients, Search, Version};
pub use connect::{ConnInfo, PasswordCommand};
pub use failure::{Constraint, Situation};
pub use process::{ChildInput, ChildOutput, Environment, Program, REPORT, Reports, Secret, all_reaped};
pub use server::{
    Backend, Changes, Checkpoints, Cluster, FoundTable, Heap, KNOWS_PAGE_RANGES, Kept, Locale, Moment,
    Presets, Reference, Referring, Server, TargetFacts, Unlocked, Unreachable, Unreadable, WantedTable,
    databases, exclusive_locks, extensions, first_names, heaps, lock_holders, managed, patterns,
    refuse_shared_backends, refuse_standby, waits_too_long,
};
pub use sql::{LONGEST_NAME, identifier, literal, masked};
pub use tools::{
    DumpOptions, PgRestoreOptions, Psql, ROWS, RowsReader, Snapshot, dump, globals, psql, restore, script,
    sessions,
};
