//! What must not happen on the way back: nothing wrong is called right, no half-restored database and no
//! half a file is left, the exit code says what kind of trouble it was, and the next restore works.

use crate::harness::{Run, Running, pgstow};
use crate::scene::{
    Keys, Place, Sample, add_bulk, fetch, fetch_fails, files_below, fresh, restore_fails, signing_keys,
};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::free_port;
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major};
use crate::servers::s3::S3;
use pgstow::error::Kind;
use pgstow::manifest::Manifest;
use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const DUMP: &str = "dump.zst.age";
const MANIFEST: &str = "manifest.json";

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Rewrites a manifest as somebody would who may write to the store: its digest is right again.
fn forge(place: &Place, change: impl FnOnce(&mut Manifest)) {
    let key = place.key(MANIFEST);
    let mut manifest = Manifest::from_bytes(&place.get(&key)).unwrap();
    change(&mut manifest);
    place.put(&key, manifest.to_bytes().unwrap());
}

/// Puts other bytes in the dump's place, and makes the manifest say that they are the ones.
fn forge_dump(place: &Place, bytes: Vec<u8>) {
    forge(place, |manifest| {
        manifest.objects[0].stored_bytes = bytes.len() as u64;
        manifest.objects[0].stored_sha256 = sha256(&bytes);
    });
    place.put(
        &place.key(&Manifest::from_bytes(&place.get(&place.key(MANIFEST))).unwrap().objects[0].key),
        bytes,
    );
}

/// Numbers without a pattern, the same in every run.
fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    }
}

#[test]
fn the_wrong_key_and_no_key_open_nothing() {
    let sample = Sample::shared();
    let (made_for, other) = (&Keys::shared().recipient, Keys::make());
    let words = ["fetch", "latest", "-o", "-"];
    let wrong = sample.place.pgstow(&words).env("PGSTOW_IDENTITY", &other.identity).fails(Kind::Verify);
    assert!(wrong.stdout.is_empty());
    wrong
        .says("none of the identities opens this backup")
        .says(&format!("it was made for {made_for}"))
        .says(&format!("here is {}", other.recipient))
        .says(&sample.id);
    let none = sample.place.pgstow(&words).fails(Kind::Settings);
    none.says("nothing was given that opens it").says(made_for).says("--identity-file");
    sample
        .place
        .pgstow(&words)
        .args(["--identity-file", "/no/such/key"])
        .fails(Kind::Settings)
        .says("/no/such/key");
    // The public side by mistake.
    sample
        .place
        .pgstow(&words)
        .env("PGSTOW_IDENTITY", made_for)
        .fails(Kind::Settings)
        .says("public recipient");

    let copy = fresh("never");
    let restore = sample.place.pgstow(&["restore", "latest", "--to", &sample.cluster.url(&copy)]);
    restore.env("PGSTOW_IDENTITY", &other.identity).fails(Kind::Verify).says(made_for);
    assert!(!sample.cluster.has_database(&copy));
    sample.still_restores();
}

