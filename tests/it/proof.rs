//! What a restore proves: by digests of what it restored, and in a rehearsal that leaves nothing.

mod digests;
mod ended;
mod rehearsal;
pub mod scene;
