//! What never goes, whatever the rules say: on a folder and in a bucket.

use super::scene::{DAY, HOUR, Template, days, folder_and_bucket, prune, put, put_changed, said_of, there};
use crate::scene::{Keys, Place, signing_keys};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::localstack::LocalStack;
use crate::servers::s3::{S3, wait};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockRetention, ObjectLockRetentionMode,
};
use pgstow::error::Kind;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

/// Root may look at everything.
const WITHOUT_RIGHTS: [&str; 3] = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"];

#[test]
fn the_newest_whole_backup_stays() {
    for place in folder_and_bucket("never-newest") {
        let whole = put(&place, "app", DAY * 2);
        let part = put_changed(&place, "app", DAY, |manifest| manifest.partial = true);
        let damaged = put(&place, "app", HOUR);
        place.put(&format!("app/{damaged}/manifest.json"), "{}");
        let words = ["--keep-last", "1", "--min-keep", "0", "--json"];
        let document = prune(&place, &words).succeeds().json();
        assert_eq!(said_of(&document, &whole).1, ["last", "newest"]);
        assert_eq!(said_of(&document, &part).1, ["last"]);
        assert_eq!(there(&place, "app"), [whole, part, damaged]);
    }
}

#[test]
fn the_newest_proven_backup_stays() {
    for place in folder_and_bucket("never-proven") {
        let ids = days(&place, "app", 6);
        let receipt = |id: &str| format!("app/{id}/receipt-20240229T030000Z-7f3k9q.json");
        let words = ["--keep-last", "1", "--min-keep", "1"];
        let dry = prune(&place, &words).arg("--dry-run").succeeds().text();
        assert!(!dry.contains("PROVEN"), "{dry}");
        for proven in [&ids[1], &ids[2]] {
            place.put(&receipt(proven), "{}");
        }
        let dry = prune(&place, &words).arg("--dry-run").succeeds().text();
        assert!(dry.contains("PROVEN") && dry.contains("keep: proven"), "{dry}");
        let document = prune(&place, &words).arg("--json").succeeds().json();
        assert_eq!(said_of(&document, &ids[2]), ("keep".to_owned(), vec!["proven".to_owned()]));
        assert_eq!(there(&place, "app"), [ids[2].clone(), ids[5].clone()]);
        // It goes when there is another one.
        place.put(&receipt(&ids[5]), "{}");
        prune(&place, &words).succeeds();
        assert_eq!(there(&place, "app"), ids[5..]);
    }
}

#[test]
fn the_least_number_of_whole_backups_stays() {
    for place in folder_and_bucket("never-least") {
        let ids = days(&place, "app", 6);
        prune(&place, &["--keep-last", "1"]).succeeds();
        assert_eq!(there(&place, "app"), ids[3..], "three are the least if nothing is said");
        prune(&place, &["--keep-last", "1", "--min-keep", "2"]).succeeds();
        assert_eq!(there(&place, "app"), ids[4..]);
        prune(&place, &["--keep-last", "1", "--min-keep", "0"]).succeeds();
        assert_eq!(there(&place, "app"), ids[5..]);
    }
}

#[test]
fn nothing_goes_after_backups_have_stopped() {
    for place in folder_and_bucket("never-stale") {
        let ids: Vec<String> = (0..6).rev().map(|day| put(&place, "app", DAY * (day + 4))).collect();
        let fresh = days(&place, "fresh", 5);
        place.put("app/20260101T000000Z-000000/dump.zst.age", "left by a run that was killed");
        let rule = ["--keep-last", "3"];
        let run = prune(&place, &rule).args(["--leftovers", "0s"]).fails(Kind::Prune);
        run.says("nothing of app is removed: its newest whole backup is 4days").says("--force");
        assert_eq!((there(&place, "app"), there(&place, "fresh")), (ids.clone(), fresh[2..].to_vec()));
        assert!(place.keys().iter().any(|key| key.contains("20260101T000000Z-000000")));
        // A partial one is no sign of life.
        put_changed(&place, "app", HOUR, |manifest| manifest.partial = true);
        prune(&place, &rule).fails(Kind::Prune);
        prune(&place, &rule).args(["--dry-run"]).fails(Kind::Prune).says("would remove 0 backups");
        prune(&place, &rule).args(["--stale", "5d"]).succeeds();
        assert_eq!(there(&place, "app")[..3], ids[3..]);
        prune(&place, &["--keep-last", "1", "--min-keep", "1", "--force"]).succeeds();
        assert_eq!(there(&place, "app")[..1], ids[5..]);
    }
}

