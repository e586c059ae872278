//! A backup and what was made from it: rules, status and "latest" take both for one; a run that was stopped is finished.

use super::scene::{content, for_whom, manifest, rekey, stream};
use crate::history::receipts::put_receipt;
use crate::keep::scene::{HOUR, days, folder_and_bucket, prune, put_changed, there};
use crate::scene::{Keys, Place, signing_keys};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::localstack::LocalStack;
use crate::servers::postgres::{Cluster, Major};
use crate::servers::s3::{S3, wait};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ObjectLockRetention, ObjectLockRetentionMode};
use pgstow::error::Kind;
use pgstow::stored::format::manifest::{Rekeying, Totals};
use pgstow::stored::format::names::Timestamp;
use std::time::{Duration, SystemTime};

/// The moments of ids: what comes before their letters.
fn moments(ids: &[String]) -> Vec<&str> {
    ids.iter().map(|id| &id[..17]).collect()
}

#[test]
fn rules_take_both_for_one() {
    for place in folder_and_bucket("rekey-rules") {
        let (old, new) = (Keys::shared(), Keys::make());
        let ids = days(&place, "app", 5);
        let run = rekey(&place, &["--all", "--keep-old"], &new.recipient, &[old, &new]).succeeds();
        let document = run.json();
        let order: Vec<&str> =
            document.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        let newest_first: Vec<&str> = ids.iter().rev().map(String::as_str).collect();
        assert_eq!(order, newest_first, "{run}");
        let both = there(&place, "app");
        assert_eq!(
            moments(&both),
            moments(&ids.iter().flat_map(|id| [id.clone(), id.clone()]).collect::<Vec<_>>())
        );
        assert!(content(&place, "app", "latest", &new) == b"some bytes");
        prune(&place, &["--keep-last", "2", "--min-keep", "3"]).succeeds().says("removed 4 backups");
        let left = there(&place, "app");
        assert_eq!(left, both[4..]);
        // Without --keep-old the old ones go, and nothing is encrypted again.
        let run = rekey(&place, &["--all"], &new.recipient, &[&new]).succeeds();
        assert_eq!(run.json().as_array().unwrap().len(), 3, "{run}");
        let new_ids: Vec<String> = left.iter().skip(1).step_by(2).cloned().collect();
        assert_eq!(there(&place, "app"), new_ids);
        prune(&place, &["--keep-last", "1", "--min-keep", "1"]).succeeds();
        assert_eq!(there(&place, "app"), new_ids[2..]);
    }
}

/// A receipt lies next to one of the two: the one that the new key opens, or the one that it does not.
#[test]
fn what_is_proven_of_one_counts_for_both() {
    let (place, new) = (Place::folder(), Keys::make());
    days(&place, "app", 4);
    rekey(&place, &["--all", "--keep-old"], &new.recipient, &[Keys::shared()]).succeeds();
    let both = there(&place, "app");
    for at in [2, 5] {
        put_receipt(&place, &both[at], &both[at], None);
    }
    // The newest stays, and the newest that is proven; of each both.
    prune(&place, &["--verified-only", "--keep-last", "1", "--min-keep", "1"]).succeeds();
    assert_eq!(there(&place, "app"), both[4..]);
}

#[test]
fn a_backup_that_shrank_is_noticed_although_it_is_there_twice() {
    let place = Place::folder();
    let rows = |hours: u32, rows: u64| {
        put_changed(&place, "app", HOUR * hours, |manifest| {
            manifest.totals = Some(Totals { tables: 2, rows });
        })
    };
    rows(40, 1000);
    rows(10, 500);
    rekey(&place, &["latest", "--keep-old"], &Keys::make().recipient, &[Keys::shared()]).succeeds();
    assert_eq!(there(&place, "app").len(), 3);
    place.pgstow(&["status"]).fails(Kind::Overdue).says("app (500 rows instead of 1,000)");
}

#[test]
fn a_locked_backup_stays_until_nothing_keeps_it() {
    let bucket = Garage::shared().place("rekey-locked");
    let proxy = FaultProxy::start(&bucket.endpoint);
    let (place, through) = (Place::S3(bucket.clone()), Place::S3(bucket.through(&proxy.endpoint())));
    let (old, new) = (Keys::make(), Keys::make());
    let id = stream(&place, "app", b"bytes", for_whom(&[&old.recipient]));
    let command = |words: &[&str]| rekey(&through, words, &new.recipient, &[&old, &new]);
    proxy.inject(Rule::new(Operation::Delete, Fault::Answer(403, "ObjectLockedByBucketPolicy")));
    let run =
        command(&["latest"]).fails(Kind::Prune).says("its old recipients can read it: the object is locked");
    assert_eq!(run.json()[0]["old"], "locked", "{run}");
    assert_eq!(there(&place, "app").len(), 2);
    let made = proxy.count(Operation::CompleteUpload);
    command(&["--all"]).fails(Kind::Prune);
    command(&[&id]).fails(Kind::Prune);
    assert_eq!((there(&place, "app").len(), proxy.count(Operation::CompleteUpload)), (2, made));
    proxy.heal();
    command(&["--all"]).succeeds().says("from which it was made");
    assert_eq!((there(&place, "app").len(), proxy.count(Operation::CompleteUpload)), (1, made));
    assert!(content(&place, "app", "latest", &new) == b"bytes");
}

