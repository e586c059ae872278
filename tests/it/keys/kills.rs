//! A rekey that is killed at any moment loses nothing, and the next one does the rest. What ends it in order leaves nothing.

use super::scene::{content, rekey};
use crate::harness::eventually;
use crate::keep::scene::{prune, there};
use crate::scene::{Keys, Place};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use pgstow::stored::format::manifest::Manifest;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often it is killed.
const RUNS: u32 = 40;

#[test]
fn a_rekey_of_a_folder_is_killed_at_any_moment() {
    killed_at_any_moment(&Place::folder());
}

#[test]
fn a_rekey_of_a_bucket_is_killed_at_any_moment() {
    killed_at_any_moment(&Place::garage("rekey-kills"));
}

/// A backup of a database and one of a stream, and all of their objects, the manifests last.
struct Backups {
    objects: Vec<(String, Vec<u8>)>,
    /// What each holds, by the moment of its id.
    contents: BTreeMap<String, Vec<u8>>,
}

impl Backups {
    fn take(place: &Place, old: &Keys) -> Backups {
        let cluster = Cluster::shared(Major::Distribution);
        let database = cluster.create_database("rekey_kills");
        let mut contents = BTreeMap::new();
        cluster.psql(&database, "CREATE TABLE t AS SELECT generate_series(1, 100) n");
        for source in ["--stdin", &cluster.url(&database)] {
            let words = ["backup", "--json", "--name", "app", "-r", &old.recipient, source];
            let run = place.pgstow(&words).stdin("a stream").succeeds();
            let id = run.json()["id"].as_str().unwrap().to_owned();
            contents.insert(id[..17].to_owned(), content(place, "app", &id, old));
            // Ids of one second would be one moment.
            std::thread::sleep(Duration::from_millis(1100));
        }
        let keys = place.keys();
        let (last, first): (Vec<_>, Vec<_>) =
            keys.into_iter().partition(|key| key.ends_with("manifest.json"));
        let objects = first.into_iter().chain(last).map(|key| (key.clone(), place.get(&key))).collect();
        Backups { objects, contents }
    }

    /// Makes the store as it was before the first rekey.
    fn put_back(&self, place: &Place) {
        place.keys().iter().for_each(|key| place.delete(key));
        self.objects.iter().for_each(|(key, bytes)| place.put(key, bytes.clone()));
    }

    /// For every moment there is a whole backup at any time, and what is a backup is whole.
    fn assert_whole(&self, place: &Place, run: u32) {
        let keys = place.keys();
        for moment in self.contents.keys() {
            let of_moment = |key: &&String| key.contains(moment) && key.ends_with("/manifest.json");
            let manifests: Vec<&String> = keys.iter().filter(of_moment).collect();
            assert!(!manifests.is_empty(), "run {run}: nothing is left of {moment}: {keys:?}");
            for key in manifests {
                let manifest = Manifest::from_bytes(&place.get(key)).unwrap();
                for object in &manifest.objects {
                    let bytes = place.get(&key.replace("manifest.json", &object.key));
                    assert_eq!(bytes.len() as u64, object.stored_bytes, "run {run}: {key}");
                }
            }
        }
    }
}

fn killed_at_any_moment(place: &Place) {
    let (old, new) = (Keys::make(), Keys::make());
    let backups = Backups::take(place, &old);
    let command = || rekey(place, &["--all"], &new.recipient, &[&old, &new]);
    let since = Instant::now();
    command().succeeds();
    let whole = since.elapsed();
    let (mut between, mut finished) = (0, 0);
    for run in 0..RUNS * 2 {
        // More only if the machine was too busy for any of them to meet it.
        if run >= RUNS && between > 0 && finished < run {
            break;
        }
        // Every other run finds what the run before has left.
        if run % 2 == 0 {
            backups.put_back(place);
        }
        let before: Vec<String> = place.keys();
        let running = command().spawn();
        // On a busy machine, moments may all come before it begins or after its end: every fourth time it is watched.
        let ended = match run % 4 {
            2 => running.kill_when(|| place.keys() != before),
            _ => running.kill_after(whole * (2 * (run % RUNS) + 1) / (2 * RUNS) * 11 / 10),
        };
        finished += u32::from(ended.status.success());
        backups.assert_whole(place, run);
        let after = place.keys();
        let old_ones = backups.objects.iter().filter(|(key, _)| after.contains(key)).count();
        between += u32::from(after != before && old_ones > 0);
    }
    assert!(between > 0 && finished < RUNS * 2, "no kill met a rekey that had begun");
    // The next run does the rest; what it cannot know of is a leftover like others.
    command().succeeds();
    prune(place, &["--keep-last", "unlimited", "--leftovers", "0s"]).succeeds();
    let ids = there(place, "app");
    let moments: Vec<&str> = ids.iter().map(|id| &id[..17]).collect();
    assert_eq!(moments, backups.contents.keys().map(String::as_str).collect::<Vec<_>>());
    let folders: std::collections::BTreeSet<String> =
        place.keys().iter().map(|key| key.split('/').nth(1).unwrap().to_owned()).collect();
    assert_eq!(folders.into_iter().collect::<Vec<_>>(), ids, "nothing else is left");
    for (id, want) in ids.iter().zip(backups.contents.values()) {
        assert!(content(place, "app", id, &new) == *want, "{id}");
    }
}

#[test]
fn nothing_is_left_of_what_was_begun() {
    let bucket = Garage::shared().place("rekey-back");
    let (place, old, new) = (Place::S3(bucket.clone()), Keys::make(), Keys::make());
    let dump = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(dump.path(), include_bytes!("../../data/pg16.dump")).unwrap();
    let adopt = place.pgstow(&["adopt", dump.path().to_str().unwrap(), "--name", "app"]);
    adopt.args(["--recipient", &old.recipient]).succeeds();
    let before = place.keys();
    let begin = |operation, skip, fault| {
        let proxy = FaultProxy::start(&bucket.endpoint);
        let through = Place::S3(bucket.through(&proxy.endpoint()));
        proxy.inject(Rule::new(operation, fault).after(skip));
        (proxy, rekey(&through, &["--all"], &new.recipient, &[&old, &new]).spawn())
    };
    let is_as_before = || {
        assert_eq!(place.keys(), before);
        assert_eq!(bucket.unfinished_uploads(), [""; 0]);
    };
    // The dump is there, and nobody hears of it.
    let (_proxy, running) = begin(Operation::CompleteUpload, 0, Fault::Stall(0));
    eventually("the dump comes", || place.keys() != before);
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated);
    is_as_before();
    // The dump is there, and the next object begins.
    let (proxy, running) = begin(Operation::CreateUpload, 1, Fault::Delay(Duration::from_secs(1)));
    proxy.wait_for(Operation::CreateUpload, 2);
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated);
    is_as_before();
    // All objects are there, but for the manifest.
    let (_proxy, running) = begin(Operation::Put, 0, Fault::Answer(403, "AccessDenied"));
    running.wait().assert_failure(Kind::Store);
    is_as_before();
}