#[test]
fn a_manifest_that_cannot_be_read_keeps_its_backup_and_is_reported() {
    for place in folder_and_bucket("never-damaged") {
        let ids = days(&place, "app", 6);
        let manifest = |id: &str| format!("app/{id}/manifest.json");
        let mut bytes = place.get(&manifest(&ids[0]));
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        place.put(&manifest(&ids[0]), bytes);
        // A manifest of another backup, and one whose dump is gone.
        place.put(&manifest(&ids[1]), place.get(&manifest(&ids[5])));
        place.delete(&format!("app/{}/stream.zst.age", ids[4]));
        let empty = put_changed(&place, "app", HOUR / 2, |manifest| manifest.objects.clear());
        let run = prune(&place, &["--keep-last", "1", "--min-keep", "2", "--json"]).succeeds();
        let document = run.json();
        for (id, why) in [
            (&ids[0], "manifest"),
            (&ids[1], "another backup"),
            (&ids[4], "stream.zst.age is missing"),
            (&empty, "names no dump"),
        ] {
            let (action, said) = said_of(&document, id);
            assert!(action == "keep" && said[0].contains(why), "{id}: {action} {said:?}");
            assert!(run.stderr.contains(&format!("warning: {id} of app: ")), "{run}");
        }
        // They count as no backup: the two that stay are the newest of the others.
        assert_eq!(said_of(&document, &ids[3]).1, ["min-keep"]);
        let left = [&ids[0], &ids[1], &ids[3], &ids[4], &ids[5], &empty].map(String::clone);
        assert_eq!(there(&place, "app"), left);
    }
}

#[test]
fn partial_backups_never_count_as_whole_ones() {
    for place in folder_and_bucket("never-partial") {
        let whole: Vec<String> = (0..4).rev().map(|day| put(&place, "app", DAY * day + HOUR * 2)).collect();
        let part =
            |day: u32| put_changed(&place, "app", DAY * day + HOUR, |manifest| manifest.partial = true);
        let parts: Vec<String> = (0..4).rev().map(part).collect();
        let dry = ["--keep-last", "2", "--dry-run", "--json"];
        let counted = prune(&place, &dry).arg("--count-partial").succeeds().json();
        assert_eq!(said_of(&counted, &parts[3]).1, ["last", "newest"]);
        assert_eq!(said_of(&counted, &parts[2]).1, ["min-keep"]);
        prune(&place, &["--keep-last", "2"]).succeeds();
        let mut left = [&whole[1..], &parts[2..]].concat();
        left.sort();
        assert_eq!(there(&place, "app"), left);
    }
}

#[test]
fn what_is_not_signed_goes_not_and_counts_not_with_a_key() {
    let place = Place::folder();
    let (signing, verify) = signing_keys();
    let unsigned = days(&place, "app", 6);
    let words = ["backup", "--stdin", "--name", "app", "--json", "--recipient", &Keys::shared().recipient];
    let backup = place.pgstow(&words).stdin("bytes").env("PGSTOW_SIGNING_KEY", &signing).succeeds();
    let signed = backup.json()["id"].as_str().unwrap().to_owned();
    let run = prune(&place, &["--keep-last", "1", "--min-keep", "0", "--verify-key", &verify]).succeeds();
    assert_eq!(there(&place, "app").len(), 7, "{run}");
    // Without the key they are backups like others.
    prune(&place, &["--keep-last", "1", "--min-keep", "2"]).succeeds();
    assert_eq!(there(&place, "app"), [unsigned[5].clone(), signed]);
}

#[test]
fn an_id_of_a_moment_to_come_is_never_the_newest() {
    let place = Place::folder();
    let ids = days(&place, "app", 4);
    let at = SystemTime::now() + DAY * 30;
    let (future, objects) = Template::shared().begun("app", at, |_| {});
    objects.into_iter().for_each(|(key, bytes)| place.put(&key, bytes));
    let document = prune(&place, &["--keep-last", "1", "--min-keep", "1", "--json"]).succeeds().json();
    assert_eq!(
        said_of(&document, &future),
        ("keep".into(), vec!["its id is of a moment that is still to come".into()])
    );
    assert_eq!(there(&place, "app"), [ids[3].clone(), future]);
}