#[test]
fn a_flipped_bit_is_never_called_right() {
    let sample = Sample::shared();
    let good = fetch(&sample.place, &["latest"]);
    let trust = ["--verify-key", &sample.verify_key];
    let mut random = numbers(0x2026_1121);
    let damaged = sample.place.copy();
    let keys = damaged.keys();
    assert_eq!(keys.len(), 4);
    for round in 0..200 {
        // Most of the tries where most of the kinds of bytes are: header, first and last chunks.
        let key = &keys[[0, 0, 1, 2, 3][round % 5]];
        let before = damaged.get(key);
        let within = if round % 3 == 0 { before.len().min(400) } else { before.len() };
        let at = if round % 7 == 0 { before.len() - 1 - random(within) } else { random(within) };
        let bit = 1 << random(8);
        let mut bytes = before.clone();
        bytes[at] ^= bit;
        damaged.put(key, bytes);
        let try_of = format!("round {round}: {key}, byte {at} of {}, bit {bit:#x}", before.len());
        if key.ends_with(".minisig") {
            // Not all of a signature file is signed: its first line is anybody's.
            let run = damaged.opens(&["fetch", "latest", "-o", "-"]).args(trust).run();
            let refused = run.status.code() == Some(Kind::Verify.exit_code().into());
            let right = run.status.success() && run.stdout == good;
            assert!(refused || right && at < 60, "{try_of}: {run}");
        } else {
            // Who fetches the dump does not need the inventory.
            let run = if key.contains("/inventory.json") {
                damaged.opens(&["verify", "latest"]).fails(Kind::Verify)
            } else {
                fetch_fails(&damaged, &[], Kind::Verify)
            };
            assert!(run.stderr.contains(&sample.id), "{try_of}: {run}");
            if round % 20 == 0 {
                restore_fails(&damaged, sample.cluster, &[], Kind::Verify);
            }
        }
        damaged.put(key, before);
    }
    assert!(fetch(&damaged, &["latest"]) == good);
    sample.still_restores();
}

#[test]
fn an_object_of_another_length_is_refused() {
    let sample = Sample::shared();
    let damaged = sample.place.copy();
    let key = damaged.key(DUMP);
    let good = damaged.get(&key);
    let longer = [&good[..], b"and more"].concat();
    for bytes in [good[..good.len() / 2].to_vec(), good[..good.len() - 1].to_vec(), vec![], longer] {
        // As an accident: the manifest does not agree.
        damaged.put(&key, bytes.clone());
        fetch_fails(&damaged, &[], Kind::Verify).says("bytes in the store instead of");
        restore_fails(&damaged, sample.cluster, &[], Kind::Verify);
        // As malice: it does.
        let forged = sample.place.copy();
        forge_dump(&forged, bytes);
        fetch_fails(&forged, &[], Kind::Verify);
        restore_fails(&forged, sample.cluster, &[], Kind::Verify);
    }
    sample.still_restores();
}

#[test]
fn an_archive_that_ends_early_is_refused_though_every_digest_agrees() {
    let sample = Sample::shared();
    let place = Place::folder();
    place.pgstow(&["backup", "--no-encryption", &sample.cluster.url(&sample.database)]).succeeds();
    let archive = fetch(&place, &["latest"]);
    for keep in [archive.len() - 1, archive.len() / 2, 100_000, 1000, 10, 0] {
        let cut = &archive[..keep];
        let forged = place.copy();
        forge(&forged, |manifest| {
            manifest.objects[0].plain_bytes = keep as u64;
            manifest.objects[0].plain_sha256 = sha256(cut);
        });
        forge_dump(&forged, zstd(cut));
        fetch_fails(&forged, &[], Kind::Verify);
        let run = restore_fails(&forged, sample.cluster, &[], Kind::Verify);
        assert!(run.stderr.contains("archive"), "{keep}: {run}");
    }
    // More than one archive in one is not one either.
    let twice = [&archive[..], &archive[..]].concat();
    let forged = place.copy();
    forge(&forged, |manifest| {
        manifest.objects[0].plain_bytes = twice.len() as u64;
        manifest.objects[0].plain_sha256 = sha256(&twice);
    });
    forge_dump(&forged, zstd(&twice));
    fetch_fails(&forged, &[], Kind::Verify);
    restore_fails(&forged, sample.cluster, &[], Kind::Verify);
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new("zstd").arg("-qc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(bytes).unwrap());
        child.wait_with_output().unwrap().stdout
    })
}

