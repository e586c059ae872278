//! Answers that are lost, late or errors, bytes that are damaged: what was stored is distinguished from what was not.

use super::scene::{PART, behind, impatient};
use crate::servers::fault::{Fault, Operation, Rule};
use crate::stores::{noise, try_read};
use pgstow::store::{Metadata, Situation};
use std::time::Duration;

/// gRPC's numbers.
const PERMISSION_DENIED: u32 = 7;
const UNAVAILABLE: u32 = 14;

#[tokio::test]
async fn a_part_passes_at_last() {
    for fault in [
        Fault::Answer(503, "ServiceUnavailable"),
        Fault::Answer(429, "SlowDown"),
        Fault::DoneButAnswer(500, "InternalError"),
        Fault::LoseAnswer,
        Fault::Reset(1000),
        // The service sees that the hashes are wrong, and wants the part again.
        Fault::FlipRequest(77),
    ] {
        let it = behind().await;
        it.proxy.inject(Rule::new(Operation::UploadPart, fault.clone()).part(1).times(2));
        let (stored, _, bytes) = it.completed().await;
        let stored = stored.unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        assert!(stored.read_back, "{fault:?}");
        assert_eq!(it.proxy.count(Operation::UploadPart), 4, "{fault:?}");
        it.holds(&bytes);
    }
}

#[tokio::test]
async fn every_part_says_both_its_hashes() {
    let it = behind().await;
    let (stored, ..) = it.completed().await;
    let stored = stored.unwrap();
    let parts: Vec<_> = it.proxy.log().into_iter().filter(|r| r.operation == Operation::UploadPart).collect();
    assert_eq!(parts.len(), 2);
    for part in parts {
        let hash = part.header("x-goog-hash").unwrap();
        assert!(hash.starts_with("crc32c=") && hash.contains(",md5="), "{hash}");
    }
    let object = it.google.object("p/x").unwrap();
    assert_eq!(stored.etag.as_deref(), Some(object.generation.to_string().as_str()));
    assert_eq!(stored.checksum.unwrap().replace("CRC32C:", "crc32c="), object.hashes());
}

#[tokio::test]
async fn a_part_that_stays_damaged_is_given_up_and_leaves_nothing() {
    let it = behind().await;
    it.proxy.inject(Rule::new(Operation::UploadPart, Fault::FlipRequest(0)));
    let upload = it.store.begin("x", &Metadata::new(), PART as u64).await.unwrap();
    let error = upload.part(1, noise(PART, 1)).await.unwrap_err();
    assert!(error.to_string().contains("do not match their checksum"), "{error}");
    upload.abort().await.unwrap();
    it.is_clean();
}

#[tokio::test]
async fn a_completion_whose_answer_is_lost_is_found_out() {
    for fault in [
        Fault::LoseAnswer,
        Fault::DoneButAnswer(500, "InternalError"),
        Fault::DoneButAnswer(200, "InternalError"),
        Fault::DoneButAnswer(404, "NoSuchUpload"),
        Fault::Answer(200, "InternalError"),
        Fault::Answer(503, "ServiceUnavailable"),
        Fault::Reset(10),
    ] {
        let it = behind().await;
        it.proxy.inject(Rule::new(Operation::CompleteUpload, fault.clone()).times(1));
        let (stored, _, bytes) = it.completed().await;
        let stored = stored.unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        assert_eq!((stored.bytes, stored.read_back), (bytes.len() as u64, true), "{fault:?}");
        assert!(stored.checksum.is_some() && stored.etag.is_some(), "{fault:?}");
        it.holds(&bytes);
    }
}

#[tokio::test]
async fn a_completion_that_is_refused_for_good_leaves_nothing() {
    for fault in [
        Fault::Answer(503, "ServiceUnavailable"),
        Fault::Answer(403, "AccessDenied"),
        Fault::Answer(400, "InvalidPart"),
        // Nothing of it is there: it is the store that lost it.
        Fault::Answer(404, "NoSuchUpload"),
    ] {
        let it = behind().await;
        it.proxy.inject(Rule::new(Operation::CompleteUpload, fault.clone()));
        let (stored, upload, _) = it.completed().await;
        let error = stored.unwrap_err();
        assert_ne!(error.situation(), Situation::NotFound, "{fault:?}: {error}");
        upload.abort().await.unwrap();
        it.is_clean();
    }
}