/// Stores without versions refuse to delete what is locked.
#[test]
fn what_the_store_refuses_to_delete_is_kept() {
    let bucket = Garage::shared().place("never-refused");
    let proxy = FaultProxy::start(&bucket.endpoint);
    let (place, through) = (Place::S3(bucket.clone()), Place::S3(bucket.through(&proxy.endpoint())));
    let ids = days(&place, "app", 5);
    proxy.inject(Rule::new(Operation::Delete, Fault::Answer(403, "ObjectLockedByBucketPolicy")));
    let run = prune(&through, &["--keep-last", "3", "--json"]).succeeds();
    assert!(said_of(&run.json(), &ids[0]).1[0].contains("the object is locked"), "{run}");
    run.says(&format!("kept {} of app: the object is locked", ids[0]));
    let delete = || through.pgstow(&["delete", &ids[0], "--yes"]);
    delete().fails(Kind::Prune).says(&format!("{} of app is kept: the object is locked", ids[0]));
    assert_eq!(there(&place, "app"), ids);
    // A key that may not delete is a failure, and nothing is half removed.
    proxy.heal();
    proxy.inject(Rule::new(Operation::Delete, Fault::Answer(403, "AccessDenied")));
    let before = place.keys();
    let run = prune(&through, &["--keep-last", "3"]).fails(Kind::Prune).says("2 of 2 could not be removed");
    let run =
        run.says("prune and delete need a key that may list, read and delete").says(", for the same reason");
    assert_eq!(run.stderr.matches("AccessDenied").count(), 1, "{run}");
    delete().fails(Kind::Prune).says("1 of 1 could not be removed");
    assert_eq!(place.keys(), before);
}

/// In a bucket with versions a delete only hides an object, locked or not: so it is asked first.
#[test]
fn what_is_locked_in_a_bucket_with_versions_is_kept() {
    let localstack = match LocalStack::shared() {
        Ok(localstack) => localstack,
        Err(why) => crate::skip!("{why}"),
    };
    let bucket = S3 { bucket: format!("locked-{}", std::process::id()), ..localstack.place("never-locked") };
    let client = bucket.client();
    let create = client.create_bucket().bucket(&bucket.bucket).object_lock_enabled_for_bucket(true);
    wait(async move { create.send().await.unwrap() });
    let place = Place::S3(bucket.clone());
    let ids = days(&place, "app", 6);
    let key = |id: &str, object: &str| format!("{}/app/{id}/{object}", bucket.prefix);
    let retain = |id: &str, object: &str, until: SystemTime| {
        let retention = ObjectLockRetention::builder()
            .mode(ObjectLockRetentionMode::Governance)
            .retain_until_date(DateTime::from(until));
        let request = client.put_object_retention().bucket(&bucket.bucket).key(key(id, object));
        let request = request.retention(retention.build());
        wait(async move { request.send().await.unwrap() });
    };
    retain(&ids[0], "manifest.json", SystemTime::now() + DAY);
    retain(&ids[1], "stream.zst.age", SystemTime::now() + DAY);
    let hold = ObjectLockLegalHold::builder().status(ObjectLockLegalHoldStatus::On).build();
    let request = client.put_object_legal_hold().bucket(&bucket.bucket).key(key(&ids[2], "manifest.json"));
    wait(async move { request.legal_hold(hold).send().await.unwrap() });
    let run = prune(&place, &["--keep-last", "1", "--min-keep", "2", "--json"]).succeeds();
    let document = run.json();
    for id in &ids[..2] {
        assert!(said_of(&document, id).1[0].starts_with("locked until 20"), "{run}");
    }
    assert_eq!(said_of(&document, &ids[2]).1, ["locked by a legal hold"]);
    assert_eq!(there(&place, "app"), [&ids[..3], &ids[4..]].concat());
    let deleted = place.pgstow(&["delete", &ids[0], "--yes", "--json"]).fails(Kind::Prune);
    let (action, why) = said_of(&deleted.json(), &ids[0]);
    assert!(action == "keep" && why[0].starts_with("locked until 20"), "{deleted}");
    deleted.says(&format!("{} of app is kept: locked until 20", ids[0]));
    // A lock that has expired keeps nothing.
    retain(&ids[4], "manifest.json", SystemTime::now() + Duration::from_secs(2));
    std::thread::sleep(Duration::from_secs(3));
    prune(&place, &["--keep-last", "1", "--min-keep", "1"]).succeeds();
    assert_eq!(there(&place, "app"), [&ids[..3], &ids[5..]].concat());
}

