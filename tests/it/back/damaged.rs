//! Bytes that are not those that were stored, by accident or by malice.

use super::scene::{DUMP, forge, forge_dump, zstd};
use crate::keep::scene::{HOUR, put};
use crate::scene::{Place, Sample, fetch, fetch_fails, restore_fails};
use crate::servers::run;
use pgstow::error::Kind;

/// Numbers without a pattern, the same in every run.
fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    }
}

#[test]
fn a_flipped_bit_is_never_called_right() {
    let sample = Sample::shared();
    let good = fetch(&sample.place, &["latest"]);
    let trust = ["--verify-key", &sample.verify_key];
    let mut random = numbers(0x2026_1121);
    let damaged = sample.place.copy();
    let keys = damaged.keys();
    assert_eq!(keys.len(), 5);
    for round in 0..200 {
        // Most of the tries where most of the kinds of bytes are: header, first and last chunks.
        let key = &keys[[0, 0, 1, 2, 3, 4, 0, 2, 3, 4][round % 10]];
        let before = damaged.get(key);
        let within = if round % 3 == 0 { before.len().min(400) } else { before.len() };
        let at = if round % 7 == 0 { before.len() - 1 - random(within) } else { random(within) };
        let bit = 1 << random(8);
        let mut bytes = before.clone();
        bytes[at] ^= bit;
        damaged.put(key, bytes);
        let try_of = format!("round {round}: {key}, byte {at} of {}, bit {bit:#x}", before.len());
        if key.ends_with(".minisig") {
            // Not all of a signature file is signed: its first line is anybody's.
            let run = damaged.opens(&["fetch", "latest", "-o", "-"]).args(trust).run();
            let refused = run.status.code() == Some(Kind::Verify.exit_code().into());
            let right = run.status.success() && run.stdout == good;
            assert!(refused || right && at < 60, "{try_of}: {run}");
        } else {
            // Who fetches the dump does not need what is stored with it.
            let run = if key.contains("/inventory.json") || key.contains("/globals.sql") {
                damaged.opens(&["verify", "latest"]).fails(Kind::Verify)
            } else {
                fetch_fails(&damaged, &[], Kind::Verify)
            };
            assert!(run.stderr.contains(&sample.id), "{try_of}: {run}");
            if round % 20 == 0 {
                restore_fails(&damaged, sample.cluster, &[], Kind::Verify);
            }
        }
        damaged.put(key, before);
    }
    assert!(fetch(&damaged, &["latest"]) == good);
    sample.still_restores();
}

#[test]
fn an_object_of_another_length_is_refused() {
    let sample = Sample::shared();
    let damaged = sample.place.copy();
    let key = damaged.key(DUMP);
    let good = damaged.get(&key);
    let longer = [&good[..], b"and more"].concat();
    for bytes in [good[..good.len() / 2].to_vec(), good[..good.len() - 1].to_vec(), vec![], longer] {
        // As an accident: the manifest does not agree.
        damaged.put(&key, bytes.clone());
        fetch_fails(&damaged, &[], Kind::Verify).says("bytes in the store instead of");
        let run = restore_fails(&damaged, sample.cluster, &[], Kind::Verify);
        run.says("an earlier backup may be whole (pgstow list app)");
        // As malice: it does.
        let forged = sample.place.copy();
        forge_dump(&forged, bytes);
        fetch_fails(&forged, &[], Kind::Verify);
        restore_fails(&forged, sample.cluster, &[], Kind::Verify);
    }
    sample.still_restores();
}

#[test]
fn a_failed_restore_says_what_is_left_and_what_may_still_be_had() {
    let sample = Sample::shared();
    let damaged = sample.place.copy();
    let key = damaged.key(DUMP);
    let mut bytes = damaged.get(&key);
    let last = bytes.len() - 10;
    bytes[last] ^= 1;
    damaged.put(&key, bytes);
    let run = restore_fails(&damaged, sample.cluster, &["--jobs", "1"], Kind::Verify);
    let run = run.says("an earlier backup may be whole (pgstow list app)");
    run.says(&format!("pgstow fetch {} --name app --table …", sample.id));
    // Of many, each failure is reported once.
    let other = damaged.backup(&sample.cluster.url("postgres"), &["--name", "other"]);
    let run = damaged.opens(&["verify", "--all"]).fails(Kind::Verify).says("1 of 2 backups do not verify");
    let told = format!("{} of app", sample.id);
    assert_eq!(run.stderr.matches(&told).count(), 1, "{run}");
    assert!(run.stderr.contains(&format!("verified {other} of other")), "{run}");
}

#[test]
fn an_archive_that_ends_early_is_refused_though_every_digest_agrees() {
    let sample = Sample::shared();
    let place = Place::folder();
    place.pgstow(&["backup", "--no-encryption", &sample.cluster.url(&sample.database)]).succeeds();
    let archive = fetch(&place, &["latest"]);
    for keep in [archive.len() - 1, archive.len() / 2, 100_000, 1000, 10, 0] {
        let cut = &archive[..keep];
        let forged = place.copy();
        forge(&forged, |manifest| manifest.objects[0].plain_bytes = keep as u64);
        forge_dump(&forged, zstd(cut));
        fetch_fails(&forged, &[], Kind::Verify);
        let run = restore_fails(&forged, sample.cluster, &[], Kind::Verify);
        assert!(run.stderr.contains("archive"), "{keep}: {run}");
    }
    // More than one archive in one is not one either.
    let twice = [&archive[..], &archive[..]].concat();
    let forged = place.copy();
    forge(&forged, |manifest| manifest.objects[0].plain_bytes = twice.len() as u64);
    forge_dump(&forged, zstd(&twice));
    fetch_fails(&forged, &[], Kind::Verify);
    restore_fails(&forged, sample.cluster, &[], Kind::Verify);
}

/// Single tables can be had of a dump that is damaged somewhere, and of none that is not there or too short.
#[test]
fn what_can_still_be_had_is_said_if_it_can() {
    let sample = Sample::shared();
    let damaged = sample.place.copy();
    let dump = damaged.key("dump.zst.age");
    let before = damaged.get(&dump);
    let advice = "single tables of this one too";
    let mut bytes = before.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    damaged.put(&dump, bytes);
    fetch_fails(&damaged, &[], Kind::Verify).says(advice);
    damaged.put(&dump, &before[..middle]);
    let short = fetch_fails(&damaged, &[], Kind::Verify).says("an earlier backup may be whole");
    assert!(!short.stderr.contains(advice), "{short}");
    damaged.delete(&dump);
    let gone = fetch_fails(&damaged, &[], Kind::Verify).says("an earlier backup may be whole");
    assert!(!gone.stderr.contains(advice), "{gone}");
}

/// Somebody moved the backups of one database to another disk.
#[test]
fn a_folder_that_is_a_link_is_not_passed_over_without_a_word() {
    let (place, elsewhere) = (Place::folder(), Place::folder());
    for name in ["app", "moved"] {
        put(&place, name, HOUR);
    }
    let (Place::Folder(here), Place::Folder(there)) = (&place, &elsewhere) else { panic!("folders") };
    let (from, to) = (here.path().join("moved"), there.path().join("moved"));
    run(std::process::Command::new("mv").args([&from, &to]));
    std::os::unix::fs::symlink(&to, &from).unwrap();
    for verb in [&["list"][..], &["status"], &["verify", "--all"]] {
        let run = place.opens(verb).succeeds();
        assert_eq!(run.stderr.matches("is a symbolic link: what is in it is not seen").count(), 1, "{run}");
    }
}
