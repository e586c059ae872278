//! The modules that read what strangers may have written, without the rest of the program.

#![allow(dead_code, reason = "the modules serve more than the fuzzer")]

#[path = "../../src/archive/mod.rs"]
pub mod archive;
#[path = "../../src/error.rs"]
pub mod error;
#[path = "../../src/inventory.rs"]
pub mod inventory;
#[path = "../../src/layout.rs"]
pub mod layout;
#[path = "../../src/manifest.rs"]
pub mod manifest;
#[path = "../../src/names.rs"]
pub mod names;
#[path = "../../src/units.rs"]
pub mod units;
