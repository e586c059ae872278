//! What can be wrong with a store, its keys and its rules.

use super::Seen;
use crate::scene::{Keys, Place};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::free_port;
use crate::servers::garage::Garage;
use crate::servers::localstack::LocalStack;
use crate::servers::s3::{S3, wait};
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, DefaultRetention, ExpirationStatus,
    LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, ObjectLockConfiguration, ObjectLockEnabled,
    ObjectLockRetentionMode, ObjectLockRule,
};
use pgstow::error::Kind;
use rustix::process::Signal;
use std::time::Duration;

/// Doctor on this store alone, as for a backup.
fn doctor(place: &S3) -> Seen {
    let recipient = &Keys::shared().recipient;
    Seen::of(Place::S3(place.clone()).pgstow(&["doctor", "--recipient", recipient, "--timeout", "5s"]))
}

#[test]
fn a_store_that_does_not_answer_or_does_not_let_in() {
    let place = Garage::shared().place("doctor");
    let nobody = S3 { endpoint: format!("http://127.0.0.1:{}", free_port()), ..place.clone() };
    let seen = doctor(&nobody);
    seen.fails(Kind::Store).has("writing", "failed", "refuses connections").has("store", "not-checked", "");
    // What needs no store is looked at all the same.
    seen.has("recipients", "fine", "1 recipient");
    let missing = S3 { bucket: "no-such-bucket".into(), ..place.clone() };
    doctor(&missing).fails(Kind::Store).has("writing", "failed", "there is no bucket no-such-bucket");
    let wrong = place.with_key(&place.access_key, &"0".repeat(64));
    let seen = doctor(&wrong);
    seen.fails(Kind::Store).has("writing", "failed", "rejects the secret of the access key");
}

/// Who only restores need not write. A key that may not list either is no such key, but a wrong one.
#[test]
fn a_key_that_opens_nothing_is_not_one_that_only_reads() {
    let place = Garage::shared().place("doctor");
    Place::S3(place.clone()).pgstow(&["doctor"]).succeeds();
    for (id, secret, says) in [
        (place.access_key.as_str(), "0".repeat(64), "rejects the secret of the access key"),
        ("GK000000000000000000000000", place.secret_key.clone(), "does not know the access key"),
    ] {
        let wrong = Place::S3(place.with_key(id, &secret));
        let seen = Seen::of(wrong.pgstow(&["doctor"]));
        seen.fails(Kind::Store).only("failed", &["writing"]).has("writing", "failed", says);
        seen.has("store", "not-checked", "");
    }
}

#[test]
fn a_key_that_may_only_write() {
    let garage = Garage::shared();
    let place = garage.place("doctor");
    let seen = doctor(&garage.write_only(&place));
    seen.only("failed", &[]).has("writing", "fine", "was aborted");
    seen.has("listing", "not-checked", "right for a backup job").has("reading", "not-checked", "another key");
    assert_eq!(place.keys(), [""; 0]);
    assert_eq!(place.unfinished_uploads(), [""; 0]);
}

/// It is seen like what is left of a backup, and removed, also if there is no backup of the name.
#[test]
fn what_a_doctor_that_was_killed_leaves() {
    let bucket = Garage::shared().place("doctor");
    let proxy = FaultProxy::start(&bucket.endpoint);
    let (place, through) = (Place::S3(bucket.clone()), Place::S3(bucket.through(&proxy.endpoint())));
    for name in [&["--name", "app"][..], &[]] {
        for (operation, skip, left) in
            [(Operation::AbortUpload, 0, "upload"), (Operation::Delete, 1, "probe")]
        {
            proxy.heal();
            proxy.inject(Rule::new(operation, Fault::Swallow).after(skip));
            let before = proxy.count(operation);
            let doctor = through.pgstow(&["doctor", "--no-encryption"]).args(name).spawn();
            doctor.kill_when(|| proxy.count(operation) > before + skip);
            // It makes no name that has no backup.
            place.pgstow(&["status"]).fails(Kind::Overdue).says("holds no backup");
            let prune = place.pgstow(&["prune", "--keep-last", "unlimited", "--leftovers", "0s"]).succeeds();
            prune.says(if left == "upload" {
                "removed the unfinished upload of"
            } else {
                "removed what was left of"
            });
            assert_eq!((place.keys(), bucket.unfinished_uploads()), (vec![], vec![]), "{left}");
        }
    }
}

#[test]
fn a_signal_leaves_no_upload() {
    let bucket = Garage::shared().place("doctor-signal");
    for operation in [Operation::CreateUpload, Operation::UploadPart] {
        let proxy = FaultProxy::start(&bucket.endpoint);
        proxy.inject(Rule::new(operation, Fault::Delay(Duration::from_secs(1))));
        let running = Place::S3(bucket.through(&proxy.endpoint())).pgstow(&["doctor"]).spawn();
        proxy.wait_for(operation, 1);
        running.signal(Signal::TERM);
        running.wait().assert_failure(Kind::Terminated);
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(bucket.unfinished_uploads(), [""; 0], "{operation:?}");
    }
}

