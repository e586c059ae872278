//! A prune that is killed at any moment loses nothing whole, and leaves nothing that the next one does not remove.

use super::scene::{DAY, HOUR, Template, days, prune, there};
use crate::scene::Place;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// How often it is killed.
const RUNS: u32 = 40;
/// How many backups go.
const GOING: u32 = 12;
const RULE: [&str; 4] = ["--keep-last", "4", "--leftovers", "0s"];

#[test]
fn a_prune_of_a_folder_is_killed_at_any_moment() {
    killed_at_any_moment(&Place::folder());
}

#[test]
fn a_prune_of_a_bucket_is_killed_at_any_moment() {
    killed_at_any_moment(&Place::garage("prune-kills"));
}

fn killed_at_any_moment(place: &Place) {
    let kept = days(place, "app", 4);
    let stays: BTreeSet<String> = place.keys().into_iter().collect();
    let going: BTreeMap<String, Vec<u8>> =
        (0..GOING).flat_map(|day| Template::shared().aged("app", DAY * (day + 5) + HOUR, |_| {}).1).collect();
    let fill = || {
        let there: BTreeSet<String> = place.keys().into_iter().collect();
        let missing = going.iter().filter(|(key, _)| !there.contains(*key));
        // The manifest last, as a backup writes it.
        let (last, first): (Vec<_>, Vec<_>) = missing.partition(|(key, _)| key.ends_with("manifest.json"));
        first.into_iter().chain(last).for_each(|(key, bytes)| place.put(key, bytes.clone()));
    };
    fill();
    let since = Instant::now();
    prune(place, &RULE).succeeds().says("removed 12 backups");
    let whole = since.elapsed();
    let mut halfway = 0;
    for run in 0..RUNS * 2 {
        // More only if the machine was too busy for any of them to meet it.
        if run >= RUNS && halfway > 0 {
            break;
        }
        // Every other run finds what the run before has left.
        if run % 2 == 0 {
            fill();
        }
        let (running, before) = (prune(place, &RULE).spawn(), place.keys());
        // On a busy machine, moments may all come before it begins or after its end: every fourth time it is watched.
        match run % 4 {
            2 => running.kill_when(|| place.keys().len() < before.len()),
            _ => running.kill_after(whole * (2 * run + 1) / (2 * RUNS) * 11 / 10),
        };
        let keys: BTreeSet<String> =
            place.keys().into_iter().filter(|key| !key.contains("/.pgstow-")).collect();
        assert!(keys.is_superset(&stays), "run {run}: {keys:?}");
        for manifest in keys.iter().filter(|key| key.ends_with("/manifest.json")) {
            let dump = manifest.replace("manifest.json", "stream.zst.age");
            assert!(keys.contains(&dump), "run {run}: {manifest} has lost its dump: {keys:?}");
        }
        let left = keys.len() - stays.len();
        halfway += u32::from(left > 0 && left < going.len());
    }
    assert!(halfway > 0, "no kill met a prune that had begun");
    prune(place, &RULE).succeeds();
    assert_eq!(place.keys().into_iter().collect::<BTreeSet<_>>(), stays);
    assert_eq!(there(place, "app"), kept);
}
