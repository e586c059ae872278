//! What must not happen on the way back: nothing wrong is called right, no half-restored database and no
//! half a file is left, the exit code says what kind of trouble it was, and the next restore works.

mod damaged;
mod early;
pub(crate) mod ended;
mod explained;
mod forged;
mod jobs;
mod local;
mod network;
mod planted;
mod refused;
pub mod scene;
mod target;
