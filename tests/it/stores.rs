//! One suite, every store: the promises of [`pgstow::store::Store`], kept by folders and by servers.
//!
//! A store joins by giving a way to make itself and the size of its smallest part. What a service
//! only may do (refuse to overwrite, keep metadata) is asked of it as its limits say.

use crate::servers::garage::Garage;
use crate::servers::gcs::{Account, Google};
use crate::servers::localstack::LocalStack;
use crate::servers::s3::S3;
use crate::servers::swift::Swift;
use bytes::Bytes;
use futures_util::TryStreamExt;
use pgstow::error::Kind;
use pgstow::store::{
    Credentials, Metadata, OpenOptions, Retry, Situation, Store, StoreError, StoreUrl, Stored, open,
};
use pgstow::stored::{download, upload};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const MIB: usize = 1 << 20;

/// Everything a store promises. `part` is the size of the parts to use, in bytes.
async fn conforms(store: Arc<dyn Store>, part: usize) {
    let store = &*store;
    nothing_is_there_at_first(store).await;
    uploads_of_all_sizes_come_back(store, part).await;
    parts_go_in_any_order_in_parallel_and_again(store, part).await;
    an_incomplete_upload_is_refused(store, part).await;
    an_abort_leaves_nothing(store, part).await;
    nothing_shows_before_it_is_complete(store, part).await;
    a_key_is_taken_once(store, part).await;
    small_objects_come_back(store).await;
    metadata_comes_back(store, part).await;
    ranges_are_exact(store).await;
    a_pinned_read_notices_another_object(store).await;
    lists_are_sorted_and_keep_to_their_prefix(store).await;
    what_is_deleted_is_gone(store).await;
    keys_that_lead_out_are_refused(store).await;
}

