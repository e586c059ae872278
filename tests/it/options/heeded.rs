//! Class, encryption, tags and locks, at servers that do them and at servers that ignore them.

use super::scene::{PART, SSE_C, keyed, opened, options, write};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::localstack::LocalStack;
use crate::servers::s3::S3;
use crate::servers::swift::Swift;
use crate::stores::{noise, try_read};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use pgstow::store::{Lock, LockMode, LockWish, OpenOptions, Situation, Store, StoreError};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

fn locked(mode: LockMode) -> OpenOptions {
    let until = SystemTime::now() + Duration::from_secs(86_400);
    OpenOptions { lock: Some(LockWish::new(mode, until)), ..options() }
}

/// Writes one object in parts and one in one request; returns their keys.
async fn both(store: &Arc<dyn Store>) -> Result<[&'static str; 2], StoreError> {
    write(&**store, "big").await?;
    store.put_new("small", noise(9, 71)).await?;
    Ok(["big", "small"])
}

async fn head(place: &S3, key: &str) -> HeadObjectOutput {
    let key = format!("{}/{key}", place.prefix);
    place.client().head_object().bucket(&place.bucket).key(key).send().await.unwrap()
}

/// Expects that the object was refused afterwards, and removed.
#[track_caller]
fn was_ignored(outcome: Result<impl std::fmt::Debug, StoreError>, what: &str, place: &S3) {
    let error = outcome.unwrap_err();
    assert_eq!(error.situation(), Situation::Unsupported, "{error}");
    let said = error.to_string();
    assert!(
        said.contains(&format!("was stored without {what}")) && said.contains("it was deleted"),
        "{said}"
    );
    assert!(!error.hints().is_empty());
    assert!(place.keys().is_empty() && place.unfinished_uploads().is_empty());
}

#[tokio::test]
async fn class_encryption_and_tags_come_with_every_object() {
    let server = match LocalStack::shared() {
        Ok(server) => server,
        Err(why) => crate::skip!("{why}"),
    };
    let place = server.place("extras");
    let more = "&class=STANDARD_IA&sse=AES256&tags=team=ops,who=a%20b";
    let store = opened(&place, more, options()).await;
    assert_eq!(store.display_url(), place.url(), "it is the same store with another class");
    for key in both(&store).await.unwrap() {
        let head = head(&place, key).await;
        assert_eq!(head.storage_class().unwrap().as_str(), "STANDARD_IA", "{key}");
        assert_eq!(head.server_side_encryption().unwrap().as_str(), "AES256", "{key}");
        let full = format!("{}/{key}", place.prefix);
        let tags = place.client().get_object_tagging().bucket(&place.bucket).key(full);
        let tags = tags.send().await.unwrap();
        let tags: Vec<_> = tags.tag_set().iter().map(|tag| (tag.key(), tag.value())).collect();
        assert_eq!(tags, [("team", "ops"), ("who", "a b")], "{key}");
    }
}

/// Both modes; the other one than the bucket's own is kept, too.
#[tokio::test]
async fn a_lock_is_set_and_read_back() {
    let server = match LocalStack::shared() {
        Ok(server) => server,
        Err(why) => crate::skip!("{why}"),
    };
    let place = S3 { bucket: S3::fresh_prefix("locks"), ..server.place("lock") };
    let create = place.client().create_bucket().bucket(&place.bucket).object_lock_enabled_for_bucket(true);
    create.send().await.unwrap();
    for mode in [LockMode::Governance, LockMode::Compliance] {
        let prefix = S3::fresh_prefix("lock");
        let place = S3 { prefix, ..place.clone() };
        let store = opened(&place, "", locked(mode)).await;
        for key in both(&store).await.unwrap() {
            let Some(Lock::Until(until)) = store.lock(key).await.unwrap() else { panic!("{key} is free") };
            assert!(until > SystemTime::now() + Duration::from_secs(80_000), "{key}: {until:?}");
            let said = head(&place, key).await;
            let word = said.object_lock_mode().unwrap().as_str().to_lowercase();
            assert_eq!(word, format!("{mode:?}").to_lowercase());
        }
    }
}

/// A server that does not know the option says nothing: it is found out by looking.
#[tokio::test]
async fn what_a_server_ignores_is_refused() {
    // Its profile knows that; as an unknown service it is asked all the same.
    let garage = |label| S3 { more: "&profile=compat".to_owned(), ..Garage::shared().place(label) };
    for (more, what) in [
        ("&class=STANDARD_IA", "the storage class STANDARD_IA"),
        ("&sse=AES256", "the encryption AES256"),
        ("&tags=a=b", "its tags"),
    ] {
        let place = garage("ignored");
        was_ignored(both(&opened(&place, more, options()).await).await, what, &place);
    }
    let place = garage("ignored-lock");
    let store = opened(&place, "", locked(LockMode::Governance)).await;
    was_ignored(both(&store).await, "the lock (GOVERNANCE until ", &place);
    was_ignored(store.put_new("small", noise(9, 72)).await, "the lock (GOVERNANCE until ", &place);

    let place = Swift::shared().place("ignored");
    let store = opened(&place, "", keyed(SSE_C[0])).await;
    was_ignored(write(&*store, "big").await, "the encryption with the given key (SSE-C)", &place);
}

#[tokio::test]
async fn an_answer_that_is_lost_while_looking_is_asked_for_again() {
    let place = S3 { more: "&profile=compat".to_owned(), ..Garage::shared().place("ignored-lost") };
    let proxy = FaultProxy::start(&place.endpoint);
    // The first look is for the object's bytes, the second for what was asked for.
    proxy.inject(Rule::new(Operation::Head, Fault::Answer(503, "SlowDown")).after(2).times(1));
    let store = opened(&place.through(&proxy.endpoint()), "", locked(LockMode::Compliance)).await;
    was_ignored(store.put_new("small", noise(9, 73)).await, "the lock (COMPLIANCE until ", &place);
}

/// A service encrypts with a key that it does not keep: without it, nothing is read.
#[tokio::test]
async fn a_key_of_ones_own_is_needed_to_read() {
    let localstack = LocalStack::shared().map(|server| server.place("keyed"));
    let places = [Ok(Garage::shared().place("keyed")), localstack];
    for place in places.into_iter().flatten() {
        let store = opened(&place, "", keyed(SSE_C[0])).await;
        let (stored, bytes) = write(&*store, "big").await.unwrap();
        assert!(stored.read_back);
        assert_eq!(store.head("big").await.unwrap().bytes, bytes.len() as u64);
        let etag = stored.etag.as_deref();
        let read = try_read(&*store, "big", 5..PART as u64 + 1, etag).await.unwrap();
        assert!(read == bytes[5..], "other bytes came back");
        store.put_new("small", bytes.slice(..9)).await.unwrap();
        assert_eq!(try_read(&*store, "small", 0..9, None).await.unwrap(), bytes[..9]);
        assert_eq!(store.list("").await.unwrap().len(), 2);

        for options in [options(), keyed(SSE_C[1])] {
            let other = opened(&place, "", options).await;
            for key in ["big", "small"] {
                let error = try_read(&*other, key, 0..9, None).await.unwrap_err();
                println!("{}: {error} {:?} {:?}", place.endpoint, error.situation(), error.hints());
                assert_eq!(error.situation(), Situation::Denied, "{error}");
                assert!(error.hints().concat().contains("--sse-c-key-file"), "{:?}", error.hints());
                assert!(!format!("{error:?}").contains(SSE_C[1]), "{error:?}");
            }
        }
    }
}