#[test]
fn objects_of_another_backup_are_refused() {
    let cluster = Cluster::shared(Major::Distribution);
    let place = Place::folder();
    let (secret, public) = signing_keys();
    for name in ["one", "two"] {
        let database = cluster.create_database(name);
        cluster.psql(&database, &format!("CREATE TABLE {name} (n int); INSERT INTO {name} VALUES (1)"));
        let backup = place.pgstow(&["backup", "--name", name, "--recipient", &Keys::shared().recipient]);
        backup.args([cluster.url(&database)]).env("PGSTOW_SIGNING_KEY", &secret).succeeds();
    }
    let swap = |end: &str| {
        let swapped = place.copy();
        let keys: Vec<String> = place.keys().into_iter().filter(|key| key.ends_with(end)).collect();
        assert_eq!(keys.len(), 2);
        swapped.put(&keys[0], place.get(&keys[1]));
        swapped.put(&keys[1], place.get(&keys[0]));
        swapped
    };
    let refused = |swapped: &Place, words: &[&str]| {
        let words = [&["--name", "one"], words].concat();
        restore_fails(swapped, cluster, &words, Kind::Verify);
        fetch_fails(swapped, &words, Kind::Verify)
    };
    refused(&swap(DUMP), &[]);
    refused(&swap(MANIFEST), &[]).says("the manifest is that of another backup");
    refused(&swap("manifest.json.minisig"), &["--verify-key", &public]).says("signature");

    // Manifest and dump moved together: only the id and name tell.
    let both = swap(DUMP);
    let manifests = swap(MANIFEST);
    for key in manifests.keys().iter().filter(|key| key.ends_with(MANIFEST)) {
        both.put(key, manifests.get(key));
    }
    refused(&both, &[]).says("the manifest is that of another backup");
    let listed = both.pgstow(&["list", "--json"]).fails(Kind::Verify);
    assert_eq!(listed.json(), serde_json::json!([]));

    // Signed by a stranger, or by nobody.
    let (_, stranger) = signing_keys();
    refused(&place.copy(), &["--verify-key", &stranger]).says("signature does not hold");
    let unsigned = place.copy();
    for key in place.keys().iter().filter(|key| key.ends_with(".minisig")) {
        unsigned.delete(key);
    }
    refused(&unsigned, &["--verify-key", &public]).says("is not signed");
    // A forged manifest has the right digest, and no signature.
    let forged = place.copy();
    forged.delete(
        &place.keys().into_iter().find(|key| key.starts_with("two/") && key.ends_with(MANIFEST)).unwrap(),
    );
    forge(&forged, |manifest| manifest.labels.insert("by".into(), "me".into()).map_or((), drop));
    refused(&forged, &["--verify-key", &public]).says("signature does not hold");
    fetch(&forged, &["latest", "--name", "one"]);
    fetch(&place, &["latest", "--name", "one", "--verify-key", &public]);
}

#[test]
fn a_format_from_the_future_is_not_guessed_at() {
    let sample = Sample::shared();
    let later = sample.place.copy();
    forge(&later, |manifest| manifest.format = 2);
    let says = |run: Run| run.says("of format 2; this pgstow reads format 1").says("a newer one");
    says(fetch_fails(&later, &[], Kind::Verify));
    says(restore_fails(&later, sample.cluster, &[], Kind::Verify));
    says(later.pgstow(&["show", "latest"]).fails(Kind::Verify));
    says(later.pgstow(&["list"]).fails(Kind::Verify));
}

#[test]
fn what_is_missing_is_said() {
    let sample = Sample::shared();
    // Without its dump it is damaged; without its manifest it is no backup.
    let no_dump = sample.place.copy();
    no_dump.delete(&no_dump.key(DUMP));
    fetch_fails(&no_dump, &[], Kind::Verify).says("is missing, though its manifest is there");
    restore_fails(&no_dump, sample.cluster, &[], Kind::Verify).says("is missing");

    let no_manifest = sample.place.copy();
    no_manifest.delete(&no_manifest.key(MANIFEST));
    assert_eq!(no_manifest.pgstow(&["list", "--json"]).succeeds().json(), serde_json::json!([]));
    for id in ["latest", &sample.id] {
        no_manifest.opens(&["fetch", id, "-o", "-"]).fails(Kind::NotFound);
        no_manifest.pgstow(&["show", id]).fails(Kind::NotFound);
    }
    let empty = Place::folder();
    empty.opens(&["fetch", "latest", "-o", "-"]).fails(Kind::NotFound).says("holds no backup");
    empty.pgstow(&["list"]).succeeds().says("no backups yet");
    let sample = &sample.place;
    sample.opens(&["fetch", "20010101T000000Z-abcdef", "-o", "-"]).fails(Kind::NotFound).says("pgstow list");
    sample.opens(&["fetch", "latest", "-n", "nobody", "-o", "-"]).fails(Kind::NotFound).says("of nobody");
    restore_fails(sample, Cluster::shared(Major::Distribution), &["--name", "nobody"], Kind::NotFound);
}

