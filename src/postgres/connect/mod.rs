//! Which server and database are meant: what the user typed, and what libpq is given.
//!
//! Nothing here connects.

mod alive;
mod conninfo;
mod parse;
mod password;
pub mod pooler;

pub use conninfo::{ConnInfo, quoted};
pub use password::PasswordCommand;
