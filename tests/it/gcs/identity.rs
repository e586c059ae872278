//! Who pgstow is for Google, how long that holds, and what it may then do.

use super::scene::{PART, behind, impatient, opened};
use crate::harness::pgstow;
use crate::servers::gcs::{Account, BUCKET, Google};
use crate::stores::{noise, try_read};
use pgstow::error::Kind;
use pgstow::store::{Metadata, Situation, Store};
use std::path::Path;
use std::time::Duration;

async fn works(store: &dyn Store, key: &str) {
    store.put_new(key, noise(9, 1)).await.unwrap();
    assert!(try_read(store, key, 0..9, None).await.unwrap() == noise(9, 1));
    let upload = store.begin(&format!("{key}-parts"), &Metadata::new(), PART as u64).await.unwrap();
    upload.part(1, noise(99, 1)).await.unwrap();
    upload.complete(99).await.unwrap();
}

#[tokio::test]
async fn every_kind_of_credentials_file_works() {
    let google = Google::start();
    let url = |file: &Path| {
        format!("gs://{BUCKET}/p?credentials={}&endpoint={}", file.display(), google.endpoint())
    };
    works(&*opened(&url(&google.federated(Account::Owner))).await, "federated").await;
    assert!(google.tokens_given().iter().all(|account| *account == Account::Owner));
    works(&*opened(&url(&google.impersonating(Account::Owner))).await, "impersonating").await;
    assert_eq!(google.tokens_given().last(), Some(&Account::Owner));
    let given = google.tokens_given().len();
    works(&*opened(&url(&google.key_file())).await, "key").await;
    assert_eq!(google.tokens_given().len(), given, "a service account signs its tokens itself");
}

/// As the tools of Google find them: by a variable, by the file of `gcloud`, from the machine.
#[test]
fn credentials_are_found_as_google_finds_them() {
    let google = Google::start();
    let list = || pgstow(["list", "--json", "--store", &google.plain_url("p")]);
    list().env("GOOGLE_APPLICATION_CREDENTIALS", google.key_file()).succeeds();
    let machine = google.endpoint().replace("http://", "");
    list().env("GCE_METADATA_HOST", machine).succeeds();
    assert_eq!(google.tokens_given(), [Account::Owner]);
    let home = tempfile::tempdir().unwrap();
    let gcloud = home.path().join(".config/gcloud");
    std::fs::create_dir_all(&gcloud).unwrap();
    let file = gcloud.join("application_default_credentials.json");
    std::fs::copy(google.federated(Account::Reader), file).unwrap();
    list().env("HOME", home.path()).succeeds();
    assert_eq!(google.tokens_given().last(), Some(&Account::Reader));
}

