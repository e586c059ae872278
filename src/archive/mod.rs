//! PostgreSQL's custom archive format (`pg_dump --format=custom`), understood while it passes.
//!
//! [`Reader`] is fed the bytes of an archive in pieces of any size and reports at any time what it
//! has read: the [`Header`], the [`Toc`], the entry whose data passes, and good places to cut the
//! stream. At the end it reports whether the archive was whole. It keeps header and table of contents in
//! memory and looks at the data without keeping any.
//!
//! `format` is how the bytes are laid out; `read`, `write` and `look` build on it, and not on each other:
//! archives from a stream, archives made of others, and what a table of contents says.
//!
//! ```text
//! archive = header · table of contents · block · block · … · end of stream
//! block   = type (1 data, 3 large objects) · dump id · content
//! data    = chunk … · empty chunk                             chunk = length · bytes
//! objects = (oid · chunk … · empty chunk) … · oid 0
//! ```
//!
//! There is no trailer and no checksum, so an archive that was cut between two blocks looks like one
//! with fewer tables: only the table of contents says which blocks there must be. That is what
//! [`Reader::finish`] checks.
//!
//! The bytes are not trusted: no input makes the reader panic, nothing is allocated before
//! the bytes that fill it have arrived, and the work is linear in the input.
//!
//! This room does not read or write files, and does not read the directory and tar formats.

mod format;
mod look;
mod read;
mod write;

#[cfg(test)]
mod promises;
#[cfg(test)]
mod tests;

pub use crate::sql::EntryKind;
pub use format::block::COPY_END;
pub use format::damage::{ArchivePart, Damage};
pub use format::entry::{Offset, Section, TocEntry};
pub use format::fields::MAX_PREAMBLE;
pub use format::header::{Compression, Header, LocalTime};
pub use format::name::TableName;
pub use format::preamble::Preamble;
pub use format::toc::Toc;
pub use format::version::Version;
pub use look::database::{About, DatabaseStatement};
pub use look::facts::number;
pub use look::hypertables::TIMESCALEDB;
pub use look::late::LateRows;
pub use look::partial::MadeByExtensions;
pub use look::pattern::Pattern;
pub use look::roles::RoleUses;
pub use look::select::Selection;
pub use look::torn::TornDefinition;
pub use look::without::{Defined, LeftOut, Unwanted};
pub use read::copy::CopyText;
pub use read::csv::Csv;
pub use read::digests::Digests;
pub use read::reader::{Contents, Reader};
pub use read::tally::{Block, Depth, PREFIX, Prefix};
pub use write::rows::{chunk_head, qualified, rows_begin, rows_end};
