//! The modules that read untrusted bytes, without the rest of the program.
//!
//! It is built with stable Rust (`cargo check --manifest-path fuzz/Cargo.toml`); only fuzzing needs nightly.

#![allow(dead_code, reason = "the modules have more than the fuzzer uses")]

#[path = "../../src/archive/mod.rs"]
pub mod archive;
#[path = "../../src/error.rs"]
pub mod error;
#[path = "../../src/layout.rs"]
pub mod layout;
#[path = "../../src/archive/promises.rs"]
pub mod promises;
#[path = "../../src/sha256.rs"]
pub mod sha256;
#[path = "../../src/sql/mod.rs"]
pub mod sql;
#[path = "../../src/units.rs"]
pub mod units;

/// Which keys there are.
#[path = "../../src/store"]
pub mod store {
    mod contract {
        pub mod error;
    }
    mod url {
        pub mod key;
    }
    pub use url::key::check_key;
}

/// What is written about a backup.
#[path = "../../src/stored"]
pub mod stored {
    pub mod format {
        pub mod digest;
        pub mod extension;
        pub mod inventory;
        pub mod manifest;
        pub mod names;
        mod prefixes;
    }
}