#[test]
fn nothing_is_overwritten() {
    let sample = Sample::shared();
    let cluster = sample.cluster;
    let target = cluster.create_database("taken");
    cluster.psql(&target, "CREATE TABLE mine (n int); INSERT INTO mine VALUES (7)");
    sample
        .place
        .opens(&["restore", "latest", "--to", &cluster.url(&target)])
        .fails(Kind::TargetExists)
        .says("is not empty: table mine");
    assert_eq!(cluster.psql(&target, "SELECT n FROM mine"), "7");
    // A large object, and nothing else, is content too.
    let target = cluster.create_database("taken");
    cluster.psql(&target, "SELECT lo_create(99)");
    let restore = sample.place.opens(&["restore", "latest", "--to", &cluster.url(&target)]);
    restore.fails(Kind::TargetExists).says("large object 99");

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("app.dump");
    let words = ["fetch", "latest", "-o", file.to_str().unwrap()];
    std::fs::write(&file, "mine").unwrap();
    sample.place.opens(&words).fails(Kind::TargetExists).says("--force replaces it");
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    // A forced fetch that fails leaves the old one.
    let damaged = sample.place.copy();
    let mut bytes = damaged.get(&damaged.key(DUMP));
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    damaged.put(&damaged.key(DUMP), bytes);
    damaged.opens(&words).args(["--force"]).fails(Kind::Verify);
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    assert_eq!(files_below(folder.path()), ["app.dump"]);
    sample.place.opens(&words).args(["--force"]).succeeds();
    assert!(std::fs::read(&file).unwrap() == fetch(&sample.place, &["latest"]));
    assert_eq!(files_below(folder.path()), ["app.dump"]);

    sample
        .place
        .opens(&["fetch", "latest", "-o", folder.path().to_str().unwrap()])
        .fails(Kind::Usage)
        .says("folder");
    sample.place.opens(&["fetch", "latest", "-o", "/no/such/folder/x"]).fails(Kind::LocalFile);
}

#[test]
fn a_role_that_is_missing_is_no_obstacle_with_no_owner() {
    let (source, target) = (Cluster::shared(Major::Distribution), Cluster::shared(Major::V16));
    let role = fresh("owner");
    source.psql("postgres", &format!("CREATE ROLE {role}"));
    let database = source.create_database("owned");
    source.psql(
        &database,
        &format!("CREATE TABLE t (n int); ALTER TABLE t OWNER TO {role}; GRANT SELECT ON t TO {role}"),
    );
    let place = Place::folder();
    place.backup(&source.url(&database), &[]);
    restore_fails(&place, target, &[], Kind::Postgres)
        .says(&format!("role \"{role}\" does not exist"))
        .says("--no-owner");
    let copy = fresh("owned");
    let restore = place.opens(&["restore", "latest", "--to", &target.url(&copy), "--no-owner", "--no-acl"]);
    restore.succeeds();
    assert_eq!(target.psql(&copy, "SELECT tableowner FROM pg_tables WHERE tablename = 't'"), "postgres");
}

/// A backup whose restore stands still in the middle of a COPY, for as long as a restore that calls itself
/// pgstow takes it; under another name it goes through.
struct Stuck {
    cluster: &'static Cluster,
    place: Place,
}

