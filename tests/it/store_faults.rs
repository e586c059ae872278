//! A store whose answers are lost, late, or errors: what was stored is distinguished from what was not.

use crate::servers::fault::{Fault, FaultProxy, Operation, Request, Rule};
use crate::servers::garage::Garage;
use crate::servers::s3::S3;
use crate::stores::{noise, try_read};
use bytes::Bytes;
use pgstow::store::{
    Credentials, Metadata, OpenOptions, Retry, Situation, Store, StoreError, Stored, Upload, open,
};
use std::sync::Arc;
use std::time::Duration;

const PART: usize = 1 << 20;

/// A store of its own behind a proxy, and the same place without one.
struct Behind {
    proxy: FaultProxy,
    place: S3,
    store: Arc<dyn Store>,
}

async fn behind(place: S3) -> Behind {
    patient(place, Duration::from_secs(3)).await
}

/// The same, which retries for this long.
async fn patient(place: S3, patience: Duration) -> Behind {
    let proxy = FaultProxy::start(&place.endpoint);
    let credentials = Credentials {
        access_key_id: place.access_key.clone(),
        secret_access_key: place.secret_key.clone(),
        session_token: None,
        variable: "a test",
    };
    let options = OpenOptions {
        request_timeout: Duration::from_secs(1),
        retry: Retry::lasting(patience).with_pauses(Duration::from_millis(20), Duration::from_millis(50)),
        credentials: Some(credentials),
        ..OpenOptions::default()
    };
    let store = open(&place.through(&proxy.endpoint()).url().parse().unwrap(), options).await.unwrap();
    Behind { proxy, place, store }
}

impl Behind {
    /// An upload of "x" with two parts sent.
    async fn sent(&self) -> (Box<dyn Upload>, Bytes) {
        let bytes = noise(PART + 1, 50);
        let upload = self.store.begin("x", &Metadata::new(), PART as u64).await.unwrap();
        upload.part(1, bytes.slice(..PART)).await.unwrap();
        upload.part(2, bytes.slice(PART..)).await.unwrap();
        (upload, bytes)
    }

    async fn completed(&self) -> (Result<Stored, StoreError>, Box<dyn Upload>, Bytes) {
        let (upload, bytes) = self.sent().await;
        (upload.complete(bytes.len() as u64).await, upload, bytes)
    }

    fn is_clean(&self) {
        assert!(self.place.unfinished_uploads().is_empty());
        assert!(self.place.keys().is_empty(), "{:?}", self.place.keys());
    }
}

#[tokio::test]
async fn a_part_passes_at_last() {
    for fault in [
        Fault::Answer(503, "SlowDown"),
        Fault::Answer(400, "BadDigest"),
        Fault::DoneButAnswer(500, "InternalError"),
        Fault::LoseAnswer,
        Fault::Swallow,
        Fault::Reset(1000),
    ] {
        // Each attempt that is never answered takes as long as a slow connection would for a part.
        let it = patient(Garage::shared().place("parts"), Duration::from_secs(60)).await;
        it.proxy.inject(Rule::new(Operation::UploadPart, fault.clone()).part(1).times(2));
        let (stored, _, bytes) = it.completed().await;
        assert!(stored.unwrap().read_back, "{fault:?}");
        assert_eq!(it.place.get("x"), bytes, "{fault:?}");
    }
}

#[tokio::test]
async fn a_completion_whose_answer_is_lost_is_found_out() {
    for fault in [
        Fault::LoseAnswer,
        Fault::DoneButAnswer(500, "InternalError"),
        Fault::DoneButAnswer(200, "InternalError"),
        Fault::Answer(200, "InternalError"),
        Fault::Answer(503, "SlowDown"),
        Fault::Reset(10),
    ] {
        let it = behind(Garage::shared().place("lost")).await;
        it.proxy.inject(Rule::new(Operation::CompleteUpload, fault.clone()).times(1));
        let (stored, _, bytes) = it.completed().await;
        let stored = stored.unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        assert_eq!((stored.bytes, stored.read_back), (bytes.len() as u64, true), "{fault:?}");
        assert!(stored.checksum.is_some() && stored.etag.is_some(), "{fault:?}");
        assert_eq!(it.place.get("x"), bytes, "{fault:?}");
    }
}

