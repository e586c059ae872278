//! What killed runs have left: it goes if it is old, and it is named.

use super::scene::{DAY, days, prune, there};
use crate::scene::{Place, skewed_clock};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::s3::{S3, wait};
use pgstow::error::Kind;
use std::fs::File;
use std::time::{Duration, SystemTime};

const KEEP: [&str; 2] = ["--keep-last", "unlimited"];
const HIDDEN: &str = ".pgstow-abcdefgh-dump.zst.age";

/// The folder of a backup that never came to be: its key for an object.
fn dead(object: &str) -> String {
    format!("app/20260101T000000Z-000000/{object}")
}

/// A list of a bucket that has its dump, an old one, and nothing else.
fn listed(prefix: &str) -> String {
    let moment = "2026-01-01T00:00:00.000Z";
    format!(
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>{prefix}/{}</Key>\
         <LastModified>{moment}</LastModified><Size>1</Size></Contents></ListBucketResult>",
        dead("dump.zst.age")
    )
}

#[test]
fn old_files_and_folders_without_a_manifest_go_and_are_named() {
    let place = Place::folder();
    days(&place, "app", 2);
    let stays = place.keys();
    let Place::Folder(folder) = &place else { unreachable!() };
    let age = |key: &str, hours: u64| {
        let file = File::options().write(true).open(folder.path().join(key)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
        file
    };
    for key in [dead("dump.zst.age"), dead("inventory.json.zst.age"), dead(HIDDEN)] {
        place.put(&key, "x");
        age(&key, 23);
    }
    place.put("app/other.txt", "x");
    place.put("elsewhere/20260101T000000Z-000000/dump.zst.age", "x");
    age("app/other.txt", 99);
    age("elsewhere/20260101T000000Z-000000/dump.zst.age", 99);

    let document = prune(&place, &KEEP).arg("--json").succeeds().json();
    let leftovers = document["leftovers"].as_array().unwrap();
    assert_eq!(leftovers.len(), 3, "{document}");
    assert!(leftovers.iter().all(|left| left["action"] == "keep"), "{document}");
    assert_eq!(place.keys().len(), stays.len() + 5);

    // One object that is young makes the whole folder young.
    age(&dead("dump.zst.age"), 25);
    prune(&place, &KEEP).succeeds().says("kept 2 backups");
    assert!(place.keys().contains(&dead("dump.zst.age")));

    age(&dead("inventory.json.zst.age"), 25);
    let writer = age(&dead(HIDDEN), 25);
    // Somebody still writes to it.
    rustix::fs::flock(&writer, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let run = prune(&place, &KEEP).succeeds().says("1 leftover");
    let run = run.says("removed what was left of 20260101T000000Z-000000 of app without a manifest");
    assert!(!run.stderr.contains("unfinished upload"), "{run}");
    drop(writer);
    prune(&place, &KEEP)
        .succeeds()
        .says(&format!("removed the unfinished upload of {}", dead("dump.zst.age")));

    // Files of others stay, and a dump that may be the last of its name.
    let mut left = stays;
    left.extend(["app/other.txt".into(), "elsewhere/20260101T000000Z-000000/dump.zst.age".into()]);
    left.sort();
    assert_eq!(place.keys(), left);
    prune(&place, &KEEP).arg("--force").succeeds().says("of elsewhere without a manifest");
}

#[test]
fn unfinished_uploads_of_a_bucket_go_and_are_named() {
    let bucket = Garage::shared().place("leftovers");
    let place = Place::S3(bucket.clone());
    days(&place, "app", 2);
    let stays = place.keys();
    let begin = |key: &str| {
        let request = bucket.client().create_multipart_upload().bucket(&bucket.bucket);
        let request = request.key(format!("{}/{key}", bucket.prefix));
        wait(async move { request.send().await.unwrap() });
    };
    begin(&dead("dump.zst.age"));
    begin("app/other.bin");
    begin("elsewhere/20260101T000000Z-000000/dump.zst.age");
    place.put(&dead("inventory.json.zst.age"), "without a manifest");
    prune(&place, &KEEP).succeeds();
    assert_eq!(
        (bucket.unfinished_uploads().len(), place.keys().len()),
        (3, stays.len() + 1),
        "all are young"
    );
    // By the store's clock, that is.
    let ahead = prune(&place, &KEEP).env("LD_PRELOAD", skewed_clock()).env("SKEW", "172800");
    ahead.succeeds().says("removed 0 backups (0 B); kept 2");
    assert_eq!((bucket.unfinished_uploads().len(), place.keys().len()), (3, stays.len() + 1));
    let words = ["--leftovers", "0s", "--name", "app"];
    prune(&place, &KEEP)
        .args(words)
        .arg("--dry-run")
        .succeeds()
        .says("would remove 0 backups (0 B), 2 leftovers");
    assert_eq!((bucket.unfinished_uploads().len(), place.keys().len()), (3, stays.len() + 1));
    let run = prune(&place, &KEEP).args(words).succeeds().says("2 leftovers");
    run.says(&format!("removed the unfinished upload of {}", dead("dump.zst.age")));
    let mut uploads = bucket.unfinished_uploads();
    uploads.sort();
    assert_eq!(uploads, ["app/other.bin", "elsewhere/20260101T000000Z-000000/dump.zst.age"]);
    assert_eq!(place.keys(), stays);
}

/// The bucket's prefix in the answers below, which can know nothing of the test.
const PREFIX: &str = "long-upload";

/// An upload that began three days ago, and still gets parts, is somebody's backup.
#[test]
fn a_long_upload_is_not_taken_for_a_leftover() {
    let bucket = S3 { prefix: PREFIX.to_owned(), ..Garage::shared().place("long") };
    let proxy = FaultProxy::start(&bucket.endpoint);
    let (place, through) = (Place::S3(bucket.clone()), Place::S3(bucket.through(&proxy.endpoint())));
    days(&place, "app", 1);
    fn ago(days: u32) -> humantime::Rfc3339Timestamp {
        humantime::format_rfc3339_millis(SystemTime::now() - DAY * days)
    }
    fn uploads() -> String {
        format!(
            "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated><Upload><Key>{PREFIX}/{}</Key>\
             <UploadId>abc</UploadId><Initiated>{}</Initiated></Upload></ListMultipartUploadsResult>",
            dead("dump.zst.age"),
            ago(3)
        )
    }
    fn parts(last: u32) -> String {
        let part = |number: u32, days| {
            let moment = ago(days);
            format!(
                "<Part><PartNumber>{number}</PartNumber><LastModified>{moment}</LastModified><Size>5</Size></Part>"
            )
        };
        let parts = [part(1, 3), part(2, last)].concat();
        format!("<ListPartsResult><IsTruncated>false</IsTruncated>{parts}</ListPartsResult>")
    }
    proxy.inject(Rule::new(Operation::ListUploads, Fault::Instead(|_| uploads())));
    proxy.inject(Rule::new(Operation::ListParts, Fault::Instead(|_| parts(0))).times(1));
    proxy.inject(Rule::new(Operation::ListParts, Fault::Instead(|_| parts(2))));
    prune(&through, &KEEP).succeeds();
    assert_eq!((proxy.count(Operation::ListParts), proxy.count(Operation::AbortUpload)), (1, 0));
    prune(&through, &KEEP).succeeds().says("removed the unfinished upload of");
    assert_eq!((proxy.count(Operation::ListParts), proxy.count(Operation::AbortUpload)), (2, 1));
}

/// A copy takes up what an earlier one has left, after the store was listed.
#[test]
fn what_is_written_to_since_it_was_listed_is_no_leftover() {
    const PREFIX: &str = "young-again";
    let bucket = S3 { prefix: PREFIX.to_owned(), ..Garage::shared().place("young") };
    let proxy = FaultProxy::start(&bucket.endpoint);
    let (place, through) = (Place::S3(bucket.clone()), Place::S3(bucket.through(&proxy.endpoint())));
    place.put(&dead("dump.zst.age"), "x");
    proxy.inject(Rule::new(Operation::List, Fault::Instead(|_| listed(PREFIX))).times(1));
    let run = prune(&through, &KEEP).arg("--force").succeeds();
    run.says("kept what was left of 20260101T000000Z-000000 of app").says("something was written to it");
    assert_eq!(place.keys(), [dead("dump.zst.age")]);
}

/// Once its manifest is gone a backup is none, whatever stops the rest: nobody may believe that it is still there.
#[test]
fn of_a_backup_without_its_manifest_it_is_said_that_objects_are_left() {
    let bucket = Garage::shared().place("prune-stopped");
    let proxy = FaultProxy::start(&bucket.endpoint);
    let (place, through) = (Place::S3(bucket.clone()), Place::S3(bucket.through(&proxy.endpoint())));
    let ids = days(&place, "app", 2);
    let no = Fault::Answer(403, "AccessDenied");
    proxy.inject(Rule::new(Operation::Delete, no).key_end("/stream.zst.age"));
    let run = prune(&through, &["--keep-last", "1", "--min-keep", "1"]).fails(Kind::Prune);
    run.says(&format!("some objects of {} of app are left", ids[0])).says("a later prune removes them");
    assert_eq!(there(&place, "app"), ids[1..]);
}

/// No list says for certain that an object is not there.
#[test]
fn what_has_a_manifest_that_no_list_shows_is_no_leftover() {
    const PREFIX: &str = "unlisted";
    let bucket = S3 { prefix: PREFIX.to_owned(), ..Garage::shared().place("unlisted") };
    let proxy = FaultProxy::start(&bucket.endpoint);
    let (place, through) = (Place::S3(bucket.clone()), Place::S3(bucket.through(&proxy.endpoint())));
    place.put(&dead("dump.zst.age"), "x");
    place.put(&dead("manifest.json"), "x");
    proxy.inject(Rule::new(Operation::List, Fault::Instead(|_| listed(PREFIX))));
    let run = prune(&through, &KEEP).arg("--force").succeeds();
    run.says("kept what was left of 20260101T000000Z-000000 of app").says("a manifest, which no list shows");
    assert_eq!(place.keys(), [dead("dump.zst.age"), dead("manifest.json")]);
}
