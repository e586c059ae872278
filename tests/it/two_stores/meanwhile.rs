//! `copy`, and others that work on the same backups in the same store at the same moment.

use super::{are_same, copy, stream, unfinished};
use crate::keep::scene::{DAY, HOUR, folder_and_bucket, prune, put, put_changed, there};
use crate::keys::scene::rekey;
use crate::scene::{Keys, Place};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use pgstow::error::Kind;
use pgstow::stored::format::manifest::Object;
use std::thread::sleep;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

/// A place in a bucket, and the same one through a proxy.
fn through(label: &str) -> ([Place; 1], FaultProxy, Place) {
    let s3 = Garage::shared().place(label);
    let proxy = FaultProxy::start(&s3.endpoint);
    let through = Place::S3(s3.through(&proxy.endpoint()));
    ([Place::S3(s3)], proxy, through)
}

#[test]
fn two_copies_do_not_keep_each_other_from_ending() {
    for to in folder_and_bucket("copies") {
        let (from, places) = (Place::folder(), [to]);
        let [to] = &places;
        stream(&from, "app", 6 * MIB);
        let slow = copy(&places, &from, to, &["--all", "--limit-rate", "2MiB"]).spawn();
        let since = Instant::now();
        while unfinished(to).is_empty() {
            assert!(since.elapsed() < Duration::from_secs(60), "the first copy does not begin");
            sleep(Duration::from_millis(20));
        }
        copy(&places, &from, to, &["--all"]).succeeds().says("copied 1 backup");
        slow.wait().assert_success();
        are_same(&from, to, true);
        assert_eq!(unfinished(to), Vec::<String>::new());
    }
}

/// What an earlier copy left looks like what a killed run left.
#[test]
fn a_prune_takes_nothing_from_a_backup_without_a_word() {
    let (places, proxy, through) = through("copy-and-prune");
    let (from, to) = (Place::folder(), &places[0]);
    let id = stream(&from, "app", 1000);
    copy(&places, &from, to, &["--all"]).succeeds();
    to.delete(&to.key("manifest.json"));
    stream(to, "app", 10);
    proxy.inject(Rule::new(Operation::Delete, Fault::Delay(Duration::from_secs(4))));
    let pruning = prune(&through, &["--keep-last", "9", "--leftovers", "0s"]).spawn();
    proxy.wait_for(Operation::Delete, 1);
    copy(&places, &from, to, &["--all"]).succeeds().says("copied 1 backup");
    let run = pruning.wait().assert_failure(Kind::Prune);
    run.says(&id).says("was copied here at the same moment, and is not whole").says("copy it again");
    assert!(!to.keys().iter().any(|key| key.contains(&id)), "{:?}", to.keys());
    copy(&places, &from, to, &["--all"]).succeeds().says("copied 1 backup");

    // What it takes may be nothing that the backup needs.
    proxy.heal();
    to.keys().iter().filter(|key| key.contains(&id)).for_each(|key| to.delete(key));
    to.put(&format!("app/{id}/receipt-old.json.minisig"), "x");
    proxy.inject(Rule::new(Operation::Delete, Fault::Delay(Duration::from_secs(4))));
    let deleted = proxy.count(Operation::Delete);
    let pruning = prune(&through, &["--keep-last", "9", "--leftovers", "0s"]).spawn();
    proxy.wait_for(Operation::Delete, deleted + 1);
    copy(&places, &from, to, &["--all"]).succeeds().says("copied 1 backup");
    pruning.wait().assert_success();
    let there = to.keys();
    assert!(from.keys().iter().all(|key| there.contains(key)), "{there:?}");
}

#[test]
fn no_copy_brings_back_what_is_rekeyed_meanwhile() {
    let (places, proxy, through) = through("copy-and-rekey");
    let (from, to) = (Place::folder(), &places[0]);
    let (old, new) = (Keys::shared(), Keys::make());
    stream(&from, "app", 1000);
    // The second look at the target is the last one before its manifest.
    proxy.inject(Rule::new(Operation::List, Fault::Delay(Duration::from_secs(12))).after(1));
    let slow = copy(&places, &from, &through, &["--all"]).spawn();
    proxy.wait_for(Operation::List, 2);
    // A second copy ends before it, and what it brought is rekeyed.
    copy(&places, &from, to, &["--all"]).succeeds().says("copied 1 backup");
    rekey(to, &["--all"], &new.recipient, &[old, &new]).succeeds();
    let keys = to.keys();
    slow.wait().assert_success().says("because they were rekeyed there");
    assert_eq!(to.keys(), keys);
}

