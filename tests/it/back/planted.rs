//! Backups that somebody else put into the store, to be the newest.

use super::scene::{MANIFEST, forge, sha256};
use crate::harness::{Pgstow, pgstow};
use crate::scene::{Keys, Place, Sample, signing_keys};
use pgstow::error::Kind;
use pgstow::stored::format::manifest::{Encryption, Manifest, Object};

/// Whoever plants a backup knows the store, not the keys.
const PLANTED: &str = "99990101T000000Z-aaaaaa";

/// A store with one good backup of a stream; its id, and the key that checks its signature.
fn store() -> (Place, String, String) {
    let (place, (secret, public)) = (Place::folder(), signing_keys());
    let backup =
        place.pgstow(&["backup", "--stdin", "--name", "app", "--json", "-r", &Keys::shared().recipient]);
    let run = backup.env("PGSTOW_SIGNING_KEY", secret).stdin("good").succeeds();
    let id = run.json()["id"].as_str().unwrap().to_owned();
    (place, id, public)
}

/// Plants a backup of this id with nothing encrypted.
fn plant(place: &Place, like: &str, id: &str) {
    let mut manifest = Manifest::from_bytes(&place.get(&format!("app/{like}/{MANIFEST}"))).unwrap();
    let bytes = zstd(b"evil");
    manifest.id = id.parse().unwrap();
    manifest.encryption = Encryption::None;
    manifest.recipients.clear();
    let dump = &mut manifest.objects[0];
    dump.key = "stream.zst".into();
    (dump.stored_bytes, dump.stored_sha256) = (bytes.len() as u64, sha256(&bytes));
    (dump.plain_bytes, dump.plain_sha256) = (4, Some(sha256(b"evil")));
    dump.store_checksum = None;
    place.put(&format!("app/{id}/stream.zst"), bytes);
    place.put(&format!("app/{id}/{MANIFEST}"), manifest.to_bytes().unwrap());
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    // One raw block: the magic number, the frame's header with its size, the block's header.
    let length = u8::try_from(bytes.len()).unwrap();
    [&[0x28, 0xB5, 0x2F, 0xFD, 0x20, length, (length << 3) | 1, 0, 0][..], bytes].concat()
}

