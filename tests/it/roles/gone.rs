//! Roles that a restore makes go again if it fails, whatever they were granted, and one that has to stay keeps no other.

use super::scene::{Scene, roles};
use crate::harness::eventually;
use crate::scene::{Place, every_client, fresh, restore_fails};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use rustix::process::Signal;
use std::io::Write;
use std::process::{Child, Stdio};
use tempfile::TempDir;

const ROLES: &str =
    "CREATE ROLE pr1; CREATE ROLE pr2; CREATE ROLE pr3; GRANT SET ON PARAMETER log_min_messages TO pr1 WITH GRANT OPTION;
     GRANT ALTER SYSTEM ON PARAMETER \"my.Own\" TO pr2; GRANT pr1 TO pr2";
const OBJECTS: &str =
    "CREATE TABLE a (); ALTER TABLE a OWNER TO pr1; CREATE TABLE b (); ALTER TABLE b OWNER TO pr2;
    CREATE TABLE c (); ALTER TABLE c OWNER TO pr3";

fn parameters() -> Place {
    let source = Cluster::start(Major::V17);
    source.psql("postgres", ROLES);
    source.psql("postgres", "CREATE DATABASE par OWNER pr2");
    source.psql("par", OBJECTS);
    let place = Place::folder();
    place.backup(&source.url("par"), &["--name", "par"]);
    place
}

#[test]
fn what_they_were_granted_of_parameters_goes_before_them() {
    let (place, target) = (parameters(), Cluster::start(Major::V18));
    let words = ["--roles", "restore", "--after-sql", "SELECT 1 / 0"];
    let run = restore_fails(&place, &target, &words, Kind::Postgres);
    assert_eq!(roles(&target), "", "{run}");
    assert!(
        !run.stderr.contains("drop the roles") && run.stderr.contains("dropped the new database"),
        "{run}"
    );

    // One that another database needs by now stays, and is named; what it was granted stays too.
    let copy = fresh("never");
    let restore = place.opens(&["restore", "latest", "--to", &target.url(&copy)]);
    let run = restore.args(["--after-sql", "GRANT CONNECT ON DATABASE postgres TO pr1"]).args(words);
    let run = run.fails(Kind::Postgres).says("drop the roles \"pr1\" that this run made: ");
    assert!(run.stderr.contains("dropped the new database") && !target.has_database(&copy), "{run}");
    assert_eq!(roles(&target), "pr1", "{run}");
    let may_set = "SELECT has_parameter_privilege('pr1', 'log_min_messages', 'SET')";
    assert_eq!(target.psql("postgres", may_set), "t");
}

#[test]
fn they_go_with_a_restore_that_a_signal_ends() {
    let (place, target) = (parameters(), Cluster::start(Major::V18));
    for (signal, kind) in [(Signal::INT, Kind::Interrupted), (Signal::TERM, Kind::Terminated)] {
        let copy = fresh("never");
        let restore = place.opens(&["restore", "latest", "--roles", "restore", "--to", &target.url(&copy)]);
        let running = restore.args(["--after-sql", "SELECT pg_sleep(77)"]).spawn();
        let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        eventually("the script runs", || target.psql("postgres", asleep) != "0");
        running.signal(signal);
        let run = running.wait().assert_failure(kind);
        assert_eq!(roles(&target), "", "{run}");
        assert!(!target.has_database(&copy), "{run}");
    }
}

/// Two restores into one server need the same roles: what one of them makes is there for the other one.
#[test]
fn a_role_that_another_restore_makes_meanwhile_is_used() {
    let scene = Scene::new(Major::Distribution);
    for way in ["restore", "create"] {
        let target = Cluster::start(Major::Distribution);
        let mut other = orders(&target, "BEGIN; CREATE ROLE boss;\n");
        let (copy, restore) = scene.restore(&target, &["--roles", way]);
        let running = restore.spawn();
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%CREATE ROLE%' AND wait_event_type = 'Lock'";
        eventually("it waits for the other one", || target.psql("postgres", waits) == "1");
        other.stdin.take().unwrap().write_all(b"COMMIT;\n").unwrap();
        let run = running.wait().assert_success();
        assert!(other.wait().unwrap().success());
        let made = run.json()["made_roles"].as_array().unwrap().clone();
        assert!(!made.is_empty() && made.iter().all(|name| name != "boss"), "{run}");
        assert_eq!(target.psql(&copy, "SELECT tableowner FROM pg_tables WHERE tablename = 't'"), "boss");
    }
}