#[tokio::test]
async fn an_abort_removes_what_a_lost_completion_made() {
    let it = behind().await;
    it.proxy.inject(Rule::new(Operation::CompleteUpload, Fault::LoseAnswer).times(1));
    it.proxy.inject(Rule::new(Operation::CompleteUpload, Fault::Answer(400, "InvalidArgument")));
    let (stored, upload, _) = it.completed().await;
    stored.unwrap_err();
    assert!(it.google.object("p/x").is_some(), "it was completed");
    upload.abort().await.unwrap();
    it.is_clean();
}

#[tokio::test]
async fn a_completion_of_somebody_else_is_no_success_and_stays() {
    let it = behind().await;
    let (upload, bytes) = it.sent().await;
    it.google.put("p/x", "somebody else's");
    it.proxy.inject(Rule::new(Operation::CompleteUpload, Fault::Answer(404, "NoSuchUpload")));
    let error = upload.complete(bytes.len() as u64).await.unwrap_err();
    assert_eq!(error.situation(), Situation::Exists, "{error}");
    upload.abort().await.unwrap();
    assert_eq!(it.google.object("p/x").unwrap().bytes, "somebody else's");
}

#[tokio::test]
async fn an_object_that_is_not_what_was_sent_is_deleted() {
    let it = behind().await;
    it.google.damage_next_finish();
    let (stored, ..) = it.completed().await;
    let error = stored.unwrap_err();
    assert_eq!(error.situation(), Situation::Damaged, "{error}");
    assert!(error.to_string().contains("CRC32C:") && error.to_string().contains("it was deleted"), "{error}");
    it.is_clean();
}

#[tokio::test]
async fn an_answer_to_the_completion_tells_damage_if_the_object_may_not_be_read() {
    let it = behind().await;
    it.google.damage_next_finish();
    let (upload, bytes) = it.sent().await;
    it.google.inject("GetObject", Some(PERMISSION_DENIED), usize::MAX);
    let error = upload.complete(bytes.len() as u64).await.unwrap_err();
    assert_eq!(error.situation(), Situation::Damaged, "{error}");
    it.is_clean();
}

#[tokio::test]
async fn a_small_write_whose_answer_is_lost_is_found_out() {
    for fault in
        [Fault::LoseAnswer, Fault::DoneButAnswer(503, "backendError"), Fault::Answer(500, "backendError")]
    {
        let it = behind().await;
        it.proxy.inject(Rule::new(Operation::Put, fault.clone()).times(1));
        it.store.put_new("x", noise(100, 1)).await.unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        assert_eq!(it.proxy.count(Operation::Put), 2, "{fault:?}");
        it.holds(&noise(100, 1));
    }
}

#[tokio::test]
async fn a_small_write_that_is_damaged_on_the_way_is_sent_again() {
    let it = behind().await;
    // In the middle of the bytes, after what is said about them.
    it.proxy.inject(Rule::new(Operation::Put, Fault::FlipRequest(500_000)).times(2));
    it.store.put_new("x", noise(1_000_000, 1)).await.unwrap();
    assert_eq!(it.proxy.count(Operation::Put), 3);
    it.holds(&noise(1_000_000, 1));
}

