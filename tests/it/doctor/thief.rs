//! `doctor --thief`: what somebody could do who has stolen the key to the store, on stores that enforce rights.

use crate::harness::{Run, pgstow};
use crate::scene::{Keys, Place};
use crate::servers::garage::Garage;
use crate::servers::gcs::{Account, Google};
use crate::servers::localstack::LocalStack;
use crate::servers::s3::{S3, wait};
use crate::servers::{as_server_user, folder};
use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule,
};
use pgstow::error::Kind;
use serde_json::{Value, json};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// What can be done, and what cannot; the rest is not known.
fn can(document: &Value) -> [Vec<&str>; 2] {
    [true, false].map(|can| {
        let deeds = document["deeds"].as_array().unwrap().iter();
        deeds.filter(|deed| deed["can"] == can).map(|deed| deed["act"].as_str().unwrap()).collect()
    })
}

fn rob(place: &Place) -> Run {
    place.pgstow(&["doctor", "--thief", "--name", "app", "--json"]).succeeds()
}

#[test]
fn a_key_that_may_do_everything_and_one_that_may_only_write() {
    let place = Garage::shared().place("thief");
    let owner = Place::S3(place.clone());
    let backup = ["backup", "--stdin", "--name", "app", "-r", &Keys::shared().recipient];
    owner.pgstow(&backup).stdin("x").succeeds();
    let before: Vec<(String, Vec<u8>)> =
        owner.keys().into_iter().map(|key| (key.clone(), owner.get(&key))).collect();
    let document = rob(&owner).json();
    assert_eq!(can(&document), [&["write", "list", "read", "overwrite", "delete"][..], &[]], "{document}");
    assert_eq!(document["left"], json!([]));
    let writer = Place::S3(Garage::shared().write_only(&place));
    let document = rob(&writer).json();
    // Here it may delete, too.
    assert_eq!(can(&document)[0], ["write", "overwrite", "delete"], "{document}");
    assert!(can(&document)[1].starts_with(&["list", "read"]), "{document}");
    let said = writer.pgstow(&["doctor", "--thief"]).succeeds().text();
    for line in [
        "a thief with this key can:",
        "→ here a key that may write may do that, too: copy backups to a second place",
        "cannot:\n  list backups\n  read objects",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let after: Vec<(String, Vec<u8>)> =
        owner.keys().into_iter().map(|key| (key.clone(), owner.get(&key))).collect();
    assert_eq!(before, after, "backups are untouched, and nothing is left");
    let wrong = Place::S3(place.with_key(&place.access_key, &"0".repeat(64)));
    let document = rob(&wrong).json();
    assert!(can(&document)[0].is_empty(), "{document}");
}

#[test]
fn a_folder_whose_rights_are_anothers() {
    let store = folder("thief");
    let url = format!("file://{}", store.path().display());
    let command = || pgstow(["doctor", "--thief", "--json", "--store", &url]);
    let document = command().succeeds().json();
    assert_eq!(can(&document), [&["write", "list", "read", "overwrite", "delete"][..], &[]], "{document}");
    assert!(store.path().read_dir().unwrap().next().is_none());
    // One who may only read the folder.
    std::fs::set_permissions(store.path(), Permissions::from_mode(0o555)).unwrap();
    let user = as_server_user("/usr/bin/env");
    let words = [user.get_program()].into_iter().chain(user.get_args());
    let document = command().under(words).succeeds().json();
    assert_eq!(can(&document), [&["list"][..], &["write"]], "{document}");
    assert!(store.path().read_dir().unwrap().next().is_none());
    pgstow(["doctor", "--thief"]).fails(Kind::Usage).says("no store was given");
}

/// Google has no right to overwrite: that is to delete and to create. Without holds, versions or a retention of the
/// bucket's own, only a hold of the thief's own can be tried.
#[test]
fn what_google_lets_a_thief_do() {
    let everything =
        ["write", "list", "read", "overwrite", "read-version", "shorten-lock", "delete-version", "delete"];
    let without = |not: &[&str]| everything.into_iter().filter(|act| !not.contains(act)).collect::<Vec<_>>();
    let google = Google::start();
    google.put("p/app/backup", "untouched");
    let rob = |account, words: &[&str]| {
        let url = google.url("p", account);
        let doctor = pgstow(["doctor", "--thief", "--name", "app", "--json", "--store", &url]);
        let document = doctor.args(words).succeeds().json();
        assert_eq!(google.object("p/app/backup").unwrap().bytes, "untouched");
        let left = document["left"].as_array().unwrap().len();
        let mut probes = google.keys("p/app/");
        probes.retain(|key| key.ends_with("/pgstow-doctor-probe"));
        assert_eq!(left, probes.len(), "{document}");
        probes.iter().for_each(|key| google.delete(key));
        document
    };
    let versions = ["read-version", "delete-version"];
    for account in [Account::Owner, Account::User] {
        let document = rob(account, &[]);
        assert_eq!(can(&document), [without(&versions), vec![]], "{document}");
    }
    let document = rob(Account::Writer, &[]);
    assert_eq!(can(&document), [vec!["write"], without(&["write"])], "{document}");
    let document = rob(Account::Reader, &[]);
    assert_eq!(can(&document), [["list"].to_vec(), ["write", "delete"].to_vec()], "{document}");

    google.keep_versions();
    let document = rob(Account::User, &[]);
    assert_eq!(can(&document), [without(&[]), vec![]], "{document}");
    assert_eq!(google.old_versions(), Vec::<String>::new());

    // What the job locks itself: only who has a special right ends it before its time, if it is not locked for good.
    let locked = ["overwrite", "shorten-lock", "delete"];
    for (account, mode, held_up) in [
        (Account::Owner, "governance", &["overwrite"][..]),
        (Account::User, "governance", &locked),
        (Account::Owner, "compliance", &locked),
    ] {
        let document = rob(account, &["--lock-until", "1h", "--lock-mode", mode]);
        let cannot: Vec<&str> = can(&document)[1].clone();
        assert_eq!(cannot, held_up, "{account:?} {mode}: {document}");
    }
    // What the bucket holds can be released by whoever may change objects, and nobody gets round its retention.
    google.hold_new_objects(true);
    let document = rob(Account::User, &[]);
    assert_eq!(can(&document)[1], ["overwrite"], "{document}");
    google.hold_new_objects(false);
    google.retain(Duration::from_secs(3600));
    let document = rob(Account::Owner, &[]);
    assert_eq!(can(&document)[1], locked, "{document}");
    let said = pgstow(["doctor", "--thief", "--store", &google.url("p", Account::User)]).succeeds().text();
    assert!(said.contains("shorten a lock (it is locked)"), "{said}");
}

#[test]
fn versions_and_locks_are_worth_what_the_key_leaves_of_them() {
    let localstack = match LocalStack::shared() {
        Ok(localstack) => localstack,
        Err(why) => crate::skip!("{why}"),
    };
    let bucket = S3::fresh_prefix("thief");
    let place = S3 { bucket: bucket.clone(), ..localstack.place("thief") };
    let client = place.client();
    wait(async {
        client.create_bucket().bucket(&bucket).object_lock_enabled_for_bucket(true).send().await.unwrap()
    });
    let lock = |mode: ObjectLockRetentionMode| {
        let retention = DefaultRetention::builder().mode(mode).days(1).build();
        let rule = ObjectLockRule::builder().default_retention(retention).build();
        let configuration = ObjectLockConfiguration::builder();
        let configuration = configuration.object_lock_enabled(ObjectLockEnabled::Enabled).rule(rule).build();
        let request =
            client.put_object_lock_configuration().bucket(&bucket).object_lock_configuration(configuration);
        wait(async { request.send().await.unwrap() });
    };
    let versions = || {
        let request = client.list_object_versions().bucket(&bucket);
        let listed = wait(async { request.send().await.unwrap() });
        listed.versions().len() + listed.delete_markers().len()
    };
    let owner = Place::S3(place.clone());
    let document = rob(&owner).json();
    let all = ["write", "list", "read", "overwrite", "read-version", "delete-version", "delete"];
    assert_eq!(can(&document)[0], all, "{document}");
    assert_eq!((versions(), &document["left"]), (0, &json!([])));
    // Whoever may bypass it is not held up by a lock of this mode.
    lock(ObjectLockRetentionMode::Governance);
    let document = rob(&owner).json();
    assert!(
        can(&document)[0].contains(&"shorten-lock") && can(&document)[0].contains(&"delete-version"),
        "{document}"
    );
    assert_eq!((versions(), &document["left"]), (0, &json!([])));
    // By one of this mode everybody is: what was written stays, and is named.
    lock(ObjectLockRetentionMode::Compliance);
    let document = rob(&owner).json();
    assert_eq!(can(&document)[1], ["shorten-lock", "delete-version"], "{document}");
    let note = document["deeds"].as_array().unwrap().iter().find(|deed| deed["act"] == "delete").unwrap();
    assert_eq!(note["detail"], "the old version stays, and can be brought back");
    assert!(versions() > 0 && document["left"][0].as_str().unwrap().contains("pgstow-doctor-"), "{document}");
}
