//! How the stored bytes are cut: frames of the compressed stream, and the wanted bytes of one frame.
//!
//! The pipeline makes frames, the inventory writes them down, and reading a part of a dump asks for pieces of
//! them. Only facts are kept here; nothing is computed and nothing is read.

use std::ops::Range;

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