#[tokio::test]
async fn a_completion_that_is_refused_for_good_leaves_nothing() {
    for fault in [
        Fault::Answer(503, "SlowDown"),
        Fault::Answer(403, "AccessDenied"),
        Fault::Answer(400, "InvalidPart"),
    ] {
        let it = behind(Garage::shared().place("refused")).await;
        it.proxy.inject(Rule::new(Operation::CompleteUpload, fault.clone()));
        let (stored, upload, _) = it.completed().await;
        stored.unwrap_err();
        upload.abort().await.unwrap();
        it.is_clean();
    }
}

/// "Not found" means that a backup is missing; an upload that the store lost is the store's failure.
#[tokio::test]
async fn what_the_store_loses_while_it_is_written_is_no_missing_backup() {
    let lost = |error: StoreError, says: &str| {
        assert_eq!(error.situation(), Situation::Other, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(pgstow::error::Error::from(error).kind(), pgstow::error::Kind::Store);
    };
    for code in ["NoSuchUpload", "NoSuchKey", ""] {
        let it = behind(Garage::shared().place("lost-upload")).await;
        it.proxy.inject(Rule::new(Operation::CompleteUpload, Fault::Answer(404, code)));
        let (stored, upload, _) = it.completed().await;
        lost(stored.unwrap_err(), "the store lost the upload of");
        upload.abort().await.unwrap();
        it.is_clean();

        let it = behind(Garage::shared().place("lost-part")).await;
        it.proxy.inject(Rule::new(Operation::UploadPart, Fault::Answer(404, code)));
        let upload = it.store.begin("x", &Metadata::new(), PART as u64).await.unwrap();
        lost(upload.part(1, noise(PART, 1)).await.unwrap_err(), "the store lost the upload of");

        let it = behind(Garage::shared().place("lost-put")).await;
        it.proxy.inject(Rule::new(Operation::Put, Fault::Answer(404, code)));
        let error = it.store.put_new("x", noise(9, 1)).await.unwrap_err();
        assert_eq!(error.situation(), Situation::NoStore, "{error}");
    }
    // It was carried out all the same.
    let it = behind(Garage::shared().place("lost-answer")).await;
    it.proxy.inject(Rule::new(Operation::CompleteUpload, Fault::DoneButAnswer(404, "NoSuchUpload")).times(1));
    let (stored, _, bytes) = it.completed().await;
    assert!(stored.unwrap().read_back);
    assert_eq!(it.place.get("x"), bytes);
}

#[tokio::test]
async fn an_object_that_shows_late_is_waited_for() {
    let not_yet = || Rule::new(Operation::Head, Fault::Answer(404, "")).after(1);
    let it = behind(Garage::shared().place("late")).await;
    it.proxy.inject(not_yet().times(2));
    let (stored, _, bytes) = it.completed().await;
    assert!(stored.unwrap().read_back);
    assert_eq!(it.place.get("x"), bytes);
    it.proxy.inject(not_yet().times(2));
    assert!(it.store.put_new("y", noise(9, 1)).await.unwrap().read_back);

    let it = behind(Garage::shared().place("never")).await;
    it.proxy.inject(not_yet());
    let (stored, _, _) = it.completed().await;
    let error = stored.unwrap_err();
    assert_eq!(error.situation(), Situation::Other);
    assert!(error.to_string().contains("and does not have it"), "{error}");
    assert_eq!(it.proxy.count(Operation::CompleteUpload), 1, "it was completed once");
}

#[tokio::test]
async fn credentials_that_expire_are_asked_for_once_more() {
    let it = behind(Garage::shared().place("expired")).await;
    it.proxy.inject(Rule::new(Operation::UploadPart, Fault::Answer(400, "ExpiredToken")).part(1).times(1));
    it.proxy.inject(Rule::new(Operation::CompleteUpload, Fault::Answer(403, "ExpiredToken")).times(1));
    it.proxy.inject(Rule::new(Operation::Head, Fault::Answer(400, "")).after(1).times(1));
    let (stored, _, bytes) = it.completed().await;
    assert!(stored.unwrap().read_back);
    assert_eq!(it.place.get("x"), bytes);

    let it = behind(Garage::shared().place("expired")).await;
    it.proxy.inject(Rule::new(Operation::UploadPart, Fault::Answer(400, "ExpiredToken")));
    let upload = it.store.begin("x", &Metadata::new(), PART as u64).await.unwrap();
    let error = upload.part(1, noise(PART, 1)).await.unwrap_err();
    assert_eq!(error.situation(), Situation::Expired);
    assert!(error.to_string().contains("has expired"), "{error}");
    assert_eq!(it.proxy.count(Operation::UploadPart), 2);

    // Those that never were good are not asked for again.
    let it = behind(Garage::shared().place("expired")).await;
    it.proxy.inject(Rule::new(Operation::List, Fault::Answer(400, "ExpiredToken")));
    assert_eq!(it.store.list("").await.unwrap_err().situation(), Situation::Expired);
    assert_eq!(it.proxy.count(Operation::List), 1);
}

#[tokio::test]
async fn a_listing_without_an_end_is_given_up() {
    // Round in a circle of two pages.
    let circle = |request: &Request| {
        let next = if request.query.iter().any(|(_, value)| value == "one") { "two" } else { "one" };
        format!(
            "<ListBucketResult><IsTruncated>true</IsTruncated>\
             <NextContinuationToken>{next}</NextContinuationToken></ListBucketResult>"
        )
    };
    let it = behind(Garage::shared().place("circle")).await;
    it.proxy.inject(Rule::new(Operation::List, Fault::Instead(circle)));
    let error = it.store.list("").await.unwrap_err();
    assert_eq!(error.situation(), Situation::Other);
    assert!(error.to_string().contains("a continuation token came twice"), "{error}");
    assert_eq!(it.proxy.count(Operation::List), 3);

    // A store that ignores the prefix: its other keys are left out, and count for the limits all the same.
    let others = |_: &Request| {
        let contents = |key: &str| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>");
        format!("<ListBucketResult>{}{}</ListBucketResult>", contents("a"), contents("b"))
    };
    let it = behind(Garage::shared().place("others")).await;
    it.proxy.inject(Rule::new(Operation::List, Fault::Instead(others)));
    let page = it.store.page("", None).await.unwrap();
    assert_eq!((page.objects.len(), page.ignored, page.next), (0, 2, None));

    // One page that never ends, and an error that never ends.
    let it = behind(Garage::shared().place("endless")).await;
    it.place.put("x", "y");
    it.proxy.inject(Rule::new(Operation::List, Fault::Endless));
    it.proxy.inject(Rule::new(Operation::ListUploads, Fault::Endless));
    it.proxy.inject(Rule::new(Operation::CreateUpload, Fault::Endless));
    let errors = [
        it.store.list("").await.unwrap_err(),
        it.store.unfinished("").await.unwrap_err(),
        it.store.begin("z", &Metadata::new(), PART as u64).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.situation(), Situation::Other, "{error}");
        assert!(error.to_string().contains("too long"), "{error}");
    }
    // An object may be longer than any other answer.
    let long = noise(17 << 20, 5);
    it.place.put("long", long.clone());
    assert!(try_read(&*it.store, "long", 0..long.len() as u64, None).await.unwrap() == long);
}

