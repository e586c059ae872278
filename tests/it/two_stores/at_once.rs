//! `backup` into several stores at once: the same bytes everywhere, and what happens if a store fails.

use super::{are_same, places, unfinished, with_all};
use crate::harness::{MIB, Pgstow, Run, eventually};
use crate::scene::{Keys, Place, fresh, motley, signing_keys};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major};
use crate::skip;
use pgstow::error::Kind;
use rustix::process::Signal;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A backup of this number of random bytes into the stores of these words, in small parts.
fn random(places: &[Place], stores: &[&str], bytes: usize) -> Pgstow {
    let bytes = bytes.to_string();
    with_all(places, &["backup", "--json", "--name", "bytes", "--part-size", "5MiB"])
        .args(["--recipient", &Keys::shared().recipient])
        .args(stores)
        .args(["--", "head", "-c", &bytes, "/dev/urandom"])
}

/// A folder, and a bucket that is reached through a proxy that breaks.
struct Behind {
    folder: Place,
    /// Without the proxy.
    bucket: Place,
    proxy: FaultProxy,
    broken: String,
}

impl Behind {
    fn new(label: &str) -> Behind {
        let s3 = Garage::shared().place(label);
        let proxy = FaultProxy::start(&s3.endpoint);
        let broken = s3.through(&proxy.endpoint()).url();
        Behind { folder: Place::folder(), bucket: Place::S3(s3), proxy, broken }
    }

    fn backup(&self, stores: &[&str], bytes: usize) -> Pgstow {
        let Place::S3(s3) = &self.bucket else { unreachable!() };
        random(&[Place::folder()], stores, bytes).envs(s3.env())
    }

    /// Expects that the folder has a whole backup, and the bucket nothing at all.
    #[track_caller]
    fn is_in_the_folder_only(&self, run: &Run) {
        self.folder.opens(&["verify", "latest"]).succeeds();
        assert_eq!(self.bucket.keys(), Vec::<String>::new(), "objects are left: {run}");
        assert_eq!(unfinished(&self.bucket), Vec::<String>::new(), "uploads are left: {run}");
        let stores = &run.json()["stores"];
        let of = |stored: bool| stores.as_array().unwrap().iter().filter(move |row| row["stored"] == stored);
        assert_eq!(
            of(true).map(|row| row["store"].as_str().unwrap()).collect::<Vec<_>>(),
            [self.folder.url()]
        );
        assert_eq!(of(false).map(|row| &row["exit_code"]).collect::<Vec<_>>(), [12]);
    }
}

#[test]
fn one_dump_goes_into_stores_of_every_kind_at_once() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = motley(cluster, "at_once");
    let places = places("at-once");
    let (signing_key, verify_key) = signing_keys();
    let [folder, bucket, google] = &places;
    // Two by the variable, and one by a word of its own.
    let run = with_all(&places, &["backup", "--json", "--name", "app", "--store-optional", &google.url()])
        .args(["--recipient", &Keys::shared().recipient, &cluster.url(&database)])
        .env("PGSTOW_STORE", format!("{} {}", folder.url(), bucket.url()))
        .env("PGSTOW_SIGNING_KEY", signing_key)
        .succeeds();
    let document = run.json();
    let rows: Vec<_> = document["stores"].as_array().unwrap().iter().collect();
    assert_eq!(rows.iter().map(|row| (&row["stored"], &row["optional"])).collect::<Vec<_>>().len(), 3);
    assert!(rows.iter().all(|row| row["stored"] == true), "{run}");
    assert_eq!(rows.iter().filter(|row| row["optional"] == true).count(), 1);
    for place in &places {
        are_same(folder, place, false);
        assert_eq!(place.keys().len(), 5, "{:?}", place.keys());
        let verify = place.opens(&["verify", "latest", "--verify-key", &verify_key]).succeeds();
        verify.says(document["id"].as_str().unwrap());
        place.opens(&["verify", "latest", "--quick"]).succeeds();
        let copy = fresh("at_once");
        place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
        assert_eq!(cluster.text_of(&copy), cluster.text_of(&database));
        cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
    }
}

