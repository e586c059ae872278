//! How a block of data is framed: its head, and the end of rows.

use super::fields::INT;

/// The type of a block of rows, or of anything else that is one piece.
pub const DATA: u8 = 1;
/// The type of a block of large objects.
pub const LARGE_OBJECTS: u8 = 3;

/// Bytes at the head of a block: its type and its entry's dump id.
pub const BLOCK_HEAD: usize = 1 + INT;

/// What `pg_dump` writes after the last row: COPY's end marker, then two empty lines.
pub const COPY_END: &[u8] = b"\\.\n\n\n";
