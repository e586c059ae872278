//! Neon's API: branches to restore into, or to dump from, and what hangs on them.
//!
//! [`Neon`] speaks for one project. What it deletes or drops lies in an [`OwnBranch`], which exists only
//! for branches that this run has created: the default branch and everybody else's are never touched.
//! PostgreSQL itself is none of this room's business, and nothing here reads the environment.

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
