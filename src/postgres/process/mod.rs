//! Child processes: how they are started, how their end is checked, and what they say.
//!
//! Nothing here knows what the programs do.

pub mod child;
pub mod program;
mod secret;
pub mod stderr;
mod user;

#[cfg(test)]
mod tests;

pub use child::{ChildInput, ChildOutput};
pub use program::Program;
pub use secret::Secret;
pub use user::User;