impl Stuck {
    fn shared() -> &'static Stuck {
        static SHARED: OnceLock<Stuck> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Cluster::shared(Major::Distribution);
            let database = cluster.create_database("stuck");
            let hold = "CREATE FUNCTION hold(n int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
                 IF n = 500 AND current_setting('application_name') = 'pgstow' THEN PERFORM pg_sleep(300); END IF;
                 RETURN true; END $$;
                 CREATE TABLE first (n int); INSERT INTO first SELECT generate_series(1, 1000);
                 CREATE TABLE slow (n int CHECK (public.hold(n)), more text);
                 INSERT INTO slow SELECT n, repeat(md5(n::text), 100) FROM generate_series(1, 2000) n;";
            cluster.psql(&database, hold);
            let place = Place::Folder(TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
            place.backup(&cluster.url(&database), &[]);
            Stuck { cluster, place }
        })
    }

    /// Starts a restore, and waits until it is in the middle.
    fn restore(&self, copy: &str, words: &[&str]) -> Running {
        let restore = self.place.opens(&["restore", "latest", "--to", &self.cluster.url(copy)]).args(words);
        let running = restore.spawn();
        let asleep =
            format!("SELECT 1 FROM pg_stat_activity WHERE datname = '{copy}' AND wait_event = 'PgSleep'");
        until(|| !self.cluster.psql("postgres", &asleep).is_empty());
        running
    }

    /// The good ending, for all to see that the backup was not at fault.
    fn goes_through(&self, copy: &str) {
        let restore = self.place.opens(&["restore", "latest", "--to", &self.cluster.url(copy)]);
        restore.env("PGAPPNAME", "other").succeeds();
        assert_eq!(self.cluster.psql(copy, "SELECT count(*) FROM slow"), "2000");
        self.cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
    }

    /// Nothing of the restore is left on the server.
    #[track_caller]
    fn is_gone(&self, copy: &str) {
        assert!(!self.cluster.has_database(copy), "{copy} is left");
        let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{copy}'");
        assert_eq!(self.cluster.psql("postgres", &sessions), "0");
    }
}

#[track_caller]
fn until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes that this one has started, by the program's name.
fn children(parent: u32, program: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let stat = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        Some((name.to_owned(), rest.split_whitespace().nth(1)?.parse::<u32>().ok()?))
    };
    pids.filter(|pid| stat(pid) == Some((program.to_owned(), parent))).collect()
}

#[test]
fn pg_restore_killed_midway_leaves_nothing() {
    let stuck = Stuck::shared();
    let copy = fresh("killed");
    let running = stuck.restore(&copy, &[]);
    let pg_restore = children(running.pid(), "pg_restore");
    assert_eq!(pg_restore.len(), 1);
    kill_process(Pid::from_raw(pg_restore[0].cast_signed()).unwrap(), Signal::KILL).unwrap();
    running.wait().assert_failure(Kind::Postgres).says("pg_restore was killed by signal 9").says("memory");
    stuck.is_gone(&copy);
    stuck.goes_through(&copy);
}

#[test]
fn a_session_ended_midway_leaves_nothing() {
    let stuck = Stuck::shared();
    let copy = fresh("ended");
    let running = stuck.restore(&copy, &[]);
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{copy}'");
    stuck.cluster.psql("postgres", &end);
    // In the middle of a COPY libpq does not always pass the server's reason on.
    let run = running.wait().assert_failure(Kind::Postgres);
    let hints = ["somebody ended the session", "its log says why"];
    assert!(hints.iter().any(|hint| run.stderr.contains(hint)), "{run}");
    stuck.is_gone(&copy);
    stuck.goes_through(&copy);
}

#[test]
fn signals_end_a_restore_in_order() {
    let stuck = Stuck::shared();
    for (signal, kind) in [(Signal::TERM, Kind::Terminated), (Signal::INT, Kind::Interrupted)] {
        let copy = fresh("signal");
        let running = stuck.restore(&copy, &[]);
        let pid = running.pid();
        running.signal(signal);
        running.wait().assert_failure(kind);
        stuck.is_gone(&copy);
        assert!(children(pid, "pg_restore").is_empty());
    }
}

