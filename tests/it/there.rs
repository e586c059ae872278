//! What must not happen on the way there: each test breaks a backup in one place, then looks at how it
//! ended, at what is left of it, and at whether the next one is whole.

mod dump;
mod folder;
mod outage;
pub mod preflight;
pub mod scene;
mod signals;
mod store;
mod twice;
