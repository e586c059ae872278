//! Objects that are not this backup's: another's, a stranger's, those of a later format, and none.

use super::scene::{DUMP, MANIFEST, forge};
use crate::harness::Run;
use crate::scene::{Keys, Place, Sample, fetch, fetch_fails, restore_fails, signing_keys};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

#[test]
fn objects_of_another_backup_are_refused() {
    let cluster = Cluster::shared(Major::Distribution);
    let place = Place::folder();
    let (secret, public) = signing_keys();
    for name in ["one", "two"] {
        let database = cluster.create_database(name);
        cluster.psql(&database, &format!("CREATE TABLE {name} (n int); INSERT INTO {name} VALUES (1)"));
        let backup = place.pgstow(&["backup", "--name", name, "--recipient", &Keys::shared().recipient]);
        backup.args([cluster.url(&database)]).env("PGSTOW_SIGNING_KEY", &secret).succeeds();
    }
    let swap = |end: &str| {
        let swapped = place.copy();
        let keys: Vec<String> = place.keys().into_iter().filter(|key| key.ends_with(end)).collect();
        assert_eq!(keys.len(), 2);
        swapped.put(&keys[0], place.get(&keys[1]));
        swapped.put(&keys[1], place.get(&keys[0]));
        swapped
    };
    let refused = |swapped: &Place, words: &[&str]| {
        let words = [&["--name", "one"], words].concat();
        restore_fails(swapped, cluster, &words, Kind::Verify);
        fetch_fails(swapped, &words, Kind::Verify)
    };
    refused(&swap(DUMP), &[]);
    refused(&swap(MANIFEST), &[]).says("the manifest is that of another backup");
    refused(&swap("manifest.json.minisig"), &["--verify-key", &public]).says("signature");

    // Manifest and dump moved together: only the id and name tell.
    let both = swap(DUMP);
    let manifests = swap(MANIFEST);
    for key in manifests.keys().iter().filter(|key| key.ends_with(MANIFEST)) {
        both.put(key, manifests.get(key));
    }
    refused(&both, &[]).says("the manifest is that of another backup");
    let listed = both.pgstow(&["list", "--json"]).fails(Kind::Verify);
    assert_eq!(listed.json(), serde_json::json!([]));

    // Signed by a stranger, or by nobody.
    let (_, stranger) = signing_keys();
    refused(&place.copy(), &["--verify-key", &stranger]).says("signature is invalid");
    let unsigned = place.copy();
    for key in place.keys().iter().filter(|key| key.ends_with(".minisig")) {
        unsigned.delete(key);
    }
    refused(&unsigned, &["--verify-key", &public]).says("is not signed");
    // A forged manifest has the right digest, and no signature.
    let forged = place.copy();
    forged.delete(
        &place.keys().into_iter().find(|key| key.starts_with("two/") && key.ends_with(MANIFEST)).unwrap(),
    );
    forge(&forged, |manifest| manifest.labels.insert("by".into(), "me".into()).map_or((), drop));
    refused(&forged, &["--verify-key", &public]).says("signature is invalid");
    fetch(&forged, &["latest", "--name", "one"]);
    fetch(&place, &["latest", "--name", "one", "--verify-key", &public]);
}

#[test]
fn a_format_from_the_future_is_not_guessed_at() {
    let sample = Sample::shared();
    let later = sample.place.copy();
    forge(&later, |manifest| manifest.format = 2);
    let says = |run: Run| run.says("of format 2; this pgstow reads format 1").says("a newer one");
    says(fetch_fails(&later, &[], Kind::Verify));
    says(restore_fails(&later, sample.cluster, &[], Kind::Verify));
    says(later.pgstow(&["show", "latest"]).fails(Kind::Verify));
    says(later.pgstow(&["list"]).fails(Kind::Verify));
}

#[test]
fn what_is_missing_is_said() {
    let sample = Sample::shared();
    // Without its dump it is damaged; without its manifest it is no backup.
    let no_dump = sample.place.copy();
    no_dump.delete(&no_dump.key(DUMP));
    fetch_fails(&no_dump, &[], Kind::Verify).says("is missing, although its manifest exists");
    restore_fails(&no_dump, sample.cluster, &[], Kind::Verify).says("is missing");

    let no_manifest = sample.place.copy();
    no_manifest.delete(&no_manifest.key(MANIFEST));
    assert_eq!(no_manifest.pgstow(&["list", "--json"]).succeeds().json(), serde_json::json!([]));
    for id in ["latest", &sample.id] {
        no_manifest.opens(&["fetch", id, "-o", "-"]).fails(Kind::NotFound);
        no_manifest.pgstow(&["show", id]).fails(Kind::NotFound);
    }
    let empty = Place::folder();
    empty.opens(&["fetch", "latest", "-o", "-"]).fails(Kind::NotFound).says("holds no backup");
    empty.pgstow(&["list"]).succeeds().says("no backups yet");
    let sample = &sample.place;
    sample.opens(&["fetch", "20010101T000000Z-abcdef", "-o", "-"]).fails(Kind::NotFound).says("pgstow list");
    sample.opens(&["fetch", "latest", "-n", "nobody", "-o", "-"]).fails(Kind::NotFound).says("of nobody");
    restore_fails(sample, Cluster::shared(Major::Distribution), &["--name", "nobody"], Kind::NotFound);
}