#[test]
fn a_database_in_the_making_is_not_left() {
    // One's own, since nobody can create a database here for a while.
    let cluster = Cluster::start(Major::Distribution);
    let hold = "BEGIN; LOCK TABLE pg_database IN SHARE ROW EXCLUSIVE MODE; SELECT pg_sleep(300)";
    let mut holder =
        cluster.client("psql").args(["-Xqd", "postgres", "-c", hold]).stderr(Stdio::null()).spawn().unwrap();
    let seen = |what: &str| {
        !cluster.psql("postgres", &format!("SELECT 1 FROM pg_stat_activity WHERE {what}")).is_empty()
    };
    until(|| seen("wait_event = 'PgSleep'"));

    let copy = fresh("making");
    let running = Sample::shared().place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).spawn();
    until(|| seen("wait_event_type = 'Lock' AND query LIKE '%CREATE DATABASE%'"));
    running.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    cluster.psql(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
    );
    holder.wait().unwrap();
    running.wait().assert_failure(Kind::Terminated);
    assert!(!seen("query LIKE '%CREATE DATABASE%' AND pid <> pg_backend_pid()"));
    assert!(!cluster.has_database(&copy));
}

#[test]
fn an_empty_database_is_empty_again_and_a_failed_one_is_kept_on_demand() {
    let stuck = Stuck::shared();
    let cluster = stuck.cluster;
    let waiting = cluster.create_database("waiting");
    let running = stuck.restore(&waiting, &[]);
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated);
    // It was not ours to drop.
    assert!(cluster.has_database(&waiting));
    let sessions = format!("SELECT 1 FROM pg_stat_activity WHERE datname = '{waiting}'");
    until(|| cluster.psql("postgres", &sessions).is_empty());
    assert_eq!(cluster.psql(&waiting, "SELECT count(*) FROM pg_class WHERE relname = 'first'"), "0");
    stuck.goes_through(&waiting);

    let kept = fresh("kept");
    let running = stuck.restore(&kept, &["--keep-failed"]);
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated).says(&format!("{kept} is kept"));
    assert!(cluster.has_database(&kept));
}

#[test]
fn a_reader_that_stops_reading_is_said() {
    let sample = Sample::shared();
    let script = |tail: &str| {
        let line = format!("{} fetch latest -o - {tail}", env!("CARGO_BIN_EXE_pgstow"));
        let output = Command::new("bash")
            .args(["-c", &line])
            .env("PGSTOW_STORE", sample.place.url())
            .env("PGSTOW_IDENTITY", &Keys::shared().identity)
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let code = i32::from(Kind::LocalFile.exit_code());
    let (ended, said) = script("| head -c 1000 >/dev/null; exit ${PIPESTATUS[0]}");
    assert_eq!(ended, code, "{said}");
    assert!(said.contains("stopped reading before the end"), "{said}");
    let (ended, said) = script("> /dev/full");
    assert_eq!(ended, code, "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    assert!(!said.contains("stopped reading"), "{said}");
}

#[test]
fn a_full_disk_is_seen_before_and_during() {
    let sample = Sample::shared();
    let fetch = |words: &str| {
        let line = format!(
            "mount -t tmpfs -o size=1m none /mnt || exit 99
             {} fetch latest -o /mnt/app.dump {words}; code=$?; ls -A /mnt; exit $code",
            env!("CARGO_BIN_EXE_pgstow")
        );
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "bash", "-c", &line])
            .env("PGSTOW_STORE", sample.place.url())
            .env("PGSTOW_IDENTITY", &Keys::shared().identity)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (ended, left, said) = fetch("");
    if ended == 99 || said.contains("unshare") {
        crate::skip!("no file system may be mounted here: {said}");
    }
    let code = i32::from(Kind::LocalFile.exit_code());
    assert_eq!((ended, left.as_str()), (code, ""), "{said}");
    assert!(said.contains("MiB free") && said.contains("--no-space-check"), "{said}");
    let (ended, left, said) = fetch("--no-space-check");
    assert_eq!((ended, left.as_str()), (code, ""), "{said}");
    assert!(said.contains("No space left on device") && said.contains("app.dump"), "{said}");
}

/// A backup of three ranges in a bucket, and what it is when it is right.
struct Large {
    place: S3,
    sha256: String,
}

impl Large {
    fn shared() -> &'static Large {
        static SHARED: OnceLock<Large> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Cluster::shared(Major::Distribution);
            let database = cluster.create_database("ranges");
            add_bulk(cluster, &database, 17 << 10);
            let s3 = Garage::shared().place("ranges");
            let place = Place::S3(s3.clone());
            place.backup(&cluster.url(&database), &["--compression-level", "1"]);
            Large { sha256: sha256(&fetch(&place, &["latest"])), place: s3 }
        })
    }

    /// The same place behind a proxy.
    fn behind(&self) -> (FaultProxy, Place) {
        let proxy = FaultProxy::start(&self.place.endpoint);
        let place = Place::S3(self.place.through(&proxy.endpoint()));
        (proxy, place)
    }
}

