//! Neon's API: branches to restore into or to dump from, and what belongs to them.
//!
//! [`Neon`] is one project. It deletes and drops only in an [`OwnBranch`], which exists only for branches that this run
//! has created: the default branch and other branches are never touched. This room knows nothing about PostgreSQL
//! itself, and does not read the environment.

mod branches;
mod databases;
mod http;
mod project;
mod secret;
mod shapes;
mod situation;

pub use branches::OwnBranch;
pub use project::{API, Neon};
pub use secret::{ApiKey, Uri};
pub use shapes::{Branch, Database};
pub use situation::Situation;
