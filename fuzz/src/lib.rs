//! The modules that read what strangers may have written, without the rest of the program.

#![allow(dead_code, reason = "the modules serve more than the fuzzer")]

#[path = "../../src/archive/mod.rs"]
pub mod archive;
#[path = "../../src/error.rs"]
pub mod error;
#[path = "../../src/numbers.rs"]
pub mod numbers;
#[path = "../../src/sql/mod.rs"]
pub mod sql;

/// What is written about a backup.
pub mod stored {
    #[path = "../../../src/stored/inventory.rs"]
    pub mod inventory;
    #[path = "../../../src/stored/manifest.rs"]
    pub mod manifest;
    #[path = "../../../src/stored/names.rs"]
    pub mod names;
}

/// The two words of the pipeline that an inventory uses.
pub mod pipeline {
    /// Where one frame lies.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct FrameSpan {
        pub plain_offset: u64,
        pub plain_len: u64,
        pub compressed_offset: u64,
        pub compressed_len: u64,
        pub sha256: [u8; 32],
        pub clean: bool,
    }

    /// Some bytes of a frame.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Piece {
        pub frame: FrameSpan,
        pub wanted: std::ops::Range<u64>,
    }
}