fn rule(fault: Fault) -> Rule {
    Rule::new(Operation::Get, fault).key_end(DUMP)
}

#[test]
fn reads_that_break_go_on_where_they_broke() {
    let large = Large::shared();
    let (proxy, place) = large.behind();
    proxy.inject(rule(Fault::Cut(100_000)).times(1));
    proxy.inject(rule(Fault::Stall(3_000_000)).times(1));
    proxy.inject(rule(Fault::Cut(0)).times(1));
    proxy.inject(rule(Fault::Answer(503, "SlowDown")).times(2));
    let run = place.opens(&["fetch", "latest", "-o", "-", "--timeout", "2s"]).succeeds();
    assert_eq!(sha256(&run.stdout), large.sha256);
    assert!(run.stderr.contains("resumed at byte"), "{}", run.stderr);
    // What had come was not asked for again.
    let ranges: Vec<String> = proxy
        .log()
        .iter()
        .filter(|request| request.operation == Operation::Get && request.path.ends_with(DUMP))
        .filter_map(|request| Some(request.header("range")?.to_owned()))
        .collect();
    assert!(ranges.len() >= 7, "{ranges:?}");
    let begins = |range: &String| range["bytes=".len()..].split('-').next().unwrap().parse::<u64>().unwrap();
    assert!(ranges.iter().any(|range| begins(range) % (8 << 20) == 100_000), "{ranges:?}");

    // The manifest and the listing are read again too.
    let (proxy, place) = large.behind();
    proxy.inject(Rule::new(Operation::List, Fault::Answer(500, "InternalError")).times(1));
    proxy.inject(Rule::new(Operation::Head, Fault::Answer(503, "SlowDown")).times(1));
    proxy.inject(Rule::new(Operation::Get, Fault::Cut(10)).key_end(MANIFEST).times(1));
    let run = place.opens(&["fetch", "latest", "-o", "-"]).succeeds();
    assert_eq!(sha256(&run.stdout), large.sha256);
}

#[test]
fn an_object_replaced_while_it_is_read_is_noticed() {
    let sample = Sample::shared();
    let other = Garage::shared().place("replaced");
    let mine = Place::S3(other.clone());
    for key in sample.place.keys() {
        mine.put(&key, sample.place.get(&key));
    }
    let (key, mut bytes) = (mine.key(DUMP), sample.place.get(&sample.place.key(DUMP)));
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let proxy = FaultProxy::start(&other.endpoint);
    proxy.inject(rule(Fault::Stall(50_000)).times(1));
    let behind = Place::S3(other.through(&proxy.endpoint()));
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("app.dump");
    let running = behind.opens(&["fetch", "latest", "--timeout", "3s", "-o", file.to_str().unwrap()]).spawn();
    // The manifest, and the dump's one range.
    proxy.wait_for(Operation::Get, 2);
    mine.put(&key, bytes);
    running.wait().assert_failure(Kind::Verify).says("replaced");
    assert!(files_below(folder.path()).is_empty());
}

