//! Inventories and manifests against any bytes: what is read at all is written and read again the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgstow_fuzz::stored::format::inventory::Inventory;
use pgstow_fuzz::stored::format::manifest::{FORMAT, Manifest};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(inventory) = Inventory::from_bytes(bytes) {
        let again = inventory.to_bytes().expect("what was read can be written");
        assert_eq!(Inventory::from_bytes(&again).expect("what was written can be read"), inventory);
        for block in &inventory.blocks {
            assert!(!block.label().chars().any(char::is_control));
            for piece in inventory.pieces(&[block.range()]) {
                assert!(piece.wanted.end <= piece.frame.plain_len, "more than the frame has: {piece:?}");
            }
            let _ = (block.owner(), block.table.bytes(), block.schema.bytes());
        }
        let _ = (inventory.frame_spans().count(), inventory.totals(), inventory.differences(&inventory));
    }
    let _ = Manifest::from_bytes(bytes);
    // Past the digest, which no fuzzer guesses and anybody can compute.
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) {
        let again = manifest.to_bytes().expect("what was read can be written");
        assert_eq!(Manifest::from_bytes(&again).is_ok(), manifest.format == FORMAT);
        let _ = (manifest.dump().is_ok(), manifest.inventory(), manifest.stored_bytes(), manifest.duration());
    }
});
