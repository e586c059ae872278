//! Child processes: how they are started, how their end is checked, and what they say.
//!
//! Nothing here knows what the programs do.

mod attendance;
mod child;
mod environment;
mod orphans;
mod patience;
mod pipes;
mod program;
mod secret;
mod stderr;
mod user;

#[cfg(test)]
mod tests;

pub use attendance::Watcher;
pub use child::{Running, all_reaped};
pub use environment::Environment;
pub use orphans::{adopt_orphans, end_orphans};
pub use patience::Patient;
pub use pipes::{ChildInput, ChildOutput};
pub use program::Program;
pub use secret::Secret;
pub use stderr::{REPORT, Reports};
pub use user::User;
