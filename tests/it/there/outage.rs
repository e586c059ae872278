//! The network is gone in the middle of something, and comes back: everything goes on.

use super::scene::{KEYS, Place, Source, aftermath, backup, is_whole};
use crate::harness::{Pgstow, Run, eventually, pgstow};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::gcs::{Account, Google};
use pgstow::error::Kind;
use std::time::{Duration, Instant};

/// How long the network is gone. By then every attempt has failed often enough for it to be reported.
const OUTAGE: Duration = Duration::from_secs(3);

/// Runs this while the network goes away as soon as such a request is under way.
fn without_network(proxy: &FaultProxy, operation: Operation, key_end: &str, command: Pgstow) -> Run {
    proxy.heal();
    let before = proxy.count(operation);
    proxy.inject(Rule::new(operation, Fault::Swallow).key_end(key_end).times(1));
    let meant = |proxy: &FaultProxy| {
        let log = proxy.log();
        let meant = log.iter().filter(|request| request.operation == operation).skip(before);
        meant.filter(|request| request.path.ends_with(key_end)).count()
    };
    let running = command.args(["--retry-for", "60s"]).spawn();
    eventually(&format!("{operation:?} {key_end}"), || meant(proxy) > 0);
    proxy.outage(OUTAGE);
    running.wait()
}

/// Expects that it succeeded, and that it was said once that it waits, and once that it goes on.
#[track_caller]
fn went_on(run: Run) -> Run {
    let run = run.assert_success();
    for said in ["retrying for up to", "the store works again after"] {
        assert_eq!(run.stderr.matches(said).count(), 1, "{said}: {run}");
    }
    run
}

/// Small objects are waited for no longer than large ones: one that stands still in the middle ends with the deadline.
#[test]
fn a_manifest_that_stands_still_is_given_up_in_time() {
    let place = Garage::shared().place("standstill");
    let proxy = FaultProxy::start(&place.endpoint);
    let words = ["backup", "--name", "n", "--no-encryption", "--store", &place.url(), "--", "echo", "hello"];
    pgstow(words).envs(place.env()).succeeds();
    proxy.inject(Rule::new(Operation::Get, Fault::Stall(9)).key_end("/manifest.json"));
    let words = ["list", "--timeout", "2s", "--retry-for", "1s", "--store"];
    let list = pgstow(words).arg(place.through(&proxy.endpoint()).url()).envs(place.env());
    list.fails(Kind::Store).says(" came in 2 s");
}

#[test]
fn a_backup_and_a_restore_outlast_an_outage() {
    let (source, place) = (Source::shared(), Garage::shared().place("outage"));
    let proxy = FaultProxy::start(&place.endpoint);
    let (direct, broken) = (Place::Bucket(place.clone()), Place::Bucket(place.through(&proxy.endpoint())));
    let steps = [
        (Operation::CreateUpload, "/dump.zst.age"),
        (Operation::UploadPart, "/dump.zst.age"),
        (Operation::CompleteUpload, "/dump.zst.age"),
        (Operation::Put, "/inventory.json.zst.age"),
        (Operation::Put, "/manifest.json"),
    ];
    for (operation, key_end) in steps {
        let run = went_on(without_network(&proxy, operation, key_end, backup(source, &broken)));
        is_whole(source, &direct, run.text().trim());
    }
    assert_eq!(direct.listed().len(), steps.len());
    assert!(direct.unfinished().is_empty());

    let fetch = || {
        let fetch = pgstow(["fetch", "latest", "-o", "-", "--store", &broken.url()]).envs(broken.env());
        fetch.env("PGSTOW_IDENTITY", &KEYS.0)
    };
    for (operation, key_end) in
        [(Operation::List, ""), (Operation::Get, "/manifest.json"), (Operation::Get, "/dump.zst.age")]
    {
        let run = went_on(without_network(&proxy, operation, key_end, fetch()));
        assert_eq!(run.stdout.len(), source.archive.len());
    }
}

#[test]
fn a_backup_to_google_outlasts_an_outage() {
    let (source, google) = (Source::shared(), Google::in_front_of_garage());
    let proxy = FaultProxy::start(&google.endpoint());
    let url = |endpoint: &str| google.url_through(endpoint, "p", Account::Owner);
    let broken = url(&proxy.endpoint());
    let words = ["backup", &source.url(), "--store", &broken, "--recipient", &KEYS.1, "--part-size", "5MiB"];
    for operation in [Operation::UploadPart, Operation::CompleteUpload, Operation::Put] {
        went_on(without_network(&proxy, operation, "", pgstow(words)));
    }
    let fetch = |store: &str| {
        pgstow(["fetch", "latest", "-o", "-", "--store", store]).env("PGSTOW_IDENTITY", &KEYS.0)
    };
    let run = went_on(without_network(&proxy, Operation::Get, "dump.zst.age", fetch(&broken)));
    assert_eq!(run.stdout.len(), source.archive.len());
    assert_eq!(fetch(&url(&google.endpoint())).succeeds().stdout.len(), source.archive.len());
    assert!(google.unfinished().is_empty());
}

/// However long it would be waited for: what cannot pass is an error at once.
#[test]
fn what_cannot_pass_is_not_waited_for() {
    let (source, place) = (Source::shared(), Garage::shared().place("at-once"));
    let wrong = [
        place.with_key(&place.access_key, &"0".repeat(64)),
        place.with_key("GK000000000000000000000000", &place.secret_key),
        crate::servers::s3::S3 { bucket: "nowhere".into(), ..place.clone() },
        crate::servers::s3::S3 { region: "eu-west-1".into(), ..place.clone() },
    ];
    for wrong in wrong {
        let run = backup(source, &Place::Bucket(wrong)).args(["--retry-for", "1h"]).fails(Kind::Store);
        assert!(!run.stderr.contains("retrying"), "{run}");
    }
    aftermath(source, &Place::Bucket(place));
}

/// The time that was set is the limit, and then nobody waits again for what comes after it.
#[test]
fn an_outage_that_is_longer_is_given_up_in_time() {
    let (source, place) = (Source::shared(), Garage::shared().place("outage-long"));
    let proxy = FaultProxy::start(&place.endpoint);
    let broken = Place::Bucket(place.through(&proxy.endpoint()));
    proxy.inject(Rule::new(Operation::Put, Fault::Answer(503, "SlowDown")));
    let begun = Instant::now();
    let run = backup(source, &broken).args(["--retry-for", "2s"]).fails(Kind::Store);
    run.says("; gave up after").says("attempts in 2");
    assert!(begun.elapsed() < Duration::from_secs(60));
    proxy.heal();
    aftermath(source, &Place::Bucket(place));
}
