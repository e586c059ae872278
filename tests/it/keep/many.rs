//! Ten thousand backups: one listing, and every manifest once.

use super::scene::{HOUR, Template, prune};
use crate::scene::Place;
use crate::servers::fault::{FaultProxy, Operation};
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
    let document = prune(&through, &["--keep-last", "1190", "--json"]).succeeds().json();
    assert_eq!(document["backups"].as_array().unwrap().len(), BACKUPS as usize);
    let asked = |operation| proxy.count(operation);
    // A thousand keys a page.
    assert_eq!((asked(Operation::List), asked(Operation::ListUploads)), (3, 1));
    assert_eq!((asked(Operation::Get), asked(Operation::Delete)), (BACKUPS as usize, 20));
    assert_eq!(Place::S3(bucket).keys().len(), 1190 * 2);
}