/// Now, as the beginning of an id.
fn moment() -> String {
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    now.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

fn fetch(place: &Place, id: &str, words: &[&str]) -> Pgstow {
    let fetch = pgstow(["fetch", id, "-o", "-", "--store", &place.url()]);
    fetch.args(words).env("PGSTOW_IDENTITY", &Keys::shared().identity)
}

#[test]
fn who_has_a_key_is_not_given_what_anybody_can_have_written() {
    let (place, id, _) = store();
    let newer = format!("{}-zzzzzz", moment());
    plant(&place, &id, &newer);
    for words in
        [&["fetch", "latest", "-o", "-"][..], &["restore", "latest", "--", "cat"], &["verify", &newer]]
    {
        let run = place.pgstow(words).env("PGSTOW_IDENTITY", &Keys::shared().identity).fails(Kind::Verify);
        assert!(run.stderr.contains(&format!("{newer} of app is not encrypted")), "{run}");
        assert!(run.stderr.contains("--allow-unencrypted") && run.stdout.is_empty(), "{run}");
    }
    assert_eq!(fetch(&place, &id, &[]).succeeds().stdout, b"good");
    // Whoever wants it gets it, and so does whoever never had a key.
    assert_eq!(fetch(&place, "latest", &["--allow-unencrypted"]).succeeds().stdout, b"evil");
    assert_eq!(place.pgstow(&["fetch", "latest", "-o", "-"]).succeeds().stdout, b"evil");
    place.pgstow(&["show", "latest"]).env("PGSTOW_IDENTITY", &Keys::shared().identity).succeeds();
}

/// Some kilobytes would become gigabytes of memory.
#[test]
fn an_inventory_that_its_dump_gives_no_reason_for_is_not_unpacked() {
    let sample = Sample::shared();
    let place = Place::folder();
    place.pgstow(&["backup", "--no-encryption", &sample.cluster.url(&sample.database)]).succeeds();
    let key = place.key("inventory.json.zst");
    let forged = |claimed: u64| {
        let bytes = zstd(b"{}");
        forge(&place, |manifest| {
            let object =
                manifest.objects.iter_mut().find(|object| object.key.starts_with("inventory")).unwrap();
            (object.stored_bytes, object.stored_sha256) = (bytes.len() as u64, sha256(&bytes));
            object.plain_bytes = claimed;
        });
        place.put(&key, bytes);
        place.opens(&["show", "latest", "--tables"]).fails(Kind::Verify)
    };
    forged(1 << 30).says("too large for what its name says").says("--verify-key");
    forged(2).says("inventory");
}

/// The manifest may claim a dump that gives reason for everything.
#[test]
fn an_inventory_of_kilobytes_does_not_become_gigabytes() {
    let sample = Sample::shared();
    let place = Place::folder();
    place.pgstow(&["backup", "--no-encryption", &sample.cluster.url(&sample.database)]).succeeds();
    let key = place.key("inventory.json.zst");
    let bomb = zstd_bomb(2 << 30);
    assert!(bomb.len() < 100_000);
    place.put(&key, bomb.clone());
    for claimed in [2 << 30, 200 << 20, 2] {
        forge(&place, |manifest| {
            let (dump, inventory) = {
                let is_inventory = |object: &&mut Object| object.key.starts_with("inventory");
                let (inventories, others): (Vec<_>, Vec<_>) =
                    manifest.objects.iter_mut().partition(is_inventory);
                (others.into_iter().next().unwrap(), inventories.into_iter().next().unwrap())
            };
            dump.plain_bytes = 1 << 40;
            (inventory.stored_bytes, inventory.stored_sha256) = (bomb.len() as u64, sha256(&bomb));
            inventory.plain_bytes = claimed;
        });
        // With room for what was claimed at most once, and not for all of it.
        let limited = ["prlimit", "--as=1500000000"];
        let run = place.opens(&["show", "latest", "--tables"]).under(limited).fails(Kind::Verify);
        let said =
            if claimed > 1 << 30 { "too large for what its name says" } else { "the object has more than" };
        run.says(said);
    }
}

/// A frame of this many zeros: one block of four bytes for each 128 KiB.
fn zstd_bomb(bytes: u32) -> Vec<u8> {
    let (largest, count) = (128_u32 << 10, bytes >> 17);
    // The magic number, no size, a window of 128 KiB.
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0x00, 7 << 3];
    for block in 1..=count {
        let header = (largest << 3) | (1 << 1) | u32::from(block == count);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

#[test]
fn a_backup_from_the_future_is_reported_and_never_the_latest() {
    let (place, id, _) = store();
    // No such moment is one that sorts last as well.
    for planted in [PLANTED, "20269999T999999Z-aaaaaa"] {
        plant(&place, &id, planted);
        let run =
            fetch(&place, "latest", &[]).succeeds().says(&format!("{planted} of app: its id is of a moment"));
        assert_eq!(run.stdout, b"good");
        place.pgstow(&["list"]).succeeds().says(planted).says("still to come");
        let verified = place.opens(&["verify", "--newest-per-name", "--json"]).succeeds().json();
        assert!(verified.to_string().contains(&id) && !verified.to_string().contains(planted), "{verified}");
    }
    // Nothing else is left: that is said, and how to go on.
    for end in [MANIFEST, "manifest.json.minisig"] {
        place.delete(&format!("app/{id}/{end}"));
    }
    let only = fetch(&place, "latest", &[]).fails(Kind::NotFound).says("no backup of app can be \"latest\"");
    only.says("choose a backup by its id");
    assert_eq!(fetch(&place, PLANTED, &["--allow-unencrypted"]).succeeds().stdout, b"evil");
}

#[test]
fn the_latest_of_those_who_ask_for_signatures_is_signed() {
    let (place, id, public) = store();
    let newer = format!("{}-zzzzzz", moment());
    plant(&place, &id, &newer);
    let run = fetch(&place, "latest", &["--verify-key", &public]).succeeds();
    let run = run.says(&format!("{newer} of app is not signed, and passed over: \"latest\" is {id}"));
    assert_eq!(run.stdout, b"good");
    let strict = fetch(&place, "latest", &["--verify-key", &public, "--strict"]).fails(Kind::Verify);
    strict.says(&format!("{newer} of app is not signed, and newer than {id}")).says("without --strict");
    fetch(&place, "latest", &["--strict"]).fails(Kind::Usage).says("--strict without --verify-key");
    fetch(&place, "latest", &[]).fails(Kind::Verify).says("not encrypted");
    // By its id it is refused, with a way on.
    let refused = fetch(&place, &newer, &["--verify-key", &public]).fails(Kind::Verify);
    refused.says("is not signed").says("hint: `pgstow list app --verify-key KEY`");
    place.opens(&["verify", "latest", "--verify-key", &public]).succeeds().says(&format!("verified {id}"));
    // A signature that is none is not passed over: somebody meant to deceive.
    place.put(&format!("app/{newer}/manifest.json.minisig"), "untrusted comment: x\n");
    let forged = fetch(&place, "latest", &["--verify-key", &public]).fails(Kind::Verify);
    forged.says("signature").says("hint: `pgstow list app --verify-key KEY`");
}
