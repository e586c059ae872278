//! The modules that read untrusted bytes, without the rest of the program.
//!
//! It is built with stable Rust (`cargo check --manifest-path fuzz/Cargo.toml`); only fuzzing needs nightly.

#![allow(dead_code, reason = "the modules have more than the fuzzer uses")]

#[path = "../../src/archive/mod.rs"]
pub mod archive;
#[path = "../../src/error.rs"]
pub mod error;
#[path = "../../src/inventory.rs"]
pub mod inventory;
#[path = "../../src/manifest.rs"]
pub mod manifest;
#[path = "../../src/names.rs"]
pub mod names;
#[path = "../../src/numbers.rs"]
pub mod numbers;
#[path = "../../src/archive/promises.rs"]
pub mod promises;
#[path = "../../src/sql/mod.rs"]
pub mod sql;

/// The two types of the pipeline that an inventory uses.
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