#[test]
fn a_bit_flipped_on_the_way_is_noticed() {
    let large = Large::shared();
    let (proxy, place) = large.behind();
    proxy.inject(rule(Fault::Flip(5_000_000)).times(1));
    fetch_fails(&place, &[], Kind::Verify);
    fetch_fails(&place, &["--name", "nobody"], Kind::NotFound);
    assert_eq!(sha256(&fetch(&place, &["latest"])), large.sha256);
}

#[test]
fn signals_end_a_fetch_in_order() {
    let large = Large::shared();
    for (signal, kind) in [(Signal::TERM, Kind::Terminated), (Signal::INT, Kind::Interrupted)] {
        let (proxy, place) = large.behind();
        proxy.inject(rule(Fault::Stall(50_000)));
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("app.dump");
        let running = place.opens(&["fetch", "latest", "-o", file.to_str().unwrap()]).spawn();
        until(|| files_below(folder.path()).len() == 1);
        proxy.wait_for(Operation::Get, 2);
        let begun = Instant::now();
        running.signal(signal);
        running.wait().assert_failure(kind);
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(files_below(folder.path()).is_empty());
    }
}

#[test]
fn a_store_that_is_not_there_or_refuses_is_said() {
    let words = ["fetch", "latest", "-o", "-"];
    let with_url = |url: &str| {
        let command = pgstow(words).env("PGSTOW_STORE", url).env("PGSTOW_IDENTITY", &Keys::shared().identity);
        command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "sesame-secret-key")
    };
    let nobody = format!("s3://b/p?endpoint=http://127.0.0.1:{}&region=x", free_port());
    let garage = Garage::shared().place("refuses");
    let mut wrong_bucket = garage.clone();
    wrong_bucket.bucket = "nowhere".into();
    std::thread::scope(|scope| {
        scope.spawn(|| with_url(&nobody).fails(Kind::Store).says("refuses connections"));
        scope.spawn(|| with_url("file:///no/such/folder").fails(Kind::Store).says("/no/such/folder"));
        scope.spawn(|| {
            let refused = with_url(&garage.url()).fails(Kind::Store);
            assert!(!refused.stderr.contains("sesame"), "{refused}");
        });
        scope.spawn(|| {
            let run = Place::S3(wrong_bucket.clone()).opens(&words).fails(Kind::Store);
            assert!(run.stderr.contains("nowhere"), "{run}");
        });
        scope.spawn(|| {
            let writer = Garage::shared().write_only(&garage);
            Place::S3(writer).opens(&words).fails(Kind::Store);
        });
    });
    with_url("ftp://x/y").fails(Kind::Usage);
}

#[test]
fn a_server_that_is_not_there_or_refuses_is_said() {
    let sample = Sample::shared();
    let cluster = sample.cluster;
    let restore = |to: &str| sample.place.opens(&["restore", "latest", "--to", to]);
    let nobody = format!("postgres://postgres@127.0.0.1:{}/x", free_port());
    restore(&nobody).fails(Kind::Postgres).says("Connection refused").says("nothing listens there");
    let wrong = cluster.url("x").replace("sesame", "barley");
    let refused = restore(&wrong).fails(Kind::Postgres).says("password authentication failed");
    assert!(!refused.stderr.contains("barley"), "{refused}");

    // A role that may not create databases, and one that may not create schemas.
    let role = fresh("guest");
    cluster.psql("postgres", &format!("CREATE ROLE {role} LOGIN PASSWORD 'guest-word'"));
    let to = format!("postgres://{role}:guest-word@127.0.0.1:{}/{}", cluster.port, fresh("guest"));
    restore(&to).fails(Kind::Postgres).says("permission denied to create database").says("CREATEDB");
    sample.still_restores();
}
