//! Every database of a server: one backup each, and one that fails does not take the others along.

use crate::parallel::{hold, release};
use crate::scene::{Keys, Place, fresh};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

/// A server with three databases of users, and one that is closed.
fn server(major: Major) -> Cluster {
    let cluster = Cluster::start(major);
    for name in ["app", "shop", "test_1", "closed"] {
        cluster.psql("postgres", &format!("CREATE DATABASE {name}"));
        cluster.psql(name, "CREATE TABLE t AS SELECT generate_series(1, 10) n");
    }
    cluster.psql("postgres", "ALTER DATABASE closed ALLOW_CONNECTIONS false");
    cluster
}

fn names(place: &Place) -> Vec<String> {
    let listed = place.pgstow(&["list", "--json"]).succeeds().json();
    listed.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_database_is_backed_up_on_its_own() {
    let (cluster, place) = (server(Major::Distribution), Place::folder());
    let url = cluster.url("postgres");
    let words = ["backup", "--all-databases", "--recipient", &Keys::shared().recipient, &url];
    let made = place.pgstow(&words).args(["--json", "--exclude", "test_*", "--exclude", "postgres"]);
    let made = made.succeeds().says("skipped, as --exclude says: postgres, test_1").json();
    assert_eq!(made.as_array().unwrap().len(), 2);
    assert_eq!(names(&place), ["app", "shop"]);
    assert_eq!(place.keys().iter().filter(|key| key.ends_with("/globals.sql.zst.age")).count(), 2);
    let copy = fresh("shop");
    place.opens(&["restore", "latest", "--name", "shop", "--to", &cluster.url(&copy)]).succeeds();
    assert_eq!(cluster.text_of(&copy), cluster.text_of("shop"));
    cluster.psql("postgres", &format!("DROP DATABASE {copy}"));

    let place = Place::folder();
    place.pgstow(&words).args(["--name", "prod"]).succeeds();
    assert_eq!(names(&place), ["prod/app", "prod/postgres", "prod/shop", "prod/test_1"]);
    let run = place.pgstow(&words).env("PGSTOW_EXCLUDE", "test_*\npostgres\ngone_*\n").succeeds();
    let run = run.says("skipped, as --exclude says: postgres, test_1");
    run.says("warning: --exclude gone_* matches nothing, so it leaves nothing out");
    place.pgstow(&words).args(["--exclude", "*"]).fails(Kind::Usage).says("no database is left");
}

/// What was stored before a signal is there, so whoever watches hears of it.
#[test]
fn what_was_backed_up_before_a_signal_is_in_the_answer() {
    let (cluster, place) = (server(Major::Distribution), Place::folder());
    let _holder = hold(&cluster, "shop", "LOCK TABLE t");
    let url = cluster.url("postgres");
    let words = ["backup", "--all-databases", "--no-encryption", "--json", "--exclude", "postgres", &url];
    let running = place.pgstow(&words).spawn();
    let waits = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 't'::regclass AND NOT granted";
    cluster.eventually("shop", waits);
    running.signal(rustix::process::Signal::TERM);
    let run = running.wait().assert_failure(Kind::Terminated);
    let made = run.json();
    assert_eq!((made.as_array().unwrap().len(), &made[0]["name"]), (1, &"app".into()), "{run}");
    assert_eq!(names(&place), ["app"]);
}

#[test]
fn one_that_cannot_be_connected_to_is_left_out() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, place) = (server(major), Place::folder());
        // As DROP DATABASE leaves one that was interrupted.
        cluster.psql("postgres", "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'shop'");
        cluster.psql("postgres", "CREATE DATABASE golden IS_TEMPLATE true");
        let (url, recipient) = (cluster.url("postgres"), &Keys::shared().recipient);
        let words = ["backup", "--all-databases", "--recipient", recipient, &url, "--exclude", "test_*"];
        // They are warnings: a job with -q reports them too.
        let run = place.pgstow(&words).arg("-q").succeeds();
        let run = run.says("warning: closed is left out: it allows no connections");
        let run = run.says("warning: shop is left out: it is invalid");
        run.says("warning: golden is left out: it is a template");
        assert_eq!(names(&place), ["app", "postgres"]);
        let run = place.pgstow(&words).args(["--exclude", "shop", "--exclude", "cl*", "--exclude", "golden"]);
        let run = run.succeeds();
        assert!(!run.stderr.contains("left out"), "{run}");
    }
}