#[test]
fn a_store_that_fails_midway_does_not_spoil_the_other_and_the_run_fails() {
    let denied = || Fault::Answer(403, "AccessDenied");
    let cases = [
        ("begin", Rule::new(Operation::CreateUpload, denied())),
        ("part", Rule::new(Operation::UploadPart, denied()).part(3)),
        ("complete", Rule::new(Operation::CompleteUpload, denied())),
        ("manifest", Rule::new(Operation::Put, denied()).key_end("manifest.json")),
    ];
    for (at, (what, rule)) in cases.into_iter().enumerate() {
        let behind = Behind::new(&format!("two-{what}"));
        behind.proxy.inject(rule);
        let (whole, broken) = (behind.folder.url(), behind.broken.clone());
        // Neither the first nor the last store is a special one.
        let stores = if at % 2 == 0 {
            ["--store", &whole, "--store", &broken]
        } else {
            ["--store", &broken, "--store", &whole]
        };
        let run = behind.backup(&stores, 22 * MIB).run().assert_failure(Kind::Store);
        let run = run
            .says(&format!("is whole in {whole}, but not in {broken}"))
            .says("failed, and gets no backup")
            .says("pgstow copy");
        behind.is_in_the_folder_only(&run);
    }
}

#[test]
fn an_optional_store_that_fails_is_reported_and_the_run_succeeds() {
    let behind = Behind::new("optional");
    behind.proxy.inject(Rule::new(Operation::UploadPart, Fault::Answer(403, "AccessDenied")).part(2));
    let files = tempfile::tempdir().unwrap();
    let metrics = files.path().join("pgstow.prom");
    let (whole, broken) = (behind.folder.url(), behind.broken.clone());
    let run = behind
        .backup(&["--store", &whole, "--store-optional", &broken], 12 * MIB)
        .env("PGSTOW_METRICS_FILE", &metrics)
        .env("GITHUB_ACTIONS", "true")
        .env("PGSTOW_ACTIONS_DETAILS", "1")
        .env("GITHUB_STEP_SUMMARY", files.path().join("summary.md"))
        .succeeds();
    let run = run.says(&format!("the optional store {broken} failed"));
    behind.is_in_the_folder_only(&run);
    let metrics = std::fs::read_to_string(metrics).unwrap();
    assert!(metrics.contains("pgstow_backup_last_run_success{name=\"bytes\"} 1"), "{metrics}");
    assert!(metrics.contains("pgstow_backup_last_run_stores_failed{name=\"bytes\"} 1"), "{metrics}");
    let summary = std::fs::read_to_string(files.path().join("summary.md")).unwrap();
    assert!(summary.contains("succeeded, but not in"), "{summary}");
}

/// Nothing listens there: the usual attempts end, and the other store has the backup.
#[test]
fn a_dead_store_does_not_hang() {
    let folder = Place::folder();
    let dead = "s3://bucket/prefix?endpoint=http://127.0.0.1:9&region=x";
    let places = [folder];
    let run = random(&places, &["--store", &places[0].url(), "--store-optional", dead], MIB)
        .env("AWS_ACCESS_KEY_ID", "a")
        .env("AWS_SECRET_ACCESS_KEY", "b")
        .succeeds();
    run.says("the optional store s3://bucket/prefix").says("failed, and gets no backup");
    places[0].opens(&["verify", "latest"]).succeeds();
}

/// A disk that stands still, as a network disk does whose server is gone: nothing that asks it comes back.
struct Disk(TempDir);

