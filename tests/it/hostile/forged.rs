//! Whoever may write to the store, and has no key that signs, puts another dump there instead of a signed one.

use crate::history::scene::Scene;
use crate::scene::{Keys, Place, fresh};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// What a program makes of these bytes.
fn through(program: &str, words: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    let mut child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writing = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success(), "{program}");
    output.stdout
}

/// These bytes, compressed and encrypted so that the object has exactly this size: zstd passes over what is added.
fn of_size(plain: &[u8], size: usize) -> Vec<u8> {
    let compressed = through("zstd", &["-q", "-c"], plain);
    let sealed = |padding: usize| {
        let length = u32::try_from(padding).unwrap().to_le_bytes();
        let frame = [&[0x50, 0x2a, 0x4d, 0x18][..], &length, &vec![0; padding]].concat();
        through("age", &["-r", &Keys::shared().recipient], &[&compressed[..], &frame].concat())
    };
    let mut padding = 0;
    for _ in 0..5 {
        let object = sealed(padding);
        if object.len() == size {
            return object;
        }
        padding = (padding + size).checked_sub(object.len()).expect("the true dump is larger");
    }
    panic!("no size fits");
}

/// `pg_restore` and `psql` run what they get; that it was not what was signed is known before.
#[test]
fn a_forged_dump_runs_nothing() {
    let cluster = Cluster::start(Major::Distribution);
    let scene = Scene::of(Place::folder());
    let database = cluster.create_database("true");
    let hashes = "SELECT string_agg(sha512((n * 100 + m)::text::bytea), '') FROM generate_series(1, 16) m";
    cluster.psql(
        &database,
        &format!("CREATE TABLE good AS SELECT n, ({hashes}) FROM generate_series(1, 5000) n"),
    );
    let signed = |words: &[&str]| {
        let command = scene.place.pgstow(words).args(["--recipient", &Keys::shared().recipient]);
        command.env("PGSTOW_SIGNING_KEY", &scene.signing).succeeds();
    };
    signed(&["backup", &cluster.url(&database), "--name", "archive"]);
    let plain = tempfile::NamedTempFile::new().unwrap();
    let taken = cluster.client("pg_dump").arg("-f").arg(plain.path()).arg(&database).status().unwrap();
    assert!(taken.success());
    signed(&["adopt", plain.path().to_str().unwrap(), "--name", "plain"]);

    // The first row that is loaded runs a program.
    let folder = std::env::temp_dir().join(fresh("ran"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
    let ran = folder.join("ran");
    let forged = cluster.create_database("forged");
    cluster.psql(
        &forged,
        &format!(
            "CREATE FUNCTION runs(n int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
               EXECUTE 'COPY (SELECT 1) TO PROGRAM ''touch {}'''; RETURN true; END $$;
             CREATE TABLE first (n int CHECK (public.runs(n))); INSERT INTO first VALUES (1);
             CREATE TABLE second AS SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) n",
            ran.display()
        ),
    );
    std::fs::remove_file(&ran).unwrap();
    for (name, words) in [("archive", &["-Fc", "-Z0"][..]), ("plain", &[])] {
        let dump = cluster.client("pg_dump").args(words).arg(&forged).output().unwrap().stdout;
        let of_name = |key: &String| key.starts_with(name) && key.contains("/dump.");
        let key = scene.place.keys().into_iter().find(of_name).unwrap();
        let size = scene.place.get(&key).len();
        scene.place.put(&key, of_size(&dump, size));
        let given = cluster.create_database("given");
        for to in [&given, &fresh("new")] {
            for more in [&["--jobs", "1"], &["--proof", "none"], &["--jobs", "2"]] {
                let words = ["restore", "latest", "--name", name, "--to", &cluster.url(to)];
                let run = scene.reads(&words).args(more).run();
                assert!(!run.status.success() && !ran.exists(), "{more:?}: {run}");
            }
        }
        let run = scene.reads(&["fetch", "latest", "--name", name, "-o", "-"]).fails(Kind::Verify);
        assert!(run.stdout.len() < 100_000, "{run}");
        let run = scene.reads(&["restore", "latest", "--name", name, "--", "wc", "-c"]).fails(Kind::Verify);
        assert!(["", "0"].contains(&run.text().trim()), "{run}");
        scene.reads(&["verify", "latest", "--name", name, "--restore"]).fails(Kind::Verify);
        assert!(!ran.exists());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
