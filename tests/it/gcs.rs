//! Google Cloud Storage: who may, what is lost on the way, and a whole backup there and back.
//!
//! `servers/gcs` is a strict imitation, in memory or in front of a real S3 server; an
//! emulator that others have written is asked what it knows. The real service was not available.

mod emulator;
mod faults;
mod identity;
mod journey;
mod scene;
mod served;