/// Nobody could ever end such a copy.
#[test]
fn of_a_backup_that_is_deleted_meanwhile_no_copy_stays() {
    let (sources, proxy, slow) = through("copy-and-delete");
    let [from] = &sources;
    for to in folder_and_bucket("deleted") {
        put(from, "app", HOUR);
        let id = put_changed(from, "app", DAY, |manifest| {
            let more = Object { key: "more.zst.age".to_owned(), ..manifest.objects[0].clone() };
            manifest.objects.push(more);
        });
        from.put(&format!("app/{id}/more.zst.age"), from.get(&format!("app/{id}/stream.zst.age")));
        proxy
            .inject(Rule::new(Operation::Head, Fault::Delay(Duration::from_secs(4))).key_end("more.zst.age"));
        let heads = proxy.count(Operation::Head);
        let copying = copy(&sources, &slow, &to, &[&id]).spawn();
        let since = Instant::now();
        while to.keys().is_empty() || proxy.count(Operation::Head) == heads {
            assert!(since.elapsed() < Duration::from_secs(60), "the copy does not begin");
            sleep(Duration::from_millis(20));
        }
        from.pgstow(&["delete", &id, "--yes"]).succeeds();
        copying.wait().assert_failure(Kind::NotFound).says("the backup was removed meanwhile");
        assert!(to.keys().is_empty(), "{:?}", to.keys());
        proxy.heal();
    }
}

/// Each would say that its own has taken the place of the old one.
#[test]
fn of_two_that_rekey_the_same_backup_one_gives_way() {
    for place in folder_and_bucket("rekeys") {
        let (old, one, other) = (Keys::shared(), Keys::make(), Keys::make());
        stream(&place, "app", 4 * MIB);
        let command = |to: &Keys| {
            rekey(&place, &["--all", "--limit-rate", "4MiB"], &to.recipient, &[old, &one, &other])
        };
        let (first, second) = (command(&one).spawn(), command(&other).spawn());
        let runs = [first.wait(), second.wait()];
        let refused =
            runs.iter().filter(|run| run.text().contains("another run rekeyed it at the same time"));
        assert_eq!(refused.count(), 1, "{}\n{}", runs[0], runs[1]);
        assert_eq!(runs.iter().filter(|run| run.status.success()).count(), 1, "{}\n{}", runs[0], runs[1]);
        assert_eq!(there(&place, "app").len(), 1, "{}\n{}", runs[0], runs[1]);
        command(&one).succeeds();
        let kept = there(&place, "app");
        for id in kept {
            let manifest = crate::keys::scene::manifest(&place, "app", &id);
            assert_eq!(manifest.recipients, std::slice::from_ref(&one.recipient));
        }
    }
}

/// One that the other was making already when this one looked is no less new.
#[test]
fn a_rekey_sees_what_was_begun_before_it() {
    let ([place], proxy, early) = through("begun-before");
    let (old, one, other) = (Keys::shared(), Keys::make(), Keys::make());
    stream(&place, "app", 1000);
    let command = |place: &Place, to: &Keys| rekey(place, &["--all"], &to.recipient, &[old, &one, &other]);
    let late = FaultProxy::start(&proxy.endpoint());
    let Place::S3(s3) = &place else { panic!("{}", place.url()) };
    let through_both = Place::S3(s3.through(&late.endpoint()));
    let manifest = |seconds| {
        Rule::new(Operation::Put, Fault::Delay(Duration::from_secs(seconds)))
            .key_end("/manifest.json")
            .times(1)
    };
    proxy.inject(manifest(8));
    late.inject(manifest(16));
    let keys = place.keys().len();
    let first = command(&early, &one).spawn();
    let since = Instant::now();
    while place.keys().len() == keys {
        assert!(since.elapsed() < Duration::from_secs(60), "the first does not begin");
        sleep(Duration::from_millis(20));
    }
    let second = command(&through_both, &other).spawn();
    first.wait().assert_success();
    second.wait().assert_failure(Kind::Locked).says("another run rekeyed it at the same time");
}