#[test]
fn credentials_that_cannot_be_used_are_explained() {
    let google = Google::start();
    let list = |file: &Path| {
        let store = google.plain_url("p");
        let list = pgstow(["list", "--store", &store, "--timeout", "10s"]);
        list.env("GOOGLE_APPLICATION_CREDENTIALS", file).fails(Kind::Store).stderr
    };
    let said = list(Path::new("/not/there.json"));
    assert!(said.contains("Google's credentials cannot be read"), "{said}");
    assert!(said.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{said}");
    let said = list(&google.federated(Account::Late));
    assert!(said.contains("have expired or were revoked"), "{said}");
    assert_eq!(said.matches("The subject token has expired.").count(), 1, "{said}");
    let said = list(&google.impersonating(Account::Reader));
    assert!(said.contains("cannot be impersonated") && said.contains("serviceAccountTokenCreator"), "{said}");
}

#[tokio::test]
async fn tokens_that_live_seconds_are_renewed_in_a_run() {
    let it = behind().await;
    it.google.tokens_live(Duration::from_secs(4));
    let (upload, bytes) = it.sent().await;
    let before = it.google.tokens_given().len();
    tokio::time::sleep(Duration::from_secs(5)).await;
    upload.part(2, bytes.slice(PART..)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    upload.complete(bytes.len() as u64).await.unwrap();
    assert!(it.google.tokens_given().len() > before, "{:?}", it.google.tokens_given());
    it.holds(&bytes);
}

/// The client believes that its token is good, and the service knows better: three APIs, one way out.
#[tokio::test]
async fn a_token_that_is_revoked_is_asked_for_once_more() {
    let it = behind().await;
    let (upload, bytes) = it.sent().await;
    it.google.revoke_tokens();
    upload.part(2, bytes.slice(PART..)).await.unwrap();
    upload.complete(bytes.len() as u64).await.unwrap();
    it.holds(&bytes);
    it.google.revoke_tokens();
    assert_eq!(it.store.list("").await.unwrap().len(), 1);
    it.google.revoke_tokens();
    assert!(try_read(&*it.store, "x", 0..10, None).await.unwrap() == bytes[..10]);
    it.google.revoke_tokens();
    it.store.put_new("y", noise(9, 1)).await.unwrap();
    assert_eq!(it.google.tokens_given().len(), 5);
}

#[tokio::test]
async fn a_token_service_that_is_silent_is_given_up_and_asked_again() {
    let it = impatient(Duration::from_secs(2)).await;
    it.google.stall_tokens(true);
    let error = it.store.list("").await.unwrap_err();
    assert_eq!(error.situation(), Situation::Unreachable, "{error}");
    assert!(error.to_string().contains("token service did not answer within 2 s"), "{error}");
    it.google.stall_tokens(false);
    assert!(it.store.list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn an_account_that_may_only_create_is_enough_to_upload() {
    let google = Google::start();
    let writer = opened(&google.url("p", Account::Writer)).await;
    let bytes = noise(PART + 1, 30);
    let upload = writer.begin("big", &Metadata::new(), PART as u64).await.unwrap();
    upload.part(1, bytes.slice(..PART)).await.unwrap();
    upload.part(2, bytes.slice(PART..)).await.unwrap();
    let stored = upload.complete(bytes.len() as u64).await.unwrap();
    assert!(!stored.read_back);
    assert!(stored.checksum.is_some() && stored.etag.is_some(), "the completion's own answer has them");
    assert!(!writer.put_new("small", bytes.slice(..100)).await.unwrap().read_back);
    assert_eq!(writer.put_new("small", bytes.slice(..9)).await.unwrap_err().situation(), Situation::Exists);
    let upload = writer.begin("aborted", &Metadata::new(), PART as u64).await.unwrap();
    upload.part(1, noise(PART, 31)).await.unwrap();
    upload.abort().await.unwrap();
    assert!(google.unfinished().is_empty());
    assert!(google.object("p/big").unwrap().bytes == bytes);

    for (what, denied) in [
        ("storage.objects.get", writer.head("big").await.map(drop)),
        ("storage.objects.list", writer.list("").await.map(drop)),
        ("storage.objects.get", try_read(&*writer, "big", 0..1, None).await.map(drop)),
        ("storage.objects.delete", writer.delete("big").await),
        ("storage.multipartUploads.list", writer.unfinished("").await.map(drop)),
    ] {
        let error = denied.unwrap_err();
        assert_eq!(error.situation(), Situation::Denied, "{error}");
        let says =
            format!("writer@project.iam.gserviceaccount.com lacks the permission {what} on bucket {BUCKET}");
        assert!(error.to_string().contains(&says), "{error}");
    }
}

#[tokio::test]
async fn refusals_say_what_to_change() {
    let google = Google::start();
    let reader = opened(&google.url("p", Account::Reader)).await;
    let elsewhere = google.url("p", Account::Owner).replace(BUCKET, "nowhere");
    let elsewhere = opened(&elsewhere).await;
    let nobody = opened("gs://b?credentials=none&endpoint=http://127.0.0.1:9").await;
    let lost = opened("gs://b?credentials=none&endpoint=https://no.invalid").await;
    let tls = google.url("p", Account::Owner).replace("endpoint=http:", "endpoint=https:");
    let tls = opened(&tls).await;
    let without = opened(&format!("gs://{BUCKET}?credentials=none&endpoint={}", google.endpoint())).await;
    let begin = async |store: &dyn Store| store.begin("x", &Metadata::new(), PART as u64).await.map(drop);
    for (what, refused, situation, hint) in [
        (
            "put",
            reader.put_new("x", noise(1, 1)).await.map(drop),
            Situation::Denied,
            "roles/storage.objectCreator",
        ),
        ("begin", begin(&*reader).await, Situation::Denied, "roles/storage.objectCreator"),
        ("delete", reader.delete("x").await, Situation::Denied, "roles/storage.objectUser"),
        ("list", elsewhere.list("").await.map(drop), Situation::NoStore, "bucket's name"),
        ("put", elsewhere.put_new("x", noise(1, 1)).await.map(drop), Situation::NoStore, "bucket's name"),
        ("begin", begin(&*elsewhere).await, Situation::NoStore, "bucket's name"),
        ("list", nobody.list("").await.map(drop), Situation::Unreachable, "endpoint"),
        ("put", nobody.put_new("x", noise(1, 1)).await.map(drop), Situation::Unreachable, "endpoint"),
        ("uploads", nobody.unfinished("").await.map(drop), Situation::Unreachable, "endpoint"),
        ("uploads", lost.unfinished("").await.map(drop), Situation::Unreachable, "DNS"),
        ("list", lost.list("").await.map(drop), Situation::Unreachable, "DNS"),
        ("uploads", tls.unfinished("").await.map(drop), Situation::Other, "https://"),
        ("list", without.list("").await.map(drop), Situation::Expired, "clock"),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.situation(), situation, "{what}: {error}");
        assert!(error.hints().concat().contains(hint), "{what}: {error}: {:?}", error.hints());
    }
}
