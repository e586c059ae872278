//! From an archive into a database: a stored backup, or the dump of another database while it passes.
//!
//! ```text
//! backup │ copy ─▶ run: fill ─▶ prove ─▶ finish ─▶ clean up
//!                   │
//!                   └▶ prepare (plan) ─▶ load (stream │ workers │ script) ─▶ postdata
//! ```
//!
//! [`run`] is the one flow; restore, swap, clone and a Neon branch all go through it. A rehearsal takes its first two
//! steps ([`run::Content`]) and looks further by itself.

pub mod backup;
pub mod command;
pub mod copy;
mod finish;
pub mod into;
mod load;
pub mod neon;
pub mod outcome;
pub mod plan;
mod postdata;
mod prepare;
pub mod request;
pub mod run;
pub mod swap;

pub use outcome::{Filled, Outcome};
pub use plan::Narrowing;
