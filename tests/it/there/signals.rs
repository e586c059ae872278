//! Somebody ends pgstow: it tidies up where it can, and what it cannot tidy up is no backup.

use super::scene::{Between, Place, Source, aftermath, backup, backup_of, is_whole, next_is_whole};
use crate::harness::{Run, Running, eventually};
use crate::scene::files_below;
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::s3::wait;
use pgstow::error::Kind;
use rustix::process::Signal;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long an orderly end may take; orchestrators wait ten seconds and more.
const PROMPT: Duration = Duration::from_secs(8);

/// A bucket behind a proxy, and the same without one.
fn behind(label: &str) -> (FaultProxy, Place, Place) {
    let place = Garage::shared().place(label);
    let proxy = FaultProxy::start(&place.endpoint);
    let through = Place::Bucket(place.through(&proxy.endpoint()));
    (proxy, Place::Bucket(place), through)
}

/// Sends the signal and expects the orderly end it asks for.
#[track_caller]
fn ended(running: Running, signal: Signal) -> Run {
    let kind = if signal == Signal::INT { Kind::Interrupted } else { Kind::Terminated };
    let since = Instant::now();
    running.signal(signal);
    let run = running.wait().assert_failure(kind);
    assert!(since.elapsed() < PROMPT, "it took {:?}: {run}", since.elapsed());
    run.says(kind.meaning())
}

#[test]
fn sigterm_ends_an_upload_to_a_bucket() {
    mid_upload_to_a_bucket(Signal::TERM);
}

#[test]
fn sigint_ends_an_upload_to_a_bucket() {
    mid_upload_to_a_bucket(Signal::INT);
}

fn mid_upload_to_a_bucket(signal: Signal) {
    let source = Source::new();
    let (proxy, direct, through) = behind("signal");
    let gate = Between::gate(source.cluster, source.share(80));
    let running = backup(&source, &through).args(gate.words()).spawn();
    gate.is_reached();
    proxy.wait_for(Operation::UploadPart, 1);
    ended(running, signal);
    source.is_left_alone();
    aftermath(&source, &direct);
}

#[test]
fn sigterm_ends_an_upload_to_a_folder() {
    let source = Source::new();
    let place = Place::folder();
    let gate = Between::gate(source.cluster, source.share(80));
    let running = backup(&source, &place).args(gate.words()).spawn();
    gate.is_reached();
    eventually("something lies in the folder", || !place.unfinished().is_empty());
    assert!(place.keys().is_empty());
    ended(running, Signal::TERM);
    source.is_left_alone();
    aftermath(&source, &place);
}

/// The parts on their way are stopped before the upload is aborted: one that came later would stay.
#[test]
fn sigterm_does_not_wait_for_parts_that_stand_still() {
    let source = Source::new();
    let (proxy, direct, through) = behind("signal-stalled");
    proxy.inject(Rule::new(Operation::UploadPart, Fault::Swallow));
    let running = backup(&source, &through).spawn();
    proxy.wait_for(Operation::UploadPart, 2);
    ended(running, Signal::TERM);
    source.is_left_alone();
    aftermath(&source, &direct);
}

/// The store begins an upload although nobody waits for its answer any more.
#[test]
fn sigterm_while_the_upload_begins_leaves_no_upload() {
    let source = Source::shared();
    let (proxy, direct, through) = behind("signal-begin");
    proxy.inject(Rule::new(Operation::CreateUpload, Fault::Delay(Duration::from_secs(1))));
    let running = backup(source, &through).spawn();
    proxy.wait_for(Operation::CreateUpload, 1);
    ended(running, Signal::TERM);
    std::thread::sleep(Duration::from_millis(1500));
    aftermath(source, &direct);
}

#[test]
fn sigterm_does_not_wait_for_a_store_that_is_silent() {
    let source = Source::shared();
    let (proxy, direct, through) = behind("signal-silent");
    proxy.inject(Rule::new(Operation::CreateUpload, Fault::Swallow));
    let running = backup(source, &through).spawn();
    proxy.wait_for(Operation::CreateUpload, 1);
    ended(running, Signal::TERM);
    aftermath(source, &direct);
}

#[test]
fn sigterm_does_not_wait_for_a_server_that_is_silent() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u@{}/app", server.local_addr().unwrap());
    let place = Place::folder();
    let running = backup_of(&url, &place).spawn();
    let _connection = server.accept().unwrap();
    ended(running, Signal::TERM);
    assert!(!place.path().exists());
}

#[test]
fn sigterm_after_the_completion_was_carried_out_takes_the_dump_back() {
    let source = Source::shared();
    let (proxy, direct, through) = behind("signal-complete");
    proxy.inject(Rule::new(Operation::CompleteUpload, Fault::Stall(0)));
    let running = backup(source, &through).spawn();
    eventually("the dump is there", || !direct.keys().is_empty());
    ended(running, Signal::TERM);
    aftermath(source, &direct);
}

#[test]
fn sigterm_while_what_lies_next_to_the_dump_is_written_takes_it_back() {
    let source = Source::shared();
    let (proxy, direct, through) = behind("signal-beside");
    proxy.inject(Rule::new(Operation::Put, Fault::Swallow).key_end("/inventory.json.zst.age"));
    let running = backup(source, &through).spawn();
    proxy.wait_for(Operation::Put, 2);
    assert_eq!(direct.keys().len(), 1, "the roles are there");
    ended(running, Signal::TERM);
    aftermath(source, &direct);
}