#[test]
fn a_lock_and_old_versions_are_reported() {
    let localstack = match LocalStack::shared() {
        Ok(localstack) => localstack,
        Err(why) => crate::skip!("{why}"),
    };
    let bucket = S3 { bucket: format!("rekey-{}", std::process::id()), ..localstack.place("rekey-versions") };
    let client = bucket.client();
    let create = client.create_bucket().bucket(&bucket.bucket).object_lock_enabled_for_bucket(true);
    wait(async move { create.send().await.unwrap() });
    let place = Place::S3(bucket.clone());
    let (old, new) = (Keys::make(), Keys::make());
    let id = stream(&place, "app", b"bytes", for_whom(&[&old.recipient]));
    let free = stream(&place, "free", b"bytes", for_whom(&[&old.recipient]));
    let retention = ObjectLockRetention::builder()
        .mode(ObjectLockRetentionMode::Governance)
        .retain_until_date(DateTime::from(SystemTime::now() + Duration::from_secs(3600)));
    let key = format!("{}/app/{id}/stream.zst.age", bucket.prefix);
    let request = client.put_object_retention().bucket(&bucket.bucket).key(key).retention(retention.build());
    wait(async move { request.send().await.unwrap() });
    let run = rekey(&place, &["--all"], &new.recipient, &[&old, &new]).fails(Kind::Prune);
    let run = run.says("locked until 20").says("the bucket keeps old versions of what is deleted");
    assert_eq!(
        (&run.json()[0]["old"], &run.json()[1]["old"]),
        (&"locked".into(), &"removed".into()),
        "{run}"
    );
    assert_eq!(there(&place, "app").len(), 2);
    assert!(there(&place, "free")[0] > free);
}

/// What is in a dump, only its inventory says: somebody could put another dump next to it.
#[test]
fn a_dump_with_the_inventory_of_another_replaces_no_backup() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("rekey_forged");
    cluster.psql(&database, "CREATE TABLE t (v text); INSERT INTO t VALUES ('right')");
    let (place, old, new) = (Place::folder(), Keys::make(), Keys::make());
    let back_up = |name: &str, to: &Keys| {
        let backup = place.pgstow(&["backup", "--json", "--name", name, "-r", &to.recipient]);
        let run = backup.args([cluster.url(&database)]).succeeds();
        run.json()["id"].as_str().unwrap().to_owned()
    };
    let id = back_up("app", &old);
    // As long as the right one.
    cluster.psql(&database, "TRUNCATE t; INSERT INTO t VALUES ('wrong')");
    let other = back_up("other", &new);
    let forged = format!("{}zzzzz0", &id[..17]);
    let mut of_forged = manifest(&place, "app", &id);
    let of_other = manifest(&place, "other", &other);
    of_forged.objects[0].clone_from(&of_other.objects[0]);
    of_forged.id = forged.parse().unwrap();
    of_forged.recipients.clone_from(&of_other.recipients);
    let former_ids = vec![id.parse().unwrap()];
    of_forged.rekeyed = Some(Rekeying { at: Timestamp::now(), former_ids });
    for (at, object) in of_forged.objects.iter().enumerate() {
        let from = if at == 0 { format!("other/{other}") } else { format!("app/{id}") };
        place.put(&format!("app/{forged}/{}", object.key), place.get(&format!("{from}/{}", object.key)));
    }
    place.put(&format!("app/{forged}/manifest.json"), of_forged.to_bytes().unwrap());
    let run = rekey(&place, &[&id, "--name", "app"], &new.recipient, &[&old, &new]).succeeds();
    run.says("the dump differs from its inventory").says("it is made again");
    let remade = &there(&place, "app")[0];
    let archive = content(&place, "app", remade, &new);
    assert!(archive.windows(6).any(|bytes| bytes == b"right\n"), "{remade}");
}

/// Whoever can write to the store could say of a backup that it was made from another one, so that that one goes.
#[test]
fn only_what_is_opened_or_signed_replaces_a_backup() {
    let place = Place::folder();
    let (old, new) = (Keys::make(), Keys::make());
    let (signing, _) = signing_keys();
    let id = stream(&place, "app", b"bytes", for_whom(&[&old.recipient]));
    let forged = format!("{}zzzzz0", &id[..17]);
    let junk = stream(&place, "junk", b"junk", for_whom(&[&new.recipient]));
    let mut manifest = manifest(&place, "junk", &junk);
    (manifest.id, manifest.name) = (forged.parse().unwrap(), "app".parse().unwrap());
    let former_ids = vec![id.parse().unwrap()];
    manifest.rekeyed = Some(Rekeying { at: Timestamp::now(), former_ids });
    let object = |id: &str| format!("app/{id}/stream.zst.age");
    place.put(&object(&forged), place.get(&format!("junk/{junk}/stream.zst.age")));
    place.put(&format!("app/{forged}/manifest.json"), manifest.to_bytes().unwrap());
    let before = place.keys();
    let command = |words: &[&str], with: &[&Keys]| rekey(&place, words, &new.recipient, with);
    for words in [&["--all", "--name", "app"][..], &["latest", "--name", "app"], &[&id, "--name", "app"]] {
        let run = command(words, &[&old]).env("PGSTOW_SIGNING_KEY", &signing);
        run.fails(Kind::Settings).says("no identity was given that opens it");
    }
    assert_eq!(place.keys(), before);
    command(&["latest", "--name", "app"], &[&old, &new])
        .fails(Kind::Verify)
        .says("but its content is different");
    assert_eq!(place.keys(), before);
    command(&[&id, "--name", "app"], &[&old, &new]).succeeds().says("but its content is different");
    let ids = there(&place, "app");
    assert_eq!((ids.len(), &ids[1]), (2, &forged));
    assert!(content(&place, "app", &ids[0], &new) == b"bytes");
}
