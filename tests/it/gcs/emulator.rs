//! What is asked of Google's client, at a server that others have written, and looked at with Google's client for Python.

use super::scene::opened;
use crate::servers::gcs::{BUCKET, Emulator};
use crate::stores::{noise, try_read};
use pgstow::store::Situation;
use sha2::{Digest, Sha256};
use std::process::Command;

/// Lists the bucket with the digests of what is in it, and puts an object there.
const LOOK: &str = r#"
import hashlib, sys
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
options = {"api_endpoint": sys.argv[1]}
bucket = storage.Client(project="p", credentials=AnonymousCredentials(), client_options=options).bucket(sys.argv[2])
# By its name: the emulator's own link to it lacks the port if the writer's Host does.
for name in [blob.name for blob in bucket.list_blobs()]:
    print(name, hashlib.sha256(bucket.blob(name).download_as_bytes()).hexdigest())
bucket.blob("p/theirs").upload_from_string(b"written by Google's client")
"#;

#[tokio::test]
async fn small_objects_at_an_emulator() {
    let emulator = Emulator::start();
    let store = opened(&emulator.url()).await;
    assert!(store.list("").await.unwrap().is_empty());

    let bytes = noise(100_000, 60);
    let stored = store.put_new("a/b c+ü", bytes.clone()).await.unwrap();
    let taken = store.put_new("a/b c+ü", noise(9, 61)).await.unwrap_err();
    assert_eq!(taken.situation(), Situation::Exists);
    for number in 0..3 {
        store.put_new(&format!("many/{number}"), noise(number, 62)).await.unwrap();
    }

    let found = store.head("a/b c+ü").await.unwrap();
    assert_eq!((found.bytes, &found.etag), (100_000, &stored.etag));
    let generation = stored.etag.as_deref();
    for range in [0..100_000, 99_999..100_000, 500..70_000] {
        let read = try_read(&*store, "a/b c+ü", range.clone(), generation).await.unwrap();
        assert!(read == bytes.slice(range.start as usize..range.end as usize), "{range:?}");
    }
    let another = try_read(&*store, "a/b c+ü", 0..1, Some("1")).await.unwrap_err();
    assert_eq!(another.situation(), Situation::Changed);
    for missing in [store.head("none").await.map(drop), try_read(&*store, "none", 0..1, None).await.map(drop)]
    {
        assert_eq!(missing.unwrap_err().situation(), Situation::NotFound);
    }

    let words = ["-c", LOOK, &emulator.endpoint(), BUCKET];
    let python = Command::new(Emulator::python()).args(words).output().unwrap();
    let said = String::from_utf8_lossy(&python.stdout);
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    let digest = hex::encode(Sha256::digest(&bytes));
    assert!(said.contains(&format!("p/a/b c+ü {digest}\n")), "{said}");
    assert_eq!(said.lines().count(), 4, "{said}");
    let theirs = try_read(&*store, "theirs", 0..26, None).await.unwrap();
    assert_eq!(theirs, b"written by Google's client");

    store.delete("a/b c+ü").await.unwrap();
    store.delete("a/b c+ü").await.unwrap();
    let keys: Vec<String> = store.list("").await.unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(keys, ["many/0", "many/1", "many/2", "theirs"]);
    let keys = store.list("many/").await.unwrap();
    assert_eq!(keys.iter().map(|object| object.bytes).collect::<Vec<_>>(), [0, 1, 2]);
}