#[test]
fn one_that_is_dropped_or_still_restored_is_left_out() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, place) = (server(major), Place::folder());
        cluster.psql("postgres", "CREATE DATABASE app_restoring_20261121_054500");
        let (url, recipient) = (cluster.url("postgres"), &Keys::shared().recipient);
        let _holder = hold(&cluster, "app", "LOCK TABLE t");
        let running = place.pgstow(&["backup", "--all-databases", "--recipient", recipient, &url]).spawn();
        cluster.eventually("app", "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted");
        cluster.psql("postgres", "DROP DATABASE shop");
        cluster.psql("postgres", "ALTER DATABASE test_1 RENAME TO test_2");
        release(&cluster, "app");
        let run = running.wait().assert_success();
        let run = run.says("app_restoring_20261121_054500 is left out: a restore fills it");
        run.says("shop is left out: it was dropped").says("test_1 is left out: it was dropped, renamed");
        assert_eq!(names(&place), ["app", "postgres"]);
    }
}

#[test]
fn one_that_fails_is_told_and_the_others_are_made() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, place) = (server(major), Place::folder());
        cluster.psql("postgres", "CREATE ROLE reader LOGIN PASSWORD 'secret' IN ROLE pg_read_all_data");
        cluster.psql("shop", "ALTER TABLE t ENABLE ROW LEVEL SECURITY");
        cluster.psql("postgres", "CREATE DATABASE \"z/b\"");
        let url = format!("postgres://reader:secret@127.0.0.1:{}/postgres", cluster.port);
        let words = ["backup", "--all-databases", "--json", "--recipient", &Keys::shared().recipient, &url];
        let run = place.pgstow(&words).fails(Kind::Postgres).says("2 of 5 databases were not backed up");
        let run = run.says("shop was not backed up").says("BYPASSRLS");
        let run = run.says("z/b was not backed up").says("hint: back it up alone, with its own URL");
        assert_eq!(names(&place), ["app", "postgres", "test_1"]);
        let failed: Vec<_> =
            run.json().as_array().unwrap().iter().filter(|made| made["exit_code"] == 11).cloned().collect();
        assert_eq!(failed[0]["database"], "shop");
        assert_eq!(run.stderr.matches("row-level security").count(), 1, "{run}");
        let none = ["--exclude", "app", "--exclude", "test_1", "--exclude", "postgres", "--exclude", "z/b"];
        let run = place.pgstow(&words).args(none).fails(Kind::Postgres);
        let run = run.says("none of the 1 databases was backed up");
        assert!(!run.stderr.contains("the others were"), "{run}");
        // Where no warning is wanted, the failure says why.
        let quiet = place.pgstow(&words).args(none).arg("-q").fails(Kind::Postgres);
        assert_eq!(quiet.stderr.matches("row-level security").count(), 1, "{quiet}");
    }
}

#[test]
fn a_database_of_the_service_is_left_out_and_any_other_that_is_closed_to_the_role_is_not() {
    let (cluster, place) = (server(Major::Distribution), Place::folder());
    cluster.psql("postgres", "CREATE ROLE reader LOGIN PASSWORD 'secret' IN ROLE pg_read_all_data");
    cluster.psql("postgres", "CREATE DATABASE rdsadmin");
    cluster.psql("postgres", "REVOKE CONNECT ON DATABASE rdsadmin, shop FROM PUBLIC");
    let url = format!("postgres://reader:secret@127.0.0.1:{}/postgres", cluster.port);
    let words = ["backup", "--all-databases", "--recipient", &Keys::shared().recipient, &url];
    let run = place.pgstow(&words).fails(Kind::Postgres).says("1 of 4 databases were not backed up");
    let run = run.says("rdsadmin is left out: it belongs to the service");
    run.says("permission denied for database \"shop\"").says("or leave it out: --exclude shop");
    place.pgstow(&words).args(["--exclude", "shop"]).succeeds();
    // On a server of one's own it is a database like any other.
    let place = Place::folder();
    place.pgstow(&words[..4]).arg(cluster.url("postgres")).succeeds();
    assert_eq!(names(&place), ["app", "postgres", "rdsadmin", "shop", "test_1"]);
}

#[test]
fn words_that_do_not_fit_together_are_refused() {
    let place = Place::folder();
    let words = |words: &[&str]| {
        place.pgstow(&["backup", "--recipient", &Keys::shared().recipient]).args(words).fails(Kind::Usage)
    };
    words(&["--all-databases", "--name", "a", "--", "true"]).says("contradict each other");
    words(&["--exclude", "a", "postgres://h/db"]).says("--exclude-table");
}
