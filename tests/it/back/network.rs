//! The store answers badly, late or not at all while a backup is read.

use super::scene::{DUMP, INVENTORY, MANIFEST, sha256};
use crate::harness::Run;
use crate::scene::{Place, Sample, add_bulk, fetch, fetch_fails, files_below, fresh};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major};
use crate::servers::s3::S3;
use pgstow::error::Kind;
use pgstow::stored::format::digest::Digest;
use rustix::process::Signal;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A backup of three ranges in a bucket, and what it is when it is right.
struct Large {
    place: S3,
    sha256: Digest,
}

impl Large {
    fn shared() -> &'static Large {
        static SHARED: OnceLock<Large> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Cluster::shared(Major::Distribution);
            let database = cluster.create_database("ranges");
            add_bulk(cluster, &database, 17 << 10);
            let s3 = Garage::shared().place("ranges");
            let place = Place::S3(s3.clone());
            place.backup(&cluster.url(&database), &["--compression-level", "1"]);
            Large { sha256: sha256(&fetch(&place, &["latest"])), place: s3 }
        })
    }

    /// The same place behind a proxy.
    fn behind(&self) -> (FaultProxy, Place) {
        let proxy = FaultProxy::start(&self.place.endpoint);
        let place = Place::S3(self.place.through(&proxy.endpoint()));
        (proxy, place)
    }
}

fn rule(fault: Fault) -> Rule {
    Rule::new(Operation::Get, fault).key_end(DUMP)
}

#[test]
fn reads_that_break_go_on_where_they_broke() {
    let large = Large::shared();
    let (proxy, place) = large.behind();
    proxy.inject(rule(Fault::Cut(100_000)).times(1));
    proxy.inject(rule(Fault::Stall(3_000_000)).times(1));
    proxy.inject(rule(Fault::Cut(0)).times(1));
    proxy.inject(rule(Fault::Answer(503, "SlowDown")).times(2));
    let run = place.opens(&["fetch", "latest", "-o", "-", "--timeout", "2s"]).succeeds();
    assert_eq!(sha256(&run.stdout), large.sha256);
    assert!(run.stderr.contains("resumed at byte"), "{}", run.stderr);
    // What had come was not asked for again.
    let ranges: Vec<String> = proxy
        .log()
        .iter()
        .filter(|request| request.operation == Operation::Get && request.path.ends_with(DUMP))
        .filter_map(|request| Some(request.header("range")?.to_owned()))
        .collect();
    assert!(ranges.len() >= 7, "{ranges:?}");
    let begins = |range: &String| range["bytes=".len()..].split('-').next().unwrap().parse::<u64>().unwrap();
    assert!(ranges.iter().any(|range| begins(range) % (8 << 20) == 100_000), "{ranges:?}");

    // The manifest and the listing are read again too.
    let (proxy, place) = large.behind();
    proxy.inject(Rule::new(Operation::List, Fault::Answer(500, "InternalError")).times(1));
    proxy.inject(Rule::new(Operation::Head, Fault::Answer(503, "SlowDown")).times(1));
    proxy.inject(Rule::new(Operation::Get, Fault::Cut(10)).key_end(MANIFEST).times(1));
    let run = place.opens(&["fetch", "latest", "-o", "-"]).succeeds();
    assert_eq!(sha256(&run.stdout), large.sha256);
}

/// A nightly job over a bad line is not to send a thousand lines.
#[test]
fn what_breaks_all_the_time_is_reported_a_few_times() {
    let large = Large::shared();
    let (proxy, place) = large.behind();
    proxy.inject(rule(Fault::Cut(500_000)));
    let run = place.opens(&["fetch", "latest", "-o", "-"]).succeeds();
    assert_eq!(sha256(&run.stdout), large.sha256);
    let run = run.says("that is not reported (but with -v)");
    let resumed = |run: &Run| run.stderr.matches("resumed at byte").count();
    assert_eq!(resumed(&run), 10, "{run}");
    let run = place.opens(&["fetch", "latest", "-o", "-", "-v"]).succeeds();
    assert!(resumed(&run) > 30, "{run}");
}

