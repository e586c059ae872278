//! Ten thousand backups: one listing, and every manifest once.

use super::scene::{HOUR, Template, prune};
use crate::scene::Place;
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::s3::wait;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use futures_util::{StreamExt, stream};

#[test]
fn ten_thousand_backups_of_a_folder_are_listed_and_pruned() {
    let place = Place::folder();
    for hour in 0..10_000 {
        let (_, objects) = Template::shared().aged("app", HOUR * (hour + 1), |_| {});
        objects.into_iter().for_each(|(key, bytes)| place.put(&key, bytes));
    }
    let listed = place.pgstow(&["list", "--json"]).succeeds().json();
    assert_eq!(listed.as_array().unwrap().len(), 10_000);
    let words = ["--keep-hourly", "24", "--keep-daily", "7", "--keep-weekly", "5", "--json"];
    let document = prune(&place, &words).succeeds().json();
    let backups = document["backups"].as_array().unwrap();
    let kept = backups.iter().filter(|one| one["action"] == "keep").count();
    assert_eq!(backups.len(), 10_000);
    assert!((30..=36).contains(&kept), "{kept}");
    assert_eq!(place.keys().len(), kept * 2);
}

#[test]
fn a_bucket_is_listed_once_and_every_manifest_read_once() {
    const BACKUPS: u32 = 1200;
    let bucket = Garage::shared().place("many");
    let objects: Vec<(String, Vec<u8>)> =
        (0..BACKUPS).flat_map(|hour| Template::shared().aged("app", HOUR * (hour + 1), |_| {}).1).collect();
    let client = bucket.client();
    let puts = objects.into_iter().map(|(key, bytes)| {
        let key = format!("{}/{key}", bucket.prefix);
        client.put_object().bucket(&bucket.bucket).key(key).body(ByteStream::from(bytes))
    });
    let puts: Vec<_> = puts.collect();
    wait(async move {
        let sent = stream::iter(puts).map(PutObjectFluentBuilder::send).buffer_unordered(16);
        sent.for_each(async |answer| drop(answer.unwrap())).await;
    });
    let proxy = FaultProxy::start(&bucket.endpoint);
    let through = Place::S3(bucket.through(&proxy.endpoint()));

    // A page that fails is asked for again alone.
    let mut folders: Vec<String> = bucket.keys();
    folders.retain_mut(|key| {
        let is_manifest = key.ends_with("/manifest.json");
        key.truncate(key.rfind('/').unwrap());
        is_manifest
    });
    // With a receipt in the first one, the manifest of this one ends the first page, and its receipt begins the second.
    let proven = [0, 499];
    for number in proven {
        let folder = &folders[number];
        bucket.put(&format!("{folder}/receipt-{}.json", folder.rsplit('/').next().unwrap()), "{}");
    }
    assert_eq!(bucket.keys()[999], format!("{}/manifest.json", folders[499]));
    proxy.inject(Rule::new(Operation::List, Fault::Answer(500, "InternalError")).after(1).times(1));
    let listed = through.pgstow(&["list", "--json"]).succeeds().json();
    let listed = listed.as_array().unwrap();
    let places: Vec<String> = listed
        .iter()
        .map(|row| format!("{}/{}", row["name"].as_str().unwrap(), row["id"].as_str().unwrap()))
        .collect();
    assert_eq!(places, folders);
    let with_receipt: Vec<usize> =
        (0..listed.len()).filter(|number| !listed[*number]["proven_at"].is_null()).collect();
    assert_eq!(with_receipt, proven);
    assert_eq!((proxy.count(Operation::List), proxy.count(Operation::Get)), (4, BACKUPS as usize));

    let before = proxy.log().len();
    let document = prune(&through, &["--keep-last", "1190", "--json"]).succeeds().json();
    assert_eq!(document["backups"].as_array().unwrap().len(), BACKUPS as usize);
    let log = proxy.log().split_off(before);
    let asked = |operation| log.iter().filter(|request| request.operation == operation).count();
    // A thousand keys a page.
    assert_eq!((asked(Operation::List), asked(Operation::ListUploads)), (3, 1));
    assert_eq!((asked(Operation::Get), asked(Operation::Delete)), (BACKUPS as usize, 21));
    assert_eq!(Place::S3(bucket).keys().len(), 1190 * 2 + 1);
}
