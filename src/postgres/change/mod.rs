//! What is changed on a server: databases are created, filled, renamed and dropped, roles made, rights granted.

mod content;
mod count;
mod found;
mod granted;
pub mod grants;
pub mod lock;
mod making;
mod naming;
mod reach;
mod rename;
mod role;
mod roles;
mod subscriptions;
pub mod swap;
mod target;

pub use content::{BY_HAND, NotEmpty};
pub use count::{Counted, Hidden, TableName};
pub use making::Making;
pub use naming::{Naming, TRIAL, is_unfinished};
pub use roles::KnownRoles;
pub use swap::Swap;
pub use target::{
    ASIDE, BACK, OwnProperties, SchemaAndName, Schemas, TIMESCALEDB_RESTORING, Taken, Target, analyze,
    existing, parts_of_tables,
};