/// From the last acts on, the exit code and the store agree: it is a backup, and said to be one.
#[test]
fn sigterm_while_the_manifest_is_written_comes_too_late() {
    let source = Source::shared();
    let (proxy, direct, through) = behind("signal-manifest");
    proxy.inject(Rule::new(Operation::Put, Fault::Delay(Duration::from_secs(1))).key_end("/manifest.json"));
    let running = backup(source, &through).spawn();
    // After those of what lies next to the dump.
    proxy.wait_for(Operation::Put, 3);
    running.signal(Signal::TERM);
    let id = running.wait().assert_success().text().trim().to_owned();
    assert_eq!(direct.listed(), [id.as_str()]);
    is_whole(source, &direct, &id);
}

#[test]
fn a_second_signal_ends_at_once() {
    let source = Source::shared();
    let (proxy, direct, through) = behind("signal-twice");
    proxy.inject(Rule::new(Operation::UploadPart, Fault::Swallow));
    proxy.inject(Rule::new(Operation::AbortUpload, Fault::Swallow));
    let running = backup(source, &through).spawn();
    proxy.wait_for(Operation::UploadPart, 1);
    running.signal(Signal::TERM);
    proxy.wait_for(Operation::AbortUpload, 1);
    std::thread::sleep(Duration::from_millis(1200));
    let since = Instant::now();
    running.signal(Signal::INT);
    running.wait().assert_failure(Kind::Interrupted);
    assert!(since.elapsed() < Duration::from_secs(2), "it took {:?}", since.elapsed());
    assert!(direct.listed().is_empty() && direct.keys().is_empty());
    next_is_whole(source, &direct);
}

/// It signals the process, and then the group in which the process is, so that the signal comes twice.
#[test]
fn timeout_lets_a_run_end_in_order() {
    let source = Source::shared();
    let (proxy, direct, through) = behind("signal-timeout");
    proxy.inject(Rule::new(Operation::UploadPart, Fault::Swallow));
    proxy.inject(Rule::new(Operation::AbortUpload, Fault::Delay(Duration::from_millis(500))));
    let running = backup(source, &through).under(["timeout", "8"]).spawn();
    proxy.wait_for(Operation::UploadPart, 1);
    proxy.wait_for(Operation::AbortUpload, 1);
    // The same, but later than some runs need to see the first one.
    running.signal(Signal::TERM);
    let run = running.wait().says(Kind::Terminated.meaning());
    assert_eq!(run.status.code(), Some(124), "{run}");
    aftermath(source, &direct);
}

#[test]
fn sigkill_at_any_moment_of_a_backup_to_a_folder() {
    killed_at_any_moment(&Place::folder());
}

#[test]
fn sigkill_at_any_moment_of_a_backup_to_a_bucket() {
    killed_at_any_moment(&Place::bucket("sigkill"));
}

#[test]
fn what_a_killed_run_left_in_a_folder_is_told_and_removed_when_it_is_old() {
    let (source, place) = (Source::new(), Place::folder());
    let gate = Between::gate(source.cluster, source.share(80));
    let running = backup(&source, &place).args(gate.words()).spawn();
    gate.is_reached();
    eventually("something lies in the folder", || !place.unfinished().is_empty());
    running.signal(Signal::KILL);
    running.wait();
    gate.go();
    source.is_left_alone();
    let left = place.unfinished();
    assert_eq!(left.len(), 1);
    backup(&source, &place).succeeds().says("was left by a run that was killed").says("24 hours old");
    assert_eq!(place.unfinished(), left);
    let hidden = files_below(&place.path()).into_iter().find(|file| file.contains("/.pgstow-")).unwrap();
    let touch = Command::new("touch").args(["-d", "25 hours ago"]).arg(place.path().join(&hidden)).status();
    assert!(touch.unwrap().success());
    backup(&source, &place).succeeds().says("was left by a run that was killed; it was removed");
    assert_eq!(place.unfinished(), Vec::<String>::new());
    backup(&source, &place).succeeds();
}

/// Sixteen moments, spread evenly over the time a backup takes, and a little beyond.
fn killed_at_any_moment(place: &Place) {
    const RUNS: u32 = 16;
    let source = Source::new();
    let since = Instant::now();
    let first = backup(&source, place).succeeds().text().trim().to_owned();
    let whole = since.elapsed();
    let mut known = vec![first];
    for run in 0..RUNS {
        let run = backup(&source, place).spawn().kill_after(whole * (2 * run + 1) / (2 * RUNS) * 11 / 10);
        let listed = place.listed();
        let new: Vec<_> = listed.iter().filter(|id| !known.contains(id)).cloned().collect();
        assert!(new.len() <= 1, "{new:?}");
        if run.status.signal().is_none() {
            assert_eq!(run.assert_success().text().trim(), new[0]);
        }
        new.iter().for_each(|id| is_whole(&source, place, id));
        known.extend(new);
        assert_eq!(listed, known);
    }
    source.is_left_alone();
    // What is left is known for what it is: dumps without a manifest, and uploads that can be aborted.
    for key in place.keys() {
        let [_name, id, file] = key.split('/').collect::<Vec<_>>()[..] else { panic!("{key}") };
        let is_backup = known.iter().any(|known| known == id);
        let before_the_manifest = ["dump.zst.age", "globals.sql.zst.age", "inventory.json.zst.age"];
        assert!(is_backup || before_the_manifest.contains(&file), "{key} is left");
    }
    let store = place.open();
    wait(async {
        for upload in store.unfinished("").await.unwrap() {
            store.abort_unfinished(&upload).await.unwrap();
        }
    });
    assert_eq!(place.unfinished(), Vec::<String>::new());
    next_is_whole(&source, place);
}
