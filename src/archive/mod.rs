//! PostgreSQL's custom archive format (`pg_dump --format=custom`), understood while it passes.
//!
//! [`Reader`] is fed the bytes of an archive in pieces of any size and says at every moment what it
//! has learned: the [`Header`], the [`Toc`], the entry whose data passes, and good places to cut the
//! stream. At the end it says whether the archive was whole. It keeps header and table of contents in
//! memory and looks at the data without keeping any.
//!
//! ```text
//! archive = header · table of contents · block · block · … · end of stream
//! block   = type (1 data, 3 large objects) · dump id · content
//! data    = chunk … · empty chunk                             chunk = length · bytes
//! objects = (oid · chunk … · empty chunk) … · oid 0
//! ```
//!
//! There is no trailer and no checksum, so an archive that was cut between two blocks looks like one
//! with fewer tables: only the table of contents tells which blocks must come. That is what
//! [`Reader::finish`] checks.
//!
//! The bytes are trusted with nothing: no input makes the reader panic, nothing is allocated before
//! the bytes that fill it have arrived, and the work is linear in the input.
//!
//! This module will not read or write files, or read the directory and tar formats.

mod blocks;
mod copy;
mod damage;
mod database;
mod digests;
mod facts;
mod header;
mod inflate;
mod item;
mod list;
mod part;
mod pattern;
mod preamble;
mod reader;
mod roles;
mod select;
mod statement;
mod toc;
mod unordered;
mod version;

#[cfg(any(test, fuzzing))]
pub mod promises;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use blocks::{Block, COPY_END, Depth};
pub use copy::{CopyText, Csv};
pub use damage::{Damage, Place};
pub use database::OfDatabase;
pub use digests::Digests;
pub use header::{Compression, Header, LocalTime};
pub use part::{Front, rows_begin, rows_end};
pub use pattern::Pattern;
pub use reader::{Contents, Reader};
pub use roles::Uses;
pub use select::Selection;
pub use toc::{Offset, Section, Toc, TocEntry};
pub use version::Version;