#[test]
fn an_object_replaced_while_it_is_read_is_noticed() {
    let sample = Sample::shared();
    let other = Garage::shared().place("replaced");
    let mine = Place::S3(other.clone());
    for key in sample.place.keys() {
        mine.put(&key, sample.place.get(&key));
    }
    let (key, mut bytes) = (mine.key(DUMP), sample.place.get(&sample.place.key(DUMP)));
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let proxy = FaultProxy::start(&other.endpoint);
    proxy.inject(rule(Fault::Stall(50_000)).times(1));
    let behind = Place::S3(other.through(&proxy.endpoint()));
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("app.dump");
    let running = behind.opens(&["fetch", "latest", "--timeout", "3s", "-o", file.to_str().unwrap()]).spawn();
    // The manifest, and the dump's one range.
    proxy.wait_for(Operation::Get, 2);
    mine.put(&key, bytes);
    running.wait().assert_failure(Kind::Verify).says("replaced");
    assert!(files_below(folder.path()).is_empty());
}

/// Bytes that are wrong in every reading are damage; those that are wrong once came so.
#[test]
fn a_bit_flipped_on_the_way_is_read_again() {
    let large = Large::shared();
    let (proxy, place) = large.behind();
    proxy.inject(rule(Fault::Flip(5_000_000)));
    let run = fetch_fails(&place, &[], Kind::Verify);
    run.says("it was read twice").says("an earlier backup may be whole");
    fetch_fails(&place, &["--name", "nobody"], Kind::NotFound);
    for words in [&["fetch", "latest", "-o", "-"][..], &["verify", "latest"]] {
        proxy.heal();
        proxy.inject(rule(Fault::Flip(5_000_000)).times(1));
        let run = place.opens(words).succeeds().says("arrived damaged").says("intact when it was read again");
        assert!(words[0] == "verify" || sha256(&run.stdout) == large.sha256);
    }
    let cluster = Cluster::shared(Major::Distribution);
    for jobs in ["1", "4"] {
        for damaged in
            [rule(Fault::Flip(5_000_000)), Rule::new(Operation::Get, Fault::Flip(300)).key_end(INVENTORY)]
        {
            proxy.heal();
            proxy.inject(damaged.times(1));
            let to = cluster.url(&fresh("flipped"));
            let run = place.opens(&["restore", "latest", "--to", &to, "--jobs", jobs]).succeeds();
            run.says("intact when it was read again").says("all digests verified");
        }
    }
    // The manifest too.
    proxy.heal();
    proxy.inject(Rule::new(Operation::Get, Fault::Flip(200)).key_end(MANIFEST).times(1));
    place.pgstow(&["list"]).succeeds().says("its manifest arrived damaged");
    proxy.inject(Rule::new(Operation::Get, Fault::Flip(200)).key_end(MANIFEST));
    place.pgstow(&["list"]).fails(Kind::Verify).says("it was read twice");
}

#[test]
fn a_read_that_drips_is_broken_off() {
    let large = Large::shared();
    let (proxy, place) = large.behind();
    proxy.inject(rule(Fault::Drip(100_000)).times(1));
    proxy.inject(rule(Fault::Drip(0)).times(1));
    let to = Cluster::shared(Major::Distribution).url(&fresh("dripping"));
    let begun = Instant::now();
    let run = place.opens(&["restore", "latest", "--to", &to, "--jobs", "1", "--timeout", "2s"]).succeeds();
    run.says("bytes came in 2 s").says("resumed at byte");
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn signals_end_a_fetch_in_order() {
    let large = Large::shared();
    let ends = [
        (Signal::TERM, Some(Kind::Terminated)),
        (Signal::INT, Some(Kind::Interrupted)),
        // The file has no name before it is whole, so not even this leaves one.
        (Signal::KILL, None),
    ];
    for (signal, kind) in ends {
        let (proxy, place) = large.behind();
        proxy.inject(rule(Fault::Stall(5_000_000)));
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("app.dump");
        let running = place.opens(&["fetch", "latest", "-o", file.to_str().unwrap()]).spawn();
        proxy.wait_for(Operation::Get, 4);
        let begun = Instant::now();
        running.signal(signal);
        let run = running.wait();
        kind.map(|kind| run.assert_failure(kind));
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(files_below(folder.path()).is_empty());
    }
}