/// Bytes that differ from place to place and from seed to seed.
pub fn noise(length: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

async fn read(store: &dyn Store, key: &str, range: Range<u64>) -> Vec<u8> {
    try_read(store, key, range, None).await.unwrap()
}

pub async fn try_read(
    store: &dyn Store,
    key: &str,
    range: Range<u64>,
    etag: Option<&str>,
) -> Result<Vec<u8>, StoreError> {
    Ok(store.read(key, range, etag).await?.try_collect::<Vec<_>>().await?.concat())
}

async fn write(store: &dyn Store, key: &str, bytes: &Bytes, part: usize) -> Result<Stored, StoreError> {
    let upload = store.begin(key, &Metadata::new(), part as u64).await?;
    for (number, chunk) in (1..).zip(bytes.chunks(part)) {
        upload.part(number, bytes.slice_ref(chunk)).await?;
    }
    let stored = upload.complete(bytes.len() as u64).await;
    if stored.is_err() {
        upload.abort().await?;
    }
    stored
}

fn keys<T>(list: &[T], key: impl Fn(&T) -> &str) -> Vec<String> {
    list.iter().map(|one| key(one).to_owned()).collect()
}

async fn nothing_is_there_at_first(store: &dyn Store) {
    assert!(store.list("none/").await.unwrap().is_empty());
    assert!(store.unfinished("none/").await.unwrap().is_empty());
    assert_eq!(store.head("none/x").await.unwrap_err().situation(), Situation::NotFound);
    assert_eq!(try_read(store, "none/x", 0..1, None).await.unwrap_err().situation(), Situation::NotFound);
    store.delete("none/x").await.unwrap();
}

async fn uploads_of_all_sizes_come_back(store: &dyn Store, part: usize) {
    for size in [0, 1, part - 1, part, part + 1, 3 * part, 3 * part + 1] {
        let (key, bytes) = (format!("sizes/{size}"), noise(size, size as u64));
        let stored = write(store, &key, &bytes, part).await.unwrap();
        assert_eq!((stored.bytes, stored.read_back), (size as u64, true), "{size}");
        let head = store.head(&key).await.unwrap();
        assert_eq!(
            (head.bytes, &head.etag, &head.checksum),
            (size as u64, &stored.etag, &stored.checksum),
            "{size}"
        );
        assert!(head.etag.is_some(), "{size}");
        assert!(read(store, &key, 0..size as u64).await == bytes, "{size}: other bytes came back");
    }
}

async fn parts_go_in_any_order_in_parallel_and_again(store: &dyn Store, part: usize) {
    let bytes = noise(3 * part + part / 2, 1);
    let upload = store.begin("order", &Metadata::new(), part as u64).await.unwrap();
    let slice = |n: usize| bytes.slice((n - 1) * part..bytes.len().min(n * part));
    upload.part(3, slice(3)).await.unwrap();
    upload.part(1, noise(part, 2)).await.unwrap();
    let (four, one, two) =
        tokio::join!(upload.part(4, slice(4)), upload.part(1, slice(1)), upload.part(2, slice(2)));
    four.and(one).and(two).unwrap();
    upload.complete(bytes.len() as u64).await.unwrap();
    assert!(read(store, "order", 0..bytes.len() as u64).await == bytes);
}

async fn an_incomplete_upload_is_refused(store: &dyn Store, part: usize) {
    for (numbers, claimed) in [(&[1, 3][..], 2 * part), (&[2], part), (&[1, 2], 2 * part + 1), (&[], 1)] {
        let upload = store.begin("incomplete", &Metadata::new(), part as u64).await.unwrap();
        for number in numbers {
            upload.part(*number, noise(part, 3)).await.unwrap();
        }
        upload.complete(claimed as u64).await.unwrap_err();
        upload.abort().await.unwrap();
        assert_eq!(store.head("incomplete").await.unwrap_err().situation(), Situation::NotFound);
    }
}

async fn an_abort_leaves_nothing(store: &dyn Store, part: usize) {
    let upload = store.begin("abort/one", &Metadata::new(), part as u64).await.unwrap();
    upload.part(1, noise(part, 4)).await.unwrap();
    upload.abort().await.unwrap();
    upload.abort().await.unwrap();
    assert!(
        upload.part(2, noise(part, 4)).await.is_err() || store.unfinished("abort/").await.unwrap().is_empty()
    );

    let upload = store.begin("abort/two", &Metadata::new(), part as u64).await.unwrap();
    upload.part(1, noise(part, 4)).await.unwrap();
    let left = store.unfinished("abort/").await.unwrap();
    assert_eq!(keys(&left, |upload| &upload.key), ["abort/two"]);
    store.abort_unfinished(&left[0]).await.unwrap();
    store.abort_unfinished(&left[0]).await.unwrap();
    upload.complete(part as u64).await.unwrap_err();
    upload.abort().await.unwrap();
    assert!(store.unfinished("abort/").await.unwrap().is_empty());
    assert!(store.list("abort/").await.unwrap().is_empty());
}

async fn nothing_shows_before_it_is_complete(store: &dyn Store, part: usize) {
    let upload = store.begin("shows/x", &Metadata::new(), part as u64).await.unwrap();
    upload.part(1, noise(10, 5)).await.unwrap();
    assert!(store.list("shows/").await.unwrap().is_empty());
    assert_eq!(store.head("shows/x").await.unwrap_err().situation(), Situation::NotFound);
    upload.complete(10).await.unwrap();
    assert_eq!(keys(&store.list("shows/").await.unwrap(), |one| &one.key), ["shows/x"]);
    assert!(store.unfinished("shows/").await.unwrap().is_empty());
}

async fn a_key_is_taken_once(store: &dyn Store, part: usize) {
    let exists =
        |refused: Result<Stored, StoreError>| assert_eq!(refused.unwrap_err().situation(), Situation::Exists);
    let (first, second) = (noise(100, 6), noise(100, 7));
    store.put_new("taken", first.clone()).await.unwrap();
    exists(store.put_new("taken", second.clone()).await);
    exists(write(store, "taken", &second, part).await);
    assert!(read(store, "taken", 0..100).await == first);

    // Two that begin together: only the promise of the store itself can hold.
    let one = store.begin("race", &Metadata::new(), part as u64).await.unwrap();
    let other = store.begin("race", &Metadata::new(), part as u64).await.unwrap();
    one.part(1, first.clone()).await.unwrap();
    other.part(1, second).await.unwrap();
    one.complete(100).await.unwrap();
    if store.limits().complete_is_create_only {
        exists(other.complete(100).await);
        assert!(read(store, "race", 0..100).await == first);
    }
    other.abort().await.unwrap();
    assert!(store.unfinished("race").await.unwrap().is_empty());
}

async fn small_objects_come_back(store: &dyn Store) {
    for size in [0, 1, 100_000] {
        let (key, bytes) = (format!("small/{size}"), noise(size, 8));
        let stored = store.put_new(&key, bytes.clone()).await.unwrap();
        assert_eq!((stored.bytes, stored.read_back), (size as u64, true));
        assert!(read(store, &key, 0..size as u64).await == bytes);
    }
}

async fn metadata_comes_back(store: &dyn Store, part: usize) {
    let words = [("format", "1"), ("name", "größe 100%"), ("started-at", "2026-11-20T03:00:00Z")];
    let metadata: Metadata = words.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let upload = store.begin("metadata", &metadata, part as u64).await.unwrap();
    upload.part(1, noise(10, 9)).await.unwrap();
    upload.complete(10).await.unwrap();
    assert_eq!(store.head("metadata").await.unwrap().metadata, metadata);
}

async fn ranges_are_exact(store: &dyn Store) {
    let bytes = noise(10_000, 10);
    store.put_new("ranges", bytes.clone()).await.unwrap();
    let etag = store.head("ranges").await.unwrap().etag;
    for (range, got) in
        [(0..10, 0..10), (9_990..10_000, 9_990..10_000), (5..5, 5..5), (9_990..20_000, 9_990..10_000)]
    {
        let there = try_read(store, "ranges", range.clone(), etag.as_deref()).await.unwrap();
        assert!(there == bytes[got], "{range:?}");
    }
    assert!(read(store, "ranges", 10_000..10_010).await.is_empty());
    assert!(read(store, "ranges", 20_000..20_010).await.is_empty());
}

async fn a_pinned_read_notices_another_object(store: &dyn Store) {
    store.put_new("pinned", noise(100, 11)).await.unwrap();
    let etag = store.head("pinned").await.unwrap().etag;
    store.delete("pinned").await.unwrap();
    store.put_new("pinned", noise(100, 12)).await.unwrap();
    let changed = try_read(store, "pinned", 0..100, etag.as_deref()).await.unwrap_err();
    assert_eq!(changed.situation(), Situation::Changed);
}

async fn lists_are_sorted_and_keep_to_their_prefix(store: &dyn Store) {
    let mut all = ["list/b", "list/a/1", "list/a.x", "list/a/2/3", "list/ab", "list2"].map(str::to_owned);
    for key in &all {
        store.put_new(key, noise(7, 13)).await.unwrap();
    }
    all.sort();
    let listed = async |prefix: &str| keys(&store.list(prefix).await.unwrap(), |one| &one.key);
    assert_eq!(listed("list/").await, all[..5]);
    assert_eq!(listed("list").await, all);
    assert_eq!(listed("list/a").await, ["list/a.x", "list/a/1", "list/a/2/3", "list/ab"]);
    assert_eq!(listed("list/a/").await, ["list/a/1", "list/a/2/3"]);
    let one = &store.list("list/b").await.unwrap()[0];
    assert_eq!(one.bytes, 7);
    assert!(one.modified.unwrap().elapsed().unwrap_or_default() < Duration::from_secs(300));
}

async fn what_is_deleted_is_gone(store: &dyn Store) {
    store.put_new("gone/a/b", noise(1, 14)).await.unwrap();
    store.delete("gone/a/b").await.unwrap();
    store.delete("gone/a/b").await.unwrap();
    assert!(store.list("gone/").await.unwrap().is_empty());
    store.put_new("gone/a", noise(1, 14)).await.unwrap();
}

async fn keys_that_lead_out_are_refused(store: &dyn Store) {
    for key in ["", "/x", "../x", "a/../../x", "a//x"] {
        assert!(store.put_new(key, noise(1, 15)).await.is_err(), "{key:?}");
        assert!(store.head(key).await.is_err(), "{key:?}");
    }
}

/// Patient enough for a busy machine, and short where a test waits for the end of patience.
fn options() -> OpenOptions {
    let retry = Retry::lasting(Duration::from_secs(3))
        .with_pauses(Duration::from_millis(50), Duration::from_millis(200));
    OpenOptions { retry, ..OpenOptions::default() }
}

async fn open_folder(path: &std::path::Path) -> Arc<dyn Store> {
    open(&StoreUrl::File(path.to_owned()), options()).await.unwrap()
}

async fn open_place(place: &S3) -> Arc<dyn Store> {
    open_url(&place.url(), place).await
}

async fn open_url(url: &str, place: &S3) -> Arc<dyn Store> {
    let credentials = Credentials {
        access_key_id: place.access_key.clone(),
        secret_access_key: place.secret_key.clone(),
        session_token: None,
        variable: "a test",
    };
    open(&url.parse().unwrap(), OpenOptions { credentials: Some(credentials), ..options() }).await.unwrap()
}

#[tokio::test]
async fn a_folder_conforms() {
    let root = tempfile::tempdir().unwrap();
    conforms(open_folder(root.path()).await, 1000).await;
}

#[tokio::test]
async fn garage_conforms() {
    conforms(open_place(&Garage::shared().place("suite")).await, MIB).await;
}

#[tokio::test]
async fn garage_conforms_without_checksum_headers() {
    let place = Garage::shared().place("compat");
    conforms(open_url(&format!("{}&checksum=compat", place.url()), &place).await, MIB).await;
}

#[tokio::test]
async fn swift_conforms() {
    conforms(open_place(&Swift::shared().place("suite")).await, 5 * MIB).await;
}

#[tokio::test]
async fn localstack_conforms() {
    match LocalStack::shared() {
        Ok(server) => conforms(open_place(&server.place("suite")).await, 5 * MIB).await,
        Err(why) => crate::skip!("{why}"),
    }
}

#[tokio::test]
async fn google_conforms() {
    let google = Google::start();
    let url = google.url("suite", Account::Owner);
    conforms(open(&url.parse().unwrap(), options()).await.unwrap(), 5 * MIB).await;
}

#[tokio::test]
async fn google_conforms_with_a_real_server_behind_it() {
    let google = Google::in_front_of_garage();
    let url = google.url("suite", Account::Owner);
    conforms(open(&url.parse().unwrap(), options()).await.unwrap(), 5 * MIB).await;
}

#[tokio::test]
async fn a_bucket_keeps_a_checksum_over_the_whole_object() {
    let store = open_place(&Garage::shared().place("checksum")).await;
    let bytes = noise(2 * MIB + 17, 20);
    let stored = write(&*store, "x", &bytes, MIB).await.unwrap();
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &bytes);
    let expected = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, crc.to_be_bytes());
    assert_eq!(stored.checksum.unwrap(), format!("CRC64NVME:{expected}"));
}