/// Every answer is lost, so the caller gives up although the object is there: aborting takes it away.
#[tokio::test]
async fn an_abort_takes_away_what_was_completed_without_an_answer() {
    let it = behind(Garage::shared().place("abort")).await;
    it.proxy.inject(Rule::new(Operation::CompleteUpload, Fault::LoseAnswer));
    it.proxy.inject(Rule::new(Operation::Head, Fault::Answer(500, "InternalError")).after(1));
    let (stored, upload, _) = it.completed().await;
    assert!(stored.unwrap_err().situation().may_pass());
    it.proxy.heal();
    upload.abort().await.unwrap();
    it.is_clean();
}

#[tokio::test]
async fn an_unknown_outcome_is_called_so_where_the_key_may_not_look() {
    let garage = Garage::shared();
    let owner = garage.place("unknown");
    let it = behind(garage.write_only(&owner)).await;
    it.proxy.inject(Rule::new(Operation::CompleteUpload, Fault::LoseAnswer).times(1));
    let (stored, _, _) = it.completed().await;
    let error = stored.unwrap_err();
    assert_eq!(error.situation(), Situation::Other);
    assert!(error.to_string().contains("is not known"), "{error}");
    assert!(error.hints()[0].contains("s3:GetObject"));
}

#[tokio::test]
async fn a_small_object_whose_answer_is_lost_is_ours() {
    let it = behind(Garage::shared().place("put")).await;
    it.proxy.inject(Rule::new(Operation::Put, Fault::LoseAnswer).times(1));
    let stored = it.store.put_new("x", noise(1000, 51)).await.unwrap();
    assert!(stored.read_back);
    assert_eq!(it.proxy.count(Operation::Put), 1, "it was not written twice");
    let taken = it.store.put_new("x", noise(1000, 52)).await.unwrap_err();
    assert_eq!(taken.situation(), Situation::Exists);
}

