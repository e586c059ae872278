//! A whole backup to `gs://`, and back.

use super::scene::{PART, opened, options};
use crate::harness::pgstow;
use crate::scene::{Keys, Place, add_bulk, fresh, motley};
use crate::servers::gcs::{About, Account, Google};
use crate::servers::postgres::{Cluster, Major};
use crate::stores::noise;
use pgstow::store::{Lock, LockMode, LockWish, Metadata, OpenOptions, Situation, open};
use std::time::{Duration, SystemTime};

/// Garage keeps the bytes, which travel in several parts.
#[test]
fn a_backup_goes_to_google_and_comes_back_proven() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = motley(cluster, "google");
    add_bulk(cluster, &database, 12_000);
    let place = Place::google();
    let id = place.backup(&cluster.url(&database), &["--part-size", "5MiB"]);
    let Place::Google(google, _) = &place else { unreachable!() };
    assert!(google.unfinished().is_empty());
    assert!(place.get(&place.key("dump.zst.age")).len() > PART, "it has more than one part");

    let listed = place.pgstow(&["list", "--json"]).succeeds().json();
    assert_eq!(listed[0]["id"], id.as_str());
    let shown = place.pgstow(&["show", &id]).succeeds().text();
    assert!(shown.contains("CRC32C:"), "{shown}");
    place.opens(&["verify", "latest"]).succeeds();
    let copy = fresh("from_google");
    place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
    assert_eq!(cluster.text_of(&copy), cluster.text_of(&database));
}

/// The backup job's account may only create: that is enough for it, and its report says what it could not look at.
#[test]
fn a_backup_needs_no_more_than_the_role_to_create() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = motley(cluster, "google_writer");
    let place = Place::google();
    let Place::Google(google, prefix) = &place else { unreachable!() };
    pgstow(["backup", "--recipient", &Keys::shared().recipient, &cluster.url(&database)])
        .env("PGSTOW_STORE", google.plain_url(prefix))
        .env("GOOGLE_APPLICATION_CREDENTIALS", google.federated(Account::Writer))
        .succeeds();
    place.opens(&["verify", "latest"]).succeeds();
}

#[tokio::test]
async fn class_and_key_come_with_every_object() {
    let google = Google::start();
    let key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
    let url = format!("{}&class=NEARLINE&kms={key}", google.url("p", Account::Owner));
    let store = opened(&url).await;
    store.put_new("small", noise(9, 1)).await.unwrap();
    let upload = store.begin("big", &Metadata::new(), PART as u64).await.unwrap();
    upload.part(1, noise(9, 1)).await.unwrap();
    upload.complete(9).await.unwrap();
    for object in ["p/small", "p/big"] {
        let about = google.object(object).unwrap().about;
        assert_eq!((about.class.as_deref(), about.kms.as_deref()), (Some("NEARLINE"), Some(key)), "{object}");
    }
    assert_eq!(store.display_url(), google.plain_url("p"), "it is the same store with another class");
}

#[tokio::test]
async fn a_lock_comes_with_every_object_and_is_read_back() {
    let google = Google::start();
    let until = SystemTime::now() + Duration::from_secs(86_400);
    for (mode, is_locked) in [(LockMode::Governance, false), (LockMode::Compliance, true)] {
        let prefix = format!("{mode:?}");
        let lock = Some(LockWish::new(mode, until));
        let locked = OpenOptions { lock, ..options() };
        let url = google.url(&prefix, Account::Owner).parse().unwrap();
        let store = open(&url, locked.clone()).await.unwrap();
        store.put_new("small", noise(9, 1)).await.unwrap();
        let upload = store.begin("big", &Metadata::new(), PART as u64).await.unwrap();
        upload.part(1, noise(9, 1)).await.unwrap();
        upload.complete(9).await.unwrap();
        for key in ["small", "big"] {
            let (mode, moment) = google.object(&format!("{prefix}/{key}")).unwrap().about.own.unwrap();
            assert!(
                mode == is_locked && until.duration_since(moment).unwrap() < Duration::from_secs(1),
                "{key}"
            );
            assert!(matches!(store.lock(key).await.unwrap(), Some(Lock::Until(_))), "{key}");
            assert_eq!(store.delete(key).await.unwrap_err().situation(), Situation::Locked, "{key}");
        }
    }
    google.ignore_locks();
    let lock = Some(LockWish::new(LockMode::Governance, until));
    let url = google.url("ignored", Account::Owner).parse().unwrap();
    let store = open(&url, OpenOptions { lock, ..options() }).await.unwrap();
    let error = store.put_new("small", noise(9, 1)).await.unwrap_err();
    assert_eq!(error.situation(), Situation::Unsupported, "{error}");
    assert!(error.to_string().contains("was stored without the lock"), "{error}");
    assert!(google.keys("ignored").is_empty());
}

#[tokio::test]
async fn lists_go_beyond_one_page() {
    let google = Google::start();
    for n in 0..1003 {
        google.put(&format!("p/l/{n:04}"), "");
    }
    let store = opened(&google.url("p", Account::Owner)).await;
    let listed = store.list("l/").await.unwrap();
    assert_eq!(listed.len(), 1003);
    assert!(listed.is_sorted_by(|a, b| a.key < b.key));
    // The imitation has two uploads on a page.
    for key in ["a", "a", "b", "c", "d"] {
        store.begin(key, &Metadata::new(), PART as u64).await.unwrap();
    }
    let unfinished = store.unfinished("").await.unwrap();
    let keys: Vec<&str> = unfinished.iter().map(|upload| upload.key.as_str()).collect();
    assert_eq!(keys, ["a", "a", "b", "c", "d"]);
    assert!(unfinished.iter().all(|upload| upload.started.is_some()));
}

/// What `prune` asks before it deletes: is it locked, and when did a left upload last get a part.
#[tokio::test]
async fn locks_and_left_uploads_are_seen() {
    let google = Google::start();
    let store = opened(&google.url("p", Account::Owner)).await;
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(32_503_680_000);
    google.put_locked("p/retained", &About { retained: Some(until), ..About::default() });
    google.put_locked("p/held", &About { held: true, ..About::default() });
    google.put("p/free", "free");
    for (key, lock) in [
        ("retained", Some(Lock::Until(until))),
        ("held", Some(Lock::LegalHold)),
        ("free", None),
        ("none", None),
    ] {
        assert_eq!(store.lock(key).await.unwrap(), lock, "{key}");
    }
    assert_eq!(store.delete("retained").await.unwrap_err().situation(), Situation::Locked);
    assert!(google.object("p/retained").is_some());

    // The imitation has two parts on a page.
    let upload = store.begin("left", &Metadata::new(), PART as u64).await.unwrap();
    let left = store.unfinished("").await.unwrap().remove(0);
    assert_eq!(store.last_written(&left).await.unwrap(), left.started);
    for number in [1, 3, 2] {
        tokio::time::sleep(Duration::from_millis(5)).await;
        upload.part(number, noise(PART, 1)).await.unwrap();
    }
    let last = store.last_written(&left).await.unwrap();
    assert!(last > left.started, "{last:?} {:?}", left.started);
    upload.abort().await.unwrap();
    assert_eq!(store.last_written(&left).await.unwrap(), left.started, "it has ended");
}
