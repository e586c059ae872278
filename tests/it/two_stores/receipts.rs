//! `copy` takes the receipts of trial restores along, if they hold.

use super::{copy, places};
use crate::history::receipts::put_receipt;
use crate::history::scene::{Scene, back_up};
use crate::scene::Place;
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use std::time::Duration;

fn receipts(place: &Place) -> Vec<String> {
    place.keys().into_iter().filter(|key| key.contains("/receipt-")).collect()
}

/// What a receipt proves is the manifest, and that is copied as it is.
#[test]
fn receipts_come_along_if_they_hold() {
    for to in places("copy-receipts") {
        let scene = Scene::of(Place::folder());
        let older = scene.back_up();
        std::thread::sleep(Duration::from_secs(1));
        let (from, id, places) = (&scene.place, scene.back_up(), [to]);
        let [to] = &places;
        let proves = put_receipt(from, &id, &id, Some(&scene.signing));
        let unsigned = put_receipt(from, &id, &id, None);
        put_receipt(from, &id, &older, Some(&scene.signing));
        let sorted = |receipts: &[&String]| {
            let signed = receipts.iter().flat_map(|key| [(*key).clone(), format!("{key}.minisig")]);
            let mut keys: Vec<String> = signed.collect();
            keys.sort();
            keys
        };
        let believing = || copy(&places, from, to, &["--all", "--verify-key", &scene.public]).succeeds();
        let run = believing().says(&format!("copied 1 receipt for {id}"));
        run.says("it is not signed").says("it is of another backup");
        assert_eq!(receipts(to), sorted(&[&proves]));
        assert!(receipts(to).iter().all(|key| to.get(key) == from.get(key)));
        let listed = to.pgstow(&["list", "--json", "--verify-key", &scene.public]).succeeds().json();
        assert_eq!([0, 1].map(|at| listed[at]["proven_at"].is_string()), [false, true], "{listed}");

        // One that is made after the backup was copied comes with the next copy, and none comes twice.
        let later = put_receipt(from, &older, &older, Some(&scene.signing));
        let run = believing().says(&format!("copied 1 receipt for {older}"));
        assert_eq!(run.json()["backups"][0]["outcome"], "present");
        assert!(!run.stderr.contains(&format!("receipt for {id}")), "{run}");
        assert_eq!(receipts(to), sorted(&[&later, &proves]));
        // For whoever believes everything, one without a signature holds too.
        copy(&places, from, to, &["--all"]).succeeds().says(&format!("copied 1 receipt for {id}"));
        assert!(receipts(to).contains(&unsigned) && receipts(to).len() == 5, "{:?}", receipts(to));
    }
}

/// A backup that was written into two stores at once has a manifest in each, which says what that store says of it.
#[test]
fn a_receipt_for_another_manifest_stays() {
    let [folder, bucket, _] = places("copy-receipts-stay");
    let Place::S3(s3) = &bucket else { unreachable!() };
    let both = ["backup", "--stdin", "--name", "app", "--json", "--no-encryption"];
    let both = folder.pgstow(&both).args(["--store", &folder.url(), "--store", &bucket.url()]);
    let run = both.envs(s3.env()).stdin("bytes").succeeds();
    let id = run.json()["id"].as_str().unwrap().to_owned();
    assert!(folder.get(&folder.key("manifest.json")) != bucket.get(&bucket.key("manifest.json")));
    put_receipt(&folder, &id, &id, None);
    let places = [bucket];
    let run = copy(&places, &folder, &places[0], &["--all"]).succeeds();
    assert_eq!(run.json()["backups"][0]["outcome"], "present");
    assert_eq!(receipts(&places[0]), Vec::<String>::new(), "{run}");
}

#[test]
fn a_receipt_that_cannot_be_copied_is_warned_of_and_comes_with_the_next_copy() {
    let s3 = Garage::shared().place("copy-receipts-later");
    let proxy = FaultProxy::start(&s3.endpoint);
    let through = Place::S3(s3.through(&proxy.endpoint()));
    let (scene, places) = (Scene::of(Place::folder()), [Place::S3(s3)]);
    let id = back_up(&scene.place, &scene.signing);
    let key = put_receipt(&scene.place, &id, &id, Some(&scene.signing));
    proxy.inject(Rule::new(Operation::Put, Fault::Answer(403, "AccessDenied")).key_end(&key));
    let run = copy(&places, &scene.place, &through, &["latest"]).succeeds();
    run.says(&format!("a receipt for {id} of app was not copied"));
    assert!(places[0].keys().iter().any(|key| key.ends_with("/manifest.json")));
    proxy.heal();
    copy(&places, &scene.place, &through, &["latest"]).succeeds().says("copied 1 receipt");
    assert!(places[0].get(&key) == scene.place.get(&key));
}