#[test]
fn only_what_is_named_is_deleted_and_the_newest_only_by_force() {
    for place in folder_and_bucket("never-named") {
        let ids = days(&place, "app", 4);
        let delete = |words: &[&str]| place.pgstow(&["delete"]).args(words);
        for wrong in ["latest", &ids[0][..20]] {
            delete(&[wrong, "--yes"]).fails(Kind::Usage).says("is not the whole id of a backup");
        }
        delete(&[&ids[0]]).fails(Kind::Usage).says("no terminal to ask on").says("--yes");
        let gone = "20260101T000000Z-000000";
        delete(&[&ids[0], gone, "--yes"]).fails(Kind::NotFound).says(&format!("there is no backup {gone}"));
        let wrong = delete(&[&ids[0], "--name", "apq", "--yes"]).fails(Kind::NotFound);
        wrong.says("the store holds no backup of apq").says(&format!("{} is a backup of app", ids[0]));
        let newest = format!("{} of app is the newest whole backup", ids[3]);
        delete(&[&ids[0], &ids[3], "--yes"]).fails(Kind::Prune).says(&newest).says("--force");
        let shown = delete(&[&ids[0], "--dry-run"]).succeeds().says("would remove 1 backup (");
        assert!(shown.text().contains(&ids[0]) && !shown.text().contains(&ids[1]), "{shown}");
        assert_eq!(there(&place, "app"), ids);

        let run = delete(&[&ids[0], &ids[2], "--yes", "--json"]).succeeds();
        let run = run.says(&format!("removed {} of app", ids[2])).says("removed 2 backups (");
        assert_eq!(said_of(&run.json(), &ids[0]), ("remove".into(), vec![]));
        assert_eq!(run.json()["backups"].as_array().unwrap().len(), 2);
        assert_eq!(there(&place, "app"), [ids[1].clone(), ids[3].clone()]);
        assert!(place.keys().iter().all(|key| key.contains(&ids[1]) || key.contains(&ids[3])));
        let other = place.url();
        delete(&[&ids[1], "--yes", "--store", &other, "--store", "file:///nowhere"]).fails(Kind::Usage);

        // What counts as no backup is never the newest; if there are only partial ones, the newest of these is.
        let damaged = put(&place, "app", HOUR / 2);
        place.put(&format!("app/{damaged}/manifest.json"), "{}");
        let future = Template::shared().begun("app", SystemTime::now() + DAY, |_| {});
        future.1.into_iter().for_each(|(key, bytes)| place.put(&key, bytes));
        delete(&[&ids[3], "--yes"]).fails(Kind::Prune).says(&newest);
        delete(&[&damaged, &future.0, "--yes"]).succeeds();
        let parts =
            [2, 1].map(|days| put_changed(&place, "part", DAY * days, |manifest| manifest.partial = true));
        delete(&[&parts[1], "--yes"]).fails(Kind::Prune);
        delete(&[&parts[0], "--yes"]).succeeds();
        delete(&[&parts[1], &ids[3], &ids[1], "--yes", "--force"]).succeeds();
        assert!(place.keys().is_empty(), "{:?}", place.keys());
    }
}

/// What cannot be looked at is not taken for something that is not there: "latest" would be an older backup, no alarm would come,
/// and a prune would remove the dump of a manifest that it does not see.
#[test]
fn what_cannot_be_looked_at_is_no_empty_folder() {
    let place = Place::folder();
    let (ids, others) = (days(&place, "app", 2), days(&place, "other", 1));
    let (keys, Place::Folder(folder_of)) = (place.keys(), &place) else { unreachable!() };
    for folder in ["app".to_owned(), format!("app/{}", ids[1])] {
        let mode = |mode| {
            std::fs::set_permissions(folder_of.path().join(&folder), PermissionsExt::from_mode(mode))
                .unwrap();
        };
        // It can be listed, and nothing in it can be reached.
        mode(0o600);
        for words in [
            &["list"][..],
            &["status", "--max-age", "90d"],
            &["prune", "--force", "--keep-last", "1", "--leftovers", "0s"],
            &["fetch", "latest", "--name", "app", "-o", "-"],
        ] {
            place.pgstow(words).under(WITHOUT_RIGHTS).fails(Kind::Store).says("Permission denied");
        }
        let list = place.pgstow(&["list", "--name", "other"]).under(WITHOUT_RIGHTS).succeeds();
        assert!(list.text().contains(&others[0]), "{list}");
        mode(0o700);
        assert_eq!(place.keys(), keys);
    }
}
