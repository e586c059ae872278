//! The parts of an archive, and how their bytes are laid out; nothing here reads a stream.

pub mod block;
pub mod columns;
pub mod damage;
pub mod entry;
pub mod fields;
pub mod header;
pub mod name;
pub mod preamble;
pub mod toc;
pub mod version;