impl Disk {
    fn mount() -> Option<Disk> {
        let folder = tempfile::tempdir().unwrap();
        let (image, at) = (folder.path().join("image"), folder.path().join("nas"));
        std::fs::File::create(&image).unwrap().set_len(200 << 20).unwrap();
        std::fs::create_dir(&at).unwrap();
        let done = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let is_mounted = done(Command::new("mkfs.ext4").arg("-q").arg(&image))
            && done(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&at));
        is_mounted.then(|| Disk(folder))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("nas")
    }

    fn freeze(&self, word: &str) {
        let _ = Command::new("fsfreeze").arg(word).arg(self.path()).output();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.freeze("-u");
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn a_folder_that_hangs_is_given_up() {
    let Some(disk) = Disk::mount() else {
        skip!("only root may mount a disk of its own, and freeze it");
    };
    let folder = Place::folder();
    let hangs = format!("file://{}/b", disk.path().display());
    let slow = "for i in 1 2 3 4 5 6; do head -c 5300000 /dev/urandom; sleep 1; done";
    let running = folder
        .pgstow(&["backup", "--name", "bytes", "--part-size", "5MiB", "--timeout", "2s", "--retry-for", "4s"])
        .args(["--recipient", &Keys::shared().recipient, "--store-optional", &hangs, "--", "sh", "-c", slow])
        .spawn();
    let hidden = || crate::scene::files_below(&disk.path()).iter().any(|file| file.contains(".pgstow-"));
    eventually("an upload was begun", hidden);
    std::thread::sleep(Duration::from_secs(1));
    disk.freeze("-f");
    // The kernel does not let the process go before its threads have come back, so its end is not waited for.
    let is_stored = || folder.keys().iter().any(|key| key.ends_with("/manifest.json"));
    let begun = Instant::now();
    while !is_stored() && begun.elapsed() < Duration::from_secs(90) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let was_stored = is_stored();
    disk.freeze("-u");
    let run = running.wait();
    assert!(was_stored, "nothing was stored while the disk stood still: {run}");
    let run = run.assert_success().says(&format!("the optional store {hangs} failed")).says("did not answer");
    folder.opens(&["verify", "latest"]).succeeds();
    let left = crate::scene::files_below(&disk.path());
    assert!(!left.iter().any(|file| file.ends_with("/manifest.json")), "{left:?}\n{run}");
}

#[test]
fn when_every_store_fails_there_is_no_backup() {
    let behind = Behind::new("none");
    behind.proxy.inject(Rule::new(Operation::UploadPart, Fault::Answer(403, "AccessDenied")));
    let (one, other) = (behind.broken.clone(), behind.broken.replace("/none-", "/other-"));
    let run = behind.backup(&["--store", &one, "--store", &other], 12 * MIB).fails(Kind::Store);
    run.says("all 2 stores failed");
    assert_eq!(behind.bucket.keys(), Vec::<String>::new());
}

#[test]
fn a_slow_store_slows_the_others_and_memory_does_not_grow() {
    let behind = Behind::new("slow");
    behind.proxy.inject(Rule::new(Operation::UploadPart, Fault::Delay(Duration::from_millis(300))));
    let (fast, slow) = (behind.folder.url(), behind.broken.clone());
    // What is read and cannot be sent would be here, if it were held: more than the difference that is allowed.
    let bytes = 160 * MIB;
    let one = behind.backup(&["--store", &slow], bytes).peak();
    let both = behind.backup(&["--store", &fast, "--store", &slow], bytes).peak();
    assert!(one > 20 * MIB, "{one} was not measured");
    assert!(both < one + 60 * MIB, "{} MiB instead of {} MiB", both / MIB, one / MIB);
}

#[test]
fn a_signal_leaves_nothing_in_any_store() {
    let behind = Behind::new("signal");
    behind.proxy.inject(Rule::new(Operation::UploadPart, Fault::Delay(Duration::from_secs(2))).part(2));
    let (folder, bucket) = (behind.folder.url(), behind.broken.clone());
    let running = behind.backup(&["--store", &folder, "--store", &bucket], 40 * MIB).spawn();
    behind.proxy.wait_for(Operation::UploadPart, 2);
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated);
    for place in [&behind.folder, &behind.bucket] {
        assert_eq!(place.keys(), Vec::<String>::new());
        assert_eq!(unfinished(place), Vec::<String>::new());
    }
}

#[test]
fn the_settings_file_names_several_and_readers_use_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("file://{}/{name}", folder.path().display());
    let settings = folder.path().join("settings.toml");
    let text = format!(
        "store = [{:?}, {:?}]\nprune = true\nkeep_last = 1\nmin_keep = 1\nrecipients = [{:?}]\n",
        url("a"),
        url("b"),
        Keys::shared().recipient
    );
    std::fs::write(&settings, text).unwrap();
    let pgstow = |words: &[&str]| {
        crate::harness::pgstow(words)
            .env("PGSTOW_CONFIG", &settings)
            .env("PATH", crate::scene::every_client())
    };
    let backup = || pgstow(&["backup", "--stdin", "--name", "n"]).stdin("bytes").succeeds();
    let old = backup().text();
    std::thread::sleep(Duration::from_secs(1));
    let new = backup().says("removed 1 backup").text();
    for store in ["a", "b"] {
        let listed = pgstow(&["list", "--json", "--store", &url(store)]).succeeds().json();
        let ids: Vec<&str> =
            listed.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [new.trim()], "{old} was not removed from {store}");
    }
    std::fs::remove_dir_all(folder.path().join("a")).unwrap();
    pgstow(&["list"]).fails(Kind::Store);
    let pruned = pgstow(&["prune", "--dry-run", "--json", "--store", &url("b")]).succeeds().json();
    assert_eq!(pruned["backups"][0]["store"], url("b"));
    let doctor = pgstow(&["doctor", "--json"]).run().json();
    let about_b = format!("{}: ", url("b"));
    assert!(
        doctor.as_array().unwrap().iter().any(|row| row["detail"].as_str().unwrap().starts_with(&about_b))
    );
    pgstow(&["backup", "--stdin", "--name", "n", "--store", &url("a"), "--store", &url("a")])
        .stdin("bytes")
        .fails(Kind::Usage)
        .says("is given twice");
}