#[tokio::test]
async fn of_two_writes_to_one_key_one_succeeds() {
    let it = behind().await;
    for round in 0..8 {
        let key = format!("race/{round}");
        let (one, other) =
            tokio::join!(it.store.put_new(&key, noise(99, 1)), it.store.put_new(&key, noise(99, 2)));
        assert_ne!(one.is_ok(), other.is_ok(), "{one:?} {other:?}");
        let winner = if one.is_ok() { 1 } else { 2 };
        assert_eq!(one.and(other).unwrap_err().situation(), Situation::Exists);
        assert!(it.google.object(&format!("p/{key}")).unwrap().bytes == noise(99, winner));
    }
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    for fault in [Fault::Swallow, Fault::Stall(0)] {
        let it = impatient(Duration::from_secs(2)).await;
        it.proxy.inject(Rule::new(Operation::UploadPart, fault.clone()).part(2).times(1));
        it.proxy.inject(Rule::new(Operation::Put, fault.clone()).times(1));
        let (stored, _, bytes) = it.completed().await;
        stored.unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        it.holds(&bytes);
        it.store.put_new("y", noise(9, 1)).await.unwrap_or_else(|e| panic!("{fault:?}: {e}"));
    }
    let it = impatient(Duration::from_secs(2)).await;
    it.google.put("p/x", "0123456789");
    for method in ["GetObject", "ListObjects", "DeleteObject"] {
        it.google.inject(method, None, 1);
    }
    it.proxy.inject(Rule::new(Operation::Get, Fault::Swallow).times(1));
    assert_eq!(it.store.head("x").await.unwrap().bytes, 10);
    assert_eq!(it.store.list("").await.unwrap().len(), 1);
    assert_eq!(try_read(&*it.store, "x", 0..10, None).await.unwrap(), b"0123456789");
    it.store.delete("x").await.unwrap();
    // What never answers is given up.
    it.google.inject("GetObject", None, usize::MAX);
    let error = it.store.head("x").await.unwrap_err();
    assert_eq!(error.situation(), Situation::Unreachable, "{error}");
    assert!(error.to_string().contains("did not answer within 2 s"), "{error}");
}

#[tokio::test]
async fn looks_and_lists_are_repeated_while_google_is_busy() {
    let it = behind().await;
    it.google.put("p/x", "0123456789");
    for method in ["GetObject", "ListObjects", "DeleteObject"] {
        it.google.inject(method, Some(UNAVAILABLE), 2);
    }
    it.proxy.inject(Rule::new(Operation::Get, Fault::Answer(503, "backendError")).times(2));
    it.proxy.inject(Rule::new(Operation::ListUploads, Fault::Answer(503, "ServiceUnavailable")).times(2));
    assert_eq!(it.store.head("x").await.unwrap().bytes, 10);
    assert_eq!(it.store.list("").await.unwrap().len(), 1);
    assert_eq!(try_read(&*it.store, "x", 2..4, None).await.unwrap(), b"23");
    assert!(it.store.unfinished("").await.unwrap().is_empty());
    it.store.delete("x").await.unwrap();
    assert_eq!(it.google.grpc_calls().len(), 9);
    it.is_clean();
}

#[tokio::test]
async fn answers_that_are_nonsense_or_endless_are_errors() {
    let it = behind().await;
    it.proxy.inject(Rule::new(Operation::ListUploads, Fault::Instead(|_| "<unfinished".to_owned())));
    let error = it.store.unfinished("").await.unwrap_err();
    assert!(error.to_string().contains("cannot be understood"), "{error}");
    it.proxy.heal();
    it.proxy.inject(Rule::new(Operation::ListUploads, Fault::Endless));
    let error = it.store.unfinished("").await.unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
    it.proxy.heal();
    it.proxy.inject(Rule::new(Operation::CreateUpload, Fault::Instead(|_| "<A/>".to_owned())));
    let error = it.store.begin("x", &Metadata::new(), PART as u64).await.err().unwrap();
    assert!(error.to_string().contains("without an upload id"), "{error}");
}

#[tokio::test]
async fn a_read_that_breaks_off_says_so() {
    let it = behind().await;
    it.google.put("p/x", noise(200_000, 3));
    it.proxy.inject(Rule::new(Operation::Get, Fault::Cut(1000)).times(1));
    let error = try_read(&*it.store, "x", 0..200_000, None).await.unwrap_err();
    assert_eq!(error.situation(), Situation::Unreachable, "{error}");
    assert!(try_read(&*it.store, "x", 0..200_000, None).await.unwrap() == noise(200_000, 3));
}

/// A redirect would take the token to whoever it names.
#[tokio::test]
async fn a_token_is_not_sent_on() {
    let it = behind().await;
    it.proxy.inject(Rule::new(Operation::CreateUpload, Fault::Answer(307, "TemporaryRedirect")));
    let error = it.store.begin("x", &Metadata::new(), PART as u64).await.err().unwrap();
    assert!(error.to_string().contains("sends the request elsewhere"), "{error}");
    assert_eq!(it.proxy.log().len(), 1);
}