#[test]
fn a_store_that_overwrites() {
    let place = Garage::shared().place("doctor");
    let seen = doctor(&place);
    let seen = seen.only("failed", &[]).has("overwriting", "warning", "not known to refuse overwriting");
    // The profile is named, and there is nothing to turn on.
    let text = Place::S3(place.clone()).pgstow(&["doctor"]).run().text();
    assert!(text.contains("copy backups to a second place") && !text.contains("turn on"), "{text}");
    seen.has("lifecycle", "warning", "AbortIncompleteMultipartUpload");
    // It is called what it is not: a profile that promises conditional writes.
    let promised = S3 { more: "&profile=aws&path_style=true".into(), ..place };
    let seen = doctor(&promised);
    seen.fails(Kind::Store).has("overwriting", "failed", "the store overwrites an object, although");
}

#[test]
fn the_rules_of_a_bucket() {
    let localstack = match LocalStack::shared() {
        Ok(localstack) => localstack,
        Err(why) => crate::skip!("{why}"),
    };
    let bucket = S3::fresh_prefix("ruled");
    let place = S3 { bucket: bucket.clone(), ..localstack.place("doctor") };
    let client = place.client();
    wait(async {
        client.create_bucket().bucket(&bucket).object_lock_enabled_for_bucket(true).send().await.unwrap()
    });
    let seen = doctor(&place);
    seen.only("failed", &[]).has("overwriting", "fine", "conditional writes");
    seen.has("versioning", "fine", "old versions").has("object lock", "warning", "no default retention");
    seen.has("lifecycle", "warning", "no rule aborts");

    let retention = DefaultRetention::builder().mode(ObjectLockRetentionMode::Governance).days(30).build();
    let rule = ObjectLockRule::builder().default_retention(retention).build();
    let lock = ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled).rule(rule);
    let lock = client.put_object_lock_configuration().bucket(&bucket).object_lock_configuration(lock.build());
    wait(async { lock.send().await.unwrap() });
    let filter = LifecycleRuleFilter::builder().prefix("").build();
    let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(7).build();
    let rule = LifecycleRule::builder().id("all").status(ExpirationStatus::Enabled).filter(filter);
    let rule = rule.abort_incomplete_multipart_upload(abort);
    let rule = rule.expiration(LifecycleExpiration::builder().days(90).build()).build().unwrap();
    let rules = BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
    let rules = client.put_bucket_lifecycle_configuration().bucket(&bucket).lifecycle_configuration(rules);
    wait(async { rules.send().await.unwrap() });
    let seen = doctor(&place);
    seen.has("object lock", "fine", "GOVERNANCE, 30 days").has("lifecycle", "fine", "aborts uploads");
    seen.has("lifecycle", "warning", "deletes objects after 90 days");

    // An ordinary bucket keeps nothing.
    let seen = doctor(&localstack.place("doctor"));
    seen.has("versioning", "warning", "keeps no old versions").has("object lock", "fine", "none");
}

#[test]
fn old_and_damaged_backups() {
    let place = Place::folder();
    let dump = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(dump.path(), include_bytes!("../../data/pg16.dump")).unwrap();
    let adopt = place.pgstow(&["adopt", dump.path().to_str().unwrap(), "--name", "app"]);
    adopt.args(["--started-at", "2024-03-01", "--recipient", &Keys::shared().recipient]).succeeds();
    let doctor = || Seen::of(place.opens(&["doctor"]));
    let seen = doctor();
    seen.only("failed", &[]).has("backups", "warning", "app: 1 backup").has("newest", "fine", "opens");
    seen.has("leftovers", "fine", "nothing older than a day");
    let key = place.key("inventory.json.zst.age");
    place.put(&key, vec![0; 10]);
    doctor().fails(Kind::Verify).has("newest", "failed", "10 bytes");
    // A dump that never became a backup, and one that still may become one.
    for (id, hours) in [("20240101T000000Z-aaaaaa", 25), ("20240102T000000Z-bbbbbb", 1)] {
        let key = format!("app/{id}/dump.zst.age");
        place.put(&key, "half");
        let Place::Folder(folder) = &place else { unreachable!() };
        let file = std::fs::File::options().write(true).open(folder.path().join(&key)).unwrap();
        let then = std::time::SystemTime::now() - Duration::from_secs(hours * 3600);
        file.set_modified(then).unwrap();
    }
    let seen = doctor();
    seen.has("leftovers", "warning", "1 leftover of killed runs: 20240101T000000Z-aaaaaa of app");
    place.delete(&place.key("00000Z-aaaaaa/dump.zst.age"));
    place.delete(&place.key("00000Z-bbbbbb/dump.zst.age"));
    place.delete(&place.key("dump.zst.age"));
    let seen = Seen::of(place.pgstow(&["doctor"]));
    seen.fails(Kind::Verify).has("newest", "failed", "is missing, although its manifest exists");
}