/// A restore of hours may be using it, in one transaction: nobody waits for that.
#[test]
fn a_role_that_another_session_uses_stays_and_keeps_nobody() {
    let scene = Scene::new(Major::Distribution);
    let target = Cluster::start(Major::Distribution);
    let words = ["--roles", "restore", "--after-sql", "SELECT pg_sleep(3.25); SELECT 1 / 0"];
    let (copy, restore) = scene.restore(&target, &words);
    let running = restore.spawn();
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%3.25%'";
    eventually("the script runs", || target.psql("postgres", asleep) != "0");
    let mut other = orders(&target, "BEGIN; CREATE TABLE mine (); ALTER TABLE mine OWNER TO boss;\n");
    let run = running.wait().assert_failure(Kind::Postgres);
    run.says("drop the roles \"boss\" that this run made: ");
    assert!(!target.has_database(&copy));
    assert_eq!(roles(&target), "boss");
    other.stdin.take().unwrap().write_all(b"COMMIT;\n").unwrap();
    assert!(other.wait().unwrap().success());
}

/// A session that has begun with these orders, and waits for more.
fn orders(target: &Cluster, orders: &str) -> Child {
    let mut psql = target.client("psql");
    let mut psql =
        psql.args(["-Xq", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]).stdin(Stdio::piped()).spawn().unwrap();
    psql.stdin.as_mut().unwrap().write_all(orders.as_bytes()).unwrap();
    let idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'";
    eventually("it has begun", || target.psql("postgres", idle) == "1");
    psql
}

/// `timeout` of coreutils sends a second signal to the whole group at once; a psql that was just started may still be in it.
#[test]
fn what_a_signal_kept_from_being_dropped_is_dropped_again() {
    let scene = Scene::new(Major::Distribution);
    let target = Cluster::start(Major::Distribution);
    for order in ["DROP DATABASE", "DROP ROLE"] {
        let folder = TempDir::new().unwrap();
        for program in ["pg_dump", "pg_restore"] {
            let text = format!("#!/bin/sh\nexec {} \"$@\"\n", target.bin().join(program).display());
            crate::servers::script(&folder.path().join(program), &text);
        }
        let psql = format!(
            "#!/bin/bash\ncase $* in *--version*) exec {psql} --version;; esac\n\
             while IFS= read -r line || [ -n \"$line\" ]; do\n\
             case $line in *'{order}'*) if mkdir {folder}/killed 2> /dev/null; then kill -TERM $$; exit; fi;; esac\n\
             printf '%s\\n' \"$line\"\ndone | {psql} \"$@\"\n",
            psql = target.bin().join("psql").display(),
            folder = folder.path().display()
        );
        crate::servers::script(&folder.path().join("psql"), &psql);
        let clients = folder.path().to_str().unwrap();
        let run = scene.restore_fails(
            &target,
            &["--roles", "restore", "--after-sql", "SELECT 1 / 0", "--pg-bin", clients],
        );
        assert!(folder.path().join("killed").exists(), "{run}");
        assert!(run.stderr.contains("dropped the new database"), "{run}");
    }
}

/// Before 16 it was the member that inherited or not, and one that is there already may do otherwise.
#[test]
fn no_membership_means_more_than_it_did() {
    let source = Cluster::start(Major::V14);
    source.psql("postgres", "CREATE ROLE boss; CREATE ROLE ni NOINHERIT LOGIN; GRANT boss TO ni");
    source.psql("postgres", "CREATE DATABASE shop");
    source.psql("shop", "CREATE TABLE t (); ALTER TABLE t OWNER TO boss");
    let place = Place::folder();
    place.backup(&source.url("shop"), &["--name", "shop"]);
    for major in [Major::Distribution, Major::V18] {
        let target = Cluster::start(major);
        target.psql("postgres", "CREATE ROLE ni LOGIN");
        let copy = fresh("shop");
        let words = ["restore", "latest", "--roles", "restore", "--to", &target.url(&copy)];
        let run = place.opens(&words).env("PATH", every_client()).succeeds();
        let may = "SELECT has_table_privilege('ni', 't', 'DELETE'), pg_has_role('ni', 'boss', 'MEMBER')";
        let (expected, left_out) = if major == Major::V18 { ("f|t", false) } else { ("f|f", true) };
        assert_eq!(target.psql(&copy, may), expected, "{run}");
        assert_eq!(run.stderr.contains("\"ni\" is no member of \"boss\" here: "), left_out, "{run}");
    }
}
