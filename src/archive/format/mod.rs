//! The parts of an archive, and how their bytes are laid out; nothing here reads a stream.

pub mod damage;
pub mod header;
pub mod item;
pub mod toc;
pub mod version;
