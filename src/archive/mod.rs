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

mod format;
mod look;
mod read;
mod write;

#[cfg(any(test, fuzzing))]
pub mod promises;
#[cfg(test)]
mod tests;

pub use format::damage::{Damage, Place};
pub use format::header::{Compression, Header, LocalTime};
pub use format::toc::{Offset, Section, Toc, TocEntry};
pub use format::version::Version;
pub use look::database::OfDatabase;
pub use look::pattern::Pattern;
pub use look::roles::Uses;
pub use look::select::Selection;
pub use read::blocks::{Block, COPY_END, Depth};
pub use read::copy::{CopyText, Csv};
pub use read::digests::Digests;
pub use read::reader::{Contents, Reader};
pub use write::part::{Front, rows_begin, rows_end};
