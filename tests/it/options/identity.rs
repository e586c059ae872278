//! Credentials that a cloud gives, by every way that Amazon's tools know, and that end during a run.

use crate::harness::{Pgstow, eventually, pgstow};
use crate::servers::cloud::Cloud;
use crate::servers::fault::{FaultProxy, Operation};
use crate::servers::garage::Garage;
use pgstow::error::Kind;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The variables of one way to credentials.
type Way = fn(&Cloud) -> Vec<(&'static str, String)>;

fn with(run: Pgstow, variables: &[(&'static str, String)]) -> Pgstow {
    variables.iter().fold(run, |run, (name, value)| run.env(name, value))
}

#[test]
fn credentials_are_found_by_every_way() {
    let place = Garage::shared().place("ways");
    let cloud = Cloud::start(&place, Duration::from_secs(3600));
    let proxy = FaultProxy::start(&place.endpoint);
    let url = place.through(&proxy.endpoint()).url();
    for (way, variables, path) in [
        ("web identity", cloud.web_identity(), "/"),
        ("container", cloud.container(), "/container"),
        ("instance", cloud.instance(), "/latest/meta-data/iam/security-credentials/backup"),
        ("process", cloud.process(), "/process"),
        ("single sign-on", cloud.single_sign_on(), "/federation/credentials"),
    ] {
        let before = cloud.letters().len();
        let run = pgstow(["list", "--json", "--store", &url]).env("HOME", cloud.home());
        assert_eq!(with(run, &variables).succeeds().text().trim(), "[]", "{way}");
        let letters = cloud.letters().split_off(before);
        let asked = letters.iter().filter(|letter| letter.target.split('?').next() == Some(path)).count();
        assert_eq!(asked, 1, "{way}: {letters:?}");
        let session = proxy.log().last().unwrap().header("x-amz-security-token").map(str::to_owned);
        assert!(session.is_some_and(|session| session.starts_with("session-")), "{way}");
    }
    let letters = cloud.letters();
    assert!(letters.iter().any(|letter| letter.body.contains("a-token-of-the-cluster")));
    assert!(letters.iter().any(|letter| letter.header("x-amz-sso_bearer_token") == Some("logged-in")));
    assert!(letters.iter().any(|letter| letter.header("x-aws-ec2-metadata-token") == Some("imds")));
}

/// The SDK fetches new ones ten to five seconds (by chance) before the old ones end: of twelve seconds, two to seven
/// remain, and parts are sent for ten.
#[test]
fn credentials_that_live_for_seconds_are_renewed_during_a_run() {
    let ways: [Way; 2] = [Cloud::web_identity, Cloud::container];
    std::thread::scope(|scope| {
        for way in ways {
            scope.spawn(move || {
                let place = Garage::shared().place("renewed");
                let cloud = Cloud::start(&place, Duration::from_secs(12));
                let proxy = FaultProxy::start(&place.endpoint);
                let slow = "for i in 1 2 3 4 5; do head -c 5300000 /dev/urandom; sleep 2.5; done";
                let words = ["backup", "--name", "n", "--no-encryption", "--part-size", "5MiB", "--store"];
                let run = pgstow(words).arg(place.through(&proxy.endpoint()).url());
                with(run, &way(&cloud)).args(["--", "sh", "-c", slow]).succeeds();
                let log = proxy.log();
                let parts = log.iter().filter(|request| request.operation == Operation::UploadPart);
                let sessions: BTreeSet<_> =
                    parts.filter_map(|request| request.header("x-amz-security-token")).collect();
                assert!(sessions.len() >= 2, "{sessions:?}");
                let stored = place.keys();
                assert!(stored.iter().any(|key| key.ends_with("manifest.json")), "{stored:?}");
            });
        }
    });
}

/// The old ones end while nobody gives new ones: the backup waits, as for a store that does not answer.
#[test]
fn an_outage_of_the_service_that_gives_credentials_is_waited_for() {
    let ways: [Way; 2] = [Cloud::web_identity, Cloud::container];
    std::thread::scope(|scope| {
        for way in ways {
            scope.spawn(move || {
                let place = Garage::shared().place("unrenewed");
                let cloud = Cloud::start(&place, Duration::from_secs(12));
                let slow = "for i in 1 2 3 4 5; do head -c 5300000 /dev/urandom; sleep 2.5; done";
                let words = ["backup", "--name", "n", "--no-encryption", "--part-size", "5MiB", "--store"];
                let run = pgstow(words).arg(place.url()).env("PGSTOW_RETRY_FOR", "60s");
                let running = with(run, &way(&cloud)).args(["--", "sh", "-c", slow]).spawn();
                eventually("the cloud was asked", || !cloud.letters().is_empty());
                std::thread::sleep(Duration::from_millis(500));
                let asked = cloud.letters().len();
                cloud.fails(503);
                std::thread::sleep(Duration::from_secs(14));
                let refused = cloud.letters().len() - asked;
                cloud.fails(0);
                let run = running.wait().assert_success();
                assert!(refused > 0, "nobody asked during the outage");
                let run = run.says("the service that gives the store's credentials");
                assert!(place.keys().iter().any(|key| key.ends_with("manifest.json")), "{run}");
            });
        }
    });
}

#[test]
fn a_service_that_refuses_credentials_is_not_asked_for_long() {
    let place = Garage::shared().place("refused");
    let cloud = Cloud::start(&place, Duration::from_secs(3600));
    let list = |variables: &[(&'static str, String)], patience: &str| {
        let run = pgstow(["list", "--retry-for", patience, "--store", &place.url()]);
        with(run.env("HOME", cloud.home()), variables).fails(Kind::Store)
    };
    for status in [400, 403] {
        cloud.fails(status);
        for variables in [cloud.container(), cloud.web_identity(), cloud.process()] {
            let begun = Instant::now();
            list(&variables, "60s").says("no credentials for the store were given");
            assert!(begun.elapsed() < Duration::from_secs(20), "{status} {variables:?}");
        }
    }
    // A service that is not there may come.
    let nowhere = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/x".to_owned())];
    list(&nowhere, "3s").says("the service that gives the store's credentials").says("gave up after");
}
