//! How the stored bytes are cut: places to cut at, frames of the compressed stream, and the wanted bytes of one frame.
//!
//! The pipeline makes frames, the inventory writes them down, and reading a part of a dump asks for pieces of
//! them. Only facts are kept here; nothing is computed and nothing is read.

use std::ops::Range;

/// A place between two bytes of the plaintext at which it can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Offset of the byte after it.
    pub at: u64,
    /// What has to change so that the bytes before it and those after it can be read alone.
    pub seam: Option<Seam>,
}

/// The heads of the two chunks that a chunk becomes when it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seam {
    /// Offset of the chunk's own head.
    pub head_at: u64,
    /// What takes the place of that head.
    pub before: [u8; 5],
    /// What is inserted at the cut.
    pub after: [u8; 5],
}

impl Cut {
    /// A cut that changes nothing.
    pub fn clean(at: u64) -> Self {
        Self { at, seam: None }
    }
}

/// Where one frame lies in the plaintext, and in the compressed bytes before encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameSpan {
    /// Offset of its first byte in the plaintext.
    pub plain_offset: u64,
    /// Its bytes of plaintext.
    pub plain_len: u64,
    /// Offset of its first byte in the compressed stream.
    pub compressed_offset: u64,
    /// Its compressed bytes.
    pub compressed_len: u64,
    /// SHA-256 of its compressed bytes.
    pub sha256: [u8; 32],
    /// Whether it begins between two rows or two archive blocks.
    pub clean: bool,
}

/// Wanted bytes of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The frame.
    pub frame: FrameSpan,
    /// Which bytes of its plaintext.
    pub wanted: Range<u64>,
}