#[tokio::test]
async fn a_folder_is_for_its_owner_only_and_kept_tidy() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("made by itself");
    let store = open_folder(&folder).await;
    let mode = |path: &str| folder.join(path).metadata().unwrap().permissions().mode() & 0o777;
    store.put_new("a/b/c", noise(1, 1)).await.unwrap();
    assert_eq!((mode(""), mode("a/b"), mode("a/b/c")), (0o700, 0o700, 0o600));
    store.delete("a/b/c").await.unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    drop(store.begin("a/b/c", &Metadata::new(), 10).await.unwrap());
    assert!(store.unfinished("").await.unwrap().is_empty(), "a dropped upload stays");
    assert!(store.free_space().await.unwrap().unwrap() > 0);
}

/// What is no file is refused, and never waited for.
#[tokio::test]
async fn a_pipe_in_a_folder_is_no_object() {
    let root = tempfile::tempdir().unwrap();
    let store = open_folder(root.path()).await;
    crate::servers::run(std::process::Command::new("mkfifo").arg(root.path().join("pipe")));
    let read = tokio::time::timeout(Duration::from_secs(5), try_read(&*store, "pipe", 0..9, None)).await;
    for error in [read.unwrap().unwrap_err(), store.head("pipe").await.unwrap_err()] {
        assert_eq!(error.situation(), Situation::Other);
        assert!(error.to_string().contains("is a pipe, socket or device"), "{error}");
    }
    assert_eq!(store.put_new("pipe", noise(1, 1)).await.unwrap_err().situation(), Situation::Exists);
    assert!(store.list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_folder_lists_thousands() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..1500 {
        std::fs::write(root.path().join(format!("{n:04}")), b"x").unwrap();
    }
    let listed = open_folder(root.path()).await.list("").await.unwrap();
    assert_eq!(listed.len(), 1500);
    assert!(listed.is_sorted_by(|a, b| a.key < b.key));
}

#[tokio::test]
async fn a_bucket_lists_beyond_one_page() {
    let place = Garage::shared().place("pages");
    let store = open_place(&place).await;
    let puts = (0..1003).map(|n| {
        let store = Arc::clone(&store);
        async move { store.put_new(&format!("p/{n:04}"), Bytes::new()).await.map(drop) }
    });
    let all = futures_util::stream::iter(puts);
    futures_util::StreamExt::buffer_unordered(all, 16).try_collect::<()>().await.unwrap();
    let listed = store.list("p/").await.unwrap();
    assert_eq!(listed.len(), 1003);
    assert!(listed.is_sorted_by(|a, b| a.key < b.key));
}

/// Keys that others may choose: XML cannot hold some of them, and an encoding changes others.
fn odd_keys() -> [String; 7] {
    let mut odd =
        ["a b", "a+b", "a%2Bb", "a%20b", "ü&b", "a\u{1}b", "a\u{7f}b"].map(|key| format!("odd/{key}"));
    odd.sort();
    odd
}

/// `uploads` are the keys that the server can list unfinished uploads of.
async fn keys_of_all_kinds_are_listed(place: &S3, uploads: &[String]) {
    let odd = odd_keys();
    odd.iter().for_each(|key| place.put(key, "x"));
    for key in uploads {
        let begin = place.client().create_multipart_upload().bucket(&place.bucket);
        let begin = begin.key(format!("{}/{key}", place.prefix));
        // It is begun, although the answer may be none: it has the key in it.
        let _ = crate::servers::s3::wait(async move { begin.send().await });
    }
    let store = open_place(place).await;
    assert_eq!(keys(&store.list("odd/").await.unwrap(), |one| &one.key), odd);
    assert_eq!(keys(&store.list("odd/a+").await.unwrap(), |one| &one.key), ["odd/a+b"]);
    let mut unfinished = keys(&store.unfinished("odd/").await.unwrap(), |one| &one.key);
    // A client that does not understand the answer may have begun it again.
    unfinished.dedup();
    assert_eq!(unfinished, uploads);
}

#[tokio::test]
async fn garage_lists_keys_of_all_kinds() {
    keys_of_all_kinds_are_listed(&Garage::shared().place("odd"), &odd_keys()).await;
}

#[tokio::test]
async fn swift_lists_keys_of_all_kinds() {
    keys_of_all_kinds_are_listed(&Swift::shared().place("odd"), &odd_keys()).await;
}

#[tokio::test]
async fn localstack_lists_keys_of_all_kinds() {
    match LocalStack::shared() {
        Ok(server) => {
            // It encodes the keys of objects only, and says that it has encoded those of uploads too.
            let is_the_same = |key: &String| !key.contains(['\u{1}', '%', '+']);
            let uploads = odd_keys().into_iter().filter(is_the_same).collect::<Vec<_>>();
            keys_of_all_kinds_are_listed(&server.place("odd"), &uploads).await;
        }
        Err(why) => crate::skip!("{why}"),
    }
}

#[tokio::test]
async fn google_lists_keys_of_all_kinds() {
    let google = Google::start();
    let odd = odd_keys();
    for key in &odd {
        google.put(&format!("suite/{key}"), "x");
        google.begin(&format!("suite/{key}"));
    }
    let store = open(&google.url("suite", Account::Owner).parse().unwrap(), options()).await.unwrap();
    assert_eq!(keys(&store.list("odd/").await.unwrap(), |one| &one.key), odd);
    assert_eq!(keys(&store.unfinished("odd/").await.unwrap(), |one| &one.key), odd);
}

#[tokio::test]
async fn a_missing_folder_is_no_empty_store() {
    let root = tempfile::tempdir().unwrap();
    let store = open_folder(&root.path().join("not/there")).await;
    assert_eq!(store.list("").await.unwrap_err().situation(), Situation::NoStore);
    assert_eq!(store.head("x").await.unwrap_err().situation(), Situation::NoStore);
    let refused = store.put_new("x", Bytes::new()).await.unwrap_err();
    assert_eq!(refused.situation(), Situation::NoStore);
    assert!(refused.hints()[0].contains("mounted"));
}

/// What each way of getting it wrong is called, and that the hint names what to change.
#[tokio::test]
async fn refusals_say_what_to_change() {
    let place = Garage::shared().place("refusals");
    let nobody = "http://127.0.0.1:9";
    let cases = [
        ("wrong secret", place.with_key(&place.access_key, &"0".repeat(64)), Situation::Denied, ""),
        (
            "unknown key",
            place.with_key("GK000000000000000000000000", &place.secret_key),
            Situation::Denied,
            "",
        ),
        ("missing bucket", S3 { bucket: "nowhere".into(), ..place.clone() }, Situation::NoStore, "bucket"),
        (
            "wrong region",
            S3 { region: "eu-west-1".into(), ..place.clone() },
            Situation::Other,
            "region=garage",
        ),
        ("nobody there", place.through(nobody), Situation::Unreachable, "endpoint"),
        (
            "no such host",
            S3 { endpoint: "https://no.invalid".into(), ..place.clone() },
            Situation::Unreachable,
            "DNS",
        ),
        (
            "https to http",
            place.through(&place.endpoint.replace("http:", "https:")),
            Situation::Other,
            "https://",
        ),
    ];
    for (what, place, situation, hint) in cases {
        let error = open_place(&place).await.list("").await.unwrap_err();
        println!(
            "{what}: {error} ({:?}) <- {:?}",
            error.hints(),
            std::error::Error::source(&error).map(ToString::to_string)
        );
        assert_eq!(error.situation(), situation, "{what}: {error}");
        assert!(error.hints().concat().contains(hint), "{what}: {:?}", error.hints());
        assert!(!format!("{error:?}").contains(&place.secret_key), "{what}");
    }
}

#[tokio::test]
async fn swift_refuses_a_wrong_secret() {
    let place = Swift::shared().place("refusals");
    let error = open_place(&place.with_key(&place.access_key, "wrong")).await.list("").await.unwrap_err();
    assert_eq!(error.situation(), Situation::Denied, "{error}");
}

#[tokio::test]
async fn a_key_that_may_only_write_is_enough_to_upload() {
    let garage = Garage::shared();
    let place = garage.place("writer");
    let (writer, owner) = (open_place(&garage.write_only(&place)).await, open_place(&place).await);
    let bytes = noise(2 * MIB + 1, 30);
    let stored = write(&*writer, "big", &bytes, MIB).await.unwrap();
    assert!(!stored.read_back);
    assert!(stored.checksum.is_some(), "the completion's own answer has it");
    assert!(!writer.put_new("small", bytes.slice(..100)).await.unwrap().read_back);
    let upload = writer.begin("aborted", &Metadata::new(), MIB as u64).await.unwrap();
    upload.part(1, noise(MIB, 31)).await.unwrap();
    upload.abort().await.unwrap();

    for denied in [
        writer.head("big").await.map(drop),
        writer.list("").await.map(drop),
        try_read(&*writer, "big", 0..1, None).await.map(drop),
    ] {
        assert_eq!(denied.unwrap_err().situation(), Situation::Denied);
    }
    assert_eq!(keys(&owner.list("").await.unwrap(), |one| &one.key), ["big", "small"]);
    assert!(owner.unfinished("").await.unwrap().is_empty());
    assert!(read(&*owner, "big", 0..bytes.len() as u64).await == bytes);
}

#[tokio::test]
async fn the_whole_way_there_and_back() {
    let store = open_place(&Garage::shared().place("way")).await;
    let bytes = noise(5 * MIB + 1234, 40);
    let up = upload::Uploading::begin(&*store, "x", &Metadata::new(), MIB as u64).await.unwrap();
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let progress = Arc::new(AtomicU64::new(0));
    let feed = async {
        for chunk in bytes.chunks(MIB) {
            sender.send(bytes.slice_ref(chunk)).await.unwrap();
        }
        drop(sender);
    };
    let (sent, ()) = tokio::join!(up.send(receiver, 3, Arc::clone(&progress)), feed);
    assert_eq!(sent.unwrap(), upload::Sent { bytes: bytes.len() as u64, parts: 6 });
    assert_eq!(progress.load(Ordering::Relaxed), bytes.len() as u64);
    up.complete(bytes.len() as u64).await.unwrap();
    drop(up);

    let options = download::Options { range: 700_000, ..download::Options::default() };
    let size = bytes.len() as u64;
    let version = download::head(&*store, "x", size).await.unwrap().etag;
    assert!(download::small(&store, "x", size, version, options).await.unwrap() == bytes);
    let wrong = download::head(&*store, "x", 1).await.unwrap_err();
    assert_eq!(wrong.kind(), Kind::Verify);
}

#[tokio::test]
async fn an_abort_amid_sending_leaves_nothing() {
    let store = open_place(&Garage::shared().place("amid")).await;
    let up = upload::Uploading::begin(&*store, "x", &Metadata::new(), MIB as u64).await.unwrap();
    let (sender, receiver) = tokio::sync::mpsc::channel(8);
    for seed in 0..8 {
        sender.try_send(noise(MIB, seed)).unwrap();
    }
    // The source never ends: whoever waits is interrupted while parts are on their way.
    let sending = tokio::time::timeout(Duration::from_millis(60), up.send(receiver, 4, Arc::default()));
    assert!(sending.await.is_err());
    up.abort().await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(store.unfinished("").await.unwrap().is_empty());
    assert!(store.list("").await.unwrap().is_empty());
}