#[tokio::test]
async fn a_store_that_never_answers_is_given_up() {
    let it = behind(Garage::shared().place("silent")).await;
    it.proxy.inject(Rule::new(Operation::Get, Fault::Swallow));
    it.place.put("x", "y");
    let error = try_read(&*it.store, "x", 0..1, None).await.unwrap_err();
    assert_eq!(error.situation(), Situation::Unreachable);
    assert!(error.to_string().contains("did not answer within 1 s; gave up after"), "{error}");
}

/// The dialects must not leak: what an old server refuses is not even sent.
#[tokio::test]
async fn compat_sends_no_checksum_headers_and_full_does() {
    for (mode, header) in [("compat", "content-md5"), ("full", "x-amz-checksum-crc64nvme")] {
        let mut place = Garage::shared().place("headers");
        place.more = format!("&checksum={mode}");
        let it = behind(place).await;
        it.completed().await.0.unwrap();
        it.store.put_new("y", noise(10, 53)).await.unwrap();
        for request in it.proxy.log() {
            let has = |name: &str| request.headers.iter().any(|(have, _)| have.starts_with(name));
            assert!(!has("x-amz-trailer") && !has("x-amz-sdk-checksum"), "{request:?}");
            if matches!(request.operation, Operation::UploadPart | Operation::Put) {
                assert!(has(header), "{request:?}");
                let signed = request.header("x-amz-content-sha256").unwrap();
                assert!(signed.len() == 64, "the body is not signed: {signed}");
            }
            assert!(mode == "full" || !has("x-amz-checksum"), "{request:?}");
        }
    }
}

#[tokio::test]
async fn google_gets_no_operation_in_the_query() {
    for (profile, says) in [("gcs", false), ("minio", true)] {
        let mut place = Garage::shared().place("query");
        place.more = format!("&profile={profile}");
        let it = behind(place).await;
        it.completed().await.0.unwrap();
        let named = it.proxy.log().iter().any(|request| request.query.iter().any(|(name, _)| name == "x-id"));
        assert_eq!(named, says, "{profile}");
    }
}
