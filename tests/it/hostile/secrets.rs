//! What a backup's own functions find of pgstow's secrets while it is rehearsed: nothing.

use crate::proof::scene::give_all;
use crate::scene::Place;
use crate::servers::postgres::{Cluster, Major};
use crate::servers::{as_server_user, folder};
use std::path::Path;
use tempfile::TempDir;

/// Variables that a job has in its environment, and that are nobody's business.
const SECRETS: [&str; 10] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "NEON_API_KEY",
    "PGPASSWORD",
    "PGSTOW_PASSPHRASE",
    "PGSTOW_RECIPIENTS",
    "DATABASE_URL",
    "GITHUB_TOKEN",
    "SECRET_KEY_BASE",
];
const WORD: &str = "s3same-0c7b1f";

/// A backup whose table is checked by a function that runs this, but only in pgstow's hands.
pub fn backup_that_runs(command: &str) -> Place {
    backup_of(Major::Distribution, command)
}

/// The same, of a database of this major.
fn backup_of(major: Major, command: &str) -> Place {
    let cluster = Cluster::shared(major);
    let database = cluster.create_database("spy");
    let sql = format!(
        "CREATE FUNCTION look() RETURNS bool LANGUAGE plpgsql AS $look$ BEGIN
           IF current_setting('application_name') = 'pgstow' THEN
             EXECUTE 'COPY (SELECT 1) TO PROGRAM ' || quote_literal($${command}$$);
           END IF;
           RETURN true; END $look$;
         CREATE TABLE t (n int CHECK (public.look())); INSERT INTO t VALUES (1);"
    );
    cluster.psql(&database, &sql);
    let place = Place::Folder(folder("spy"));
    place.backup(&cluster.url(&database), &["--name", "spy"]);
    place
}

/// What the command has written.
#[track_caller]
fn found(path: &Path) -> String {
    let found = std::fs::read(path).expect("the backup's function has not run, so this proves nothing");
    String::from_utf8_lossy(&found).replace('\0', "\n")
}

#[test]
fn a_rehearsals_server_has_none_in_its_environment() {
    for major in [Major::Distribution, Major::V18] {
        let spied = folder("spied");
        let file = spied.path().join("env");
        let place = backup_of(major, &format!("cat >/dev/null; env > {}", file.display()));
        let scratch = folder("scratch");
        let words = ["verify", "latest", "--restore", "--scratch", scratch.path().to_str().unwrap()];
        let run = SECRETS.iter().fold(place.opens(&words), |run, name| run.env(name, WORD));
        run.arg("--pg-bin").arg(major.bin()).succeeds();
        let found = found(&file);
        assert!(found.contains("PATH="), "{found}");
        for forbidden in SECRETS.into_iter().chain(["PGSTOW_IDENTITY", "AGE-SECRET-KEY", WORD, "HOME="]) {
            assert!(!found.contains(forbidden), "{forbidden} is in the server's environment:\n{found}");
        }
    }
}

/// Without root, the server is the same user as pgstow.
#[test]
fn nor_can_it_read_pgstows_own() {
    let spied = folder("spied");
    let file = spied.path().join("environ");
    let place = backup_that_runs(&format!(
        "cat >/dev/null; cat /proc/[0-9]*/environ > {} 2>/dev/null; true",
        file.display()
    ));
    let Place::Folder(store) = &place else { panic!("another place") };
    give_all(store.path());
    let home = folder("home");
    let user = as_server_user("/usr/bin/env");
    let user = [user.get_program()].into_iter().chain(user.get_args());
    let scratch = TempDir::new_in("/tmp").unwrap();
    crate::servers::give(scratch.path());
    let words = ["verify", "latest", "--restore", "--scratch", scratch.path().to_str().unwrap()];
    let run = SECRETS.iter().fold(place.opens(&words).under(user), |run, name| run.env(name, WORD));
    run.env("HOME", home.path()).in_folder(home.path()).succeeds();
    let found = found(&file);
    assert!(found.contains("PATH="), "{found}");
    // Other processes of this user, of other tests, have secrets of their own.
    assert!(!found.contains(WORD), "a secret can be read in /proc:\n{found}");
}
