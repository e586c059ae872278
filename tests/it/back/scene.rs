//! What several of these tests need: a forger, and patience.

use crate::scene::Place;
use pgstow::stored::digest::Digest;
use pgstow::stored::manifest::Manifest;
use sha2::{Digest as _, Sha256};
use std::time::{Duration, Instant};

pub const DUMP: &str = "dump.zst.age";
pub const INVENTORY: &str = "inventory.json.zst.age";
pub const MANIFEST: &str = "manifest.json";

pub fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// Rewrites a manifest as somebody would who may write to the store: its digest is right again.
pub fn forge(place: &Place, change: impl FnOnce(&mut Manifest)) {
    let key = place.key(MANIFEST);
    let mut manifest = Manifest::from_bytes(&place.get(&key)).unwrap();
    change(&mut manifest);
    place.put(&key, manifest.to_bytes().unwrap());
}

/// Puts other bytes in the dump's place, and makes the manifest say that they are the ones.
pub fn forge_dump(place: &Place, bytes: Vec<u8>) {
    forge(place, |manifest| {
        manifest.objects[0].stored_bytes = bytes.len() as u64;
        manifest.objects[0].stored_sha256 = sha256(&bytes);
    });
    place.put(
        &place.key(&Manifest::from_bytes(&place.get(&place.key(MANIFEST))).unwrap().objects[0].key),
        bytes,
    );
}

#[track_caller]
pub fn until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}
