//! One backup in several stores: written into them at once, or copied from one to another.

mod at_once;
mod copied;
mod meanwhile;
mod receipts;
mod rekeyed;

use crate::harness::Pgstow;
use crate::scene::{Keys, Place};
use crate::servers::gcs::Account;

/// A place of every kind that the tests of two stores use.
fn places(label: &str) -> [Place; 3] {
    [Place::folder(), Place::garage(label), Place::google()]
}

/// A command with the credentials of all of them, and without a store.
fn with_all(places: &[Place], words: &[&str]) -> Pgstow {
    let mut command = places[0].pgstow(words);
    for place in places {
        command = match place {
            Place::Folder(_) => command,
            Place::S3(s3) => command.envs(s3.env()),
            Place::Google(google, _) => {
                command.env("GOOGLE_APPLICATION_CREDENTIALS", google.federated(Account::Owner))
            }
        };
    }
    command.env("PGSTOW_STORE", "")
}

/// `copy` from one place into another, with these words.
fn copy(places: &[Place], from: &Place, to: &Place, words: &[&str]) -> Pgstow {
    with_all(places, &["copy", "--json"]).args(words).args(["--from", &from.url(), "--to", &to.url()])
}

/// What is unfinished in a place.
fn unfinished(place: &Place) -> Vec<String> {
    match place {
        Place::S3(s3) => s3.unfinished_uploads(),
        _ => place.keys().into_iter().filter(|key| key.contains(".pgstow-")).collect(),
    }
}

/// Stores this number of random bytes, which no compression makes smaller, in this place; the id.
fn stream(place: &Place, name: &str, bytes: usize) -> String {
    let bytes = bytes.to_string();
    let words = ["backup", "--json", "--name", name, "--recipient", &Keys::shared().recipient];
    let command = place.pgstow(&words).args(["--", "head", "-c", &bytes, "/dev/urandom"]);
    command.succeeds().json()["id"].as_str().unwrap().to_owned()
}

/// Expects the same objects, byte for byte, in both; manifests and signatures only if the backup was copied.
#[track_caller]
fn are_same(one: &Place, other: &Place, is_copied: bool) {
    assert_eq!(one.keys(), other.keys());
    for key in one.keys() {
        if is_copied || !key.contains("manifest.json") {
            assert!(one.get(&key) == other.get(&key), "{key} differs");
        }
    }
}
