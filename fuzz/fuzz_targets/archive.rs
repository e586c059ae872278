//! The archive reader against any bytes: no panic, no promise broken.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| pgstow_fuzz::promises::check(bytes));
