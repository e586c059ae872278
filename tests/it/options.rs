//! What is asked of a store for each new object: it is done, or the run fails; never ignored.

mod heeded;
mod identity;
mod journey;
mod network;
mod scene;
