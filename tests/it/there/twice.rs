//! The same id written twice: what came first stays as it was. Ids are random, so the other run is
//! played by the test, which looks at pgstow's requests and is a moment faster.

use super::scene::{Between, Place, Source, backup, next_is_whole};
use crate::harness::eventually;
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::localstack::LocalStack;
use crate::servers::s3::S3;
use crate::skip;
use pgstow::error::Kind;

/// A backup that fails because, just before such a request, another run wrote under a key that ends so.
#[track_caller]
fn overtaken(place: &S3, operation: Operation, end: &'static str) {
    let proxy = FaultProxy::start(&place.endpoint);
    let through = Place::Bucket(place.through(&proxy.endpoint()));
    let (other, below) = (place.clone(), format!("/{}/{}/", place.bucket, place.prefix));
    let overtake = Rule::new(operation, Fault::LoseAnswer).key_end(end).when(move |request| {
        let key = request.path.strip_prefix(&below).unwrap();
        if !other.keys().iter().any(|have| have == key) {
            other.put(key, "the other's");
        }
        // Nothing else happens to the request.
        false
    });
    proxy.inject(overtake);
    backup(Source::shared(), &through).fails(Kind::Store).says("exists");
    let keys = place.keys();
    let key = keys.iter().find(|key| key.ends_with(end)).unwrap_or_else(|| panic!("it is gone: {keys:?}"));
    assert_eq!(place.get(key), b"the other's");
    assert!(place.unfinished_uploads().is_empty());
}

#[test]
fn the_dump_of_another_run_stays() {
    let place = Garage::shared().place("twice-dump");
    overtaken(&place, Operation::Head, "/dump.zst.age");
    next_is_whole(Source::shared(), &Place::Bucket(place));
}

#[test]
fn the_manifest_of_another_run_stays() {
    overtaken(&Garage::shared().place("twice-manifest"), Operation::Head, "/manifest.json");
}

/// Where the store promises it, the other run may even write at the last moment.
#[test]
fn conditional_writes_leave_no_gap() {
    let store = match LocalStack::shared() {
        Ok(store) => store,
        Err(why) => skip!("{why}"),
    };
    overtaken(&store.place("twice-dump"), Operation::CompleteUpload, "/dump.zst.age");
    overtaken(&store.place("twice-manifest"), Operation::Put, "/manifest.json");
}

#[test]
fn in_a_folder_the_first_to_complete_wins() {
    let source = Source::shared();
    let place = Place::folder();
    let gate = Between::gate(source.cluster, source.share(50));
    let running = backup(source, &place).args(gate.words()).spawn();
    gate.is_reached();
    eventually("the upload has begun", || !place.unfinished().is_empty());
    let unfinished = place.unfinished();
    let [hidden] = &unfinished[..] else { panic!("{unfinished:?}") };
    let other = place.path().join(hidden).with_file_name("dump.zst.age");
    std::fs::write(&other, "the other's").unwrap();
    gate.go();
    running.wait().assert_failure(Kind::Store).says("exists in the store");
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "the other's");
    assert!(place.unfinished().is_empty() && place.keys().len() == 1);
    next_is_whole(source, &place);
}
