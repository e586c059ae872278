//! Servers of other kinds, databases of other shapes, and the default.

use super::{LARGE, backup, ranges, tables};
use crate::harness::MIB;
use crate::scene::{Place, add_bulk, for_major, motley};
use crate::servers::neon::{NeonServer, PROJECT, ROLE};
use crate::servers::postgres::{Cluster, Major};
use std::time::Duration;

/// One of before November 2026 would give them wrong rows, and write to its own pages what is not so.
#[test]
fn a_standby_is_read_by_several_if_it_shares_its_snapshots_rightly() {
    for major in [Major::Distribution, Major::V18] {
        a_standby_is_read(major);
    }
}

fn a_standby_is_read(major: Major) {
    let primary = Cluster::start(major);
    let database = motley(&primary, "standby");
    primary.psql(&database, &for_major(major, LARGE));
    let (standby, place) = (primary.standby(), Place::folder());
    let url = standby.url(&database);
    let known = "SELECT count(*) FROM pg_settings WHERE name = 'composite_type_mismatch'";
    backup(&place, &url, "one", "1").assert_success();
    let run = backup(&place, &url, "two", "2").assert_success();
    match standby.psql("postgres", known).as_str() {
        "1" => run.says("with 2 sessions at the same time"),
        _ => run.says("reading with one session: a standby of this minor version gives wrong rows"),
    };
    assert_eq!(tables(&place, "two"), tables(&place, "one"));
    backup(&place, &primary.url(&database), "primary", "2").assert_success().says("with 2 sessions");
    // Its unlogged tables have rows, and a standby knows none of them.
    let logged = |name| {
        let mut tables = tables(&place, name);
        tables.retain_mut(|table| {
            table.as_object_mut().unwrap().remove("share");
            table["table"] != "unlogged"
        });
        tables
    };
    assert_eq!(logged("two"), logged("primary"));
}

#[test]
fn a_branch_on_neon_is_read_by_several() {
    let (neon, place) = (NeonServer::start(Major::V17), Place::folder());
    add_bulk(&neon.main, "app", 1000);
    neon.main.psql("app", &format!("ALTER TABLE bulk OWNER TO {ROLE}"));
    let words = ["--neon", PROJECT, "--via-branch", "--readers", "2", "--reader-range", "64KiB"];
    let command = place.pgstow(&["backup", "--no-encryption"]).envs(neon.env()).args(words);
    // What the environment says of other servers does not lead there.
    let command = command.env("PGPORT", "1").env("PGHOSTADDR", "203.0.113.1").env("PGSERVICE", "nowhere");
    let run = command.succeeds().says("with 2 sessions at the same time").says("deleted the branch");
    assert_eq!(neon.branches(), Vec::<String>::new(), "{run}");
    assert_eq!(tables(&place, "app")[0]["rows"], 1000, "{run}");
}

/// There are 128 ranges of 64 KiB, or fewer.
#[test]
fn two_read_if_nobody_has_said_otherwise_and_it_is_worthwhile() {
    let (cluster, place) = (Cluster::shared(Major::Distribution), Place::folder());
    let (small, large) = (cluster.create_database("small"), cluster.create_database("large"));
    add_bulk(cluster, &small, 1000);
    add_bulk(cluster, &large, 9000);
    let backup = |database: &str, words: &[&str]| {
        let url = cluster.url(database);
        place.pgstow(&["backup", "--no-encryption", "--reader-range", "64KiB"]).args(words).arg(url)
    };
    backup(&large, &[]).succeeds().says("with 2 sessions at the same time");
    for (database, words) in
        [(&small, vec![]), (&large, vec!["--readers", "1"]), (&large, vec!["--allow-pooled"])]
    {
        let run = backup(database, &words).succeeds();
        assert!(!run.stderr.contains("session"), "{run}");
    }
    let run = backup(&large, &[]).env("PGSTOW_READERS", "3").succeeds();
    run.says("with 3 sessions at the same time");
    backup(&small, &["-v"]).succeeds().says("reading with one session: ");
    // Many small tables are not worthwhile either, however many they are.
    let split = "DO $$ BEGIN FOR i IN 1..180 LOOP
        EXECUTE format('CREATE TABLE part%s AS SELECT * FROM bulk WHERE n %% 180 = %s - 1', i, i); END LOOP; END $$;
        DROP TABLE bulk";
    cluster.psql(&large, split);
    backup(&large, &["-v"]).succeeds().says("reading with one session: no table is large enough");
}

/// 400 KB of text for a row that needs 5 KB on the server, and all rows on four pages: a range is 62 MB.
#[test]
fn memory_is_bounded_however_long_the_values_are() {
    let (cluster, place) = (Cluster::shared(Major::Distribution), Place::folder());
    let database = cluster.create_database("memory");
    cluster.psql(
        &database,
        "CREATE TABLE toasted AS SELECT n, repeat(md5(n::text), 12500) AS value FROM generate_series(1, 620) n",
    );
    let peak = |sessions| {
        let url = cluster.url(&database);
        ranges(&place, &url, sessions, sessions, "64KiB").patience(Duration::from_secs(300)).peak()
    };
    let one = peak("1");
    // What is published is for two cores; up to two more compress at the same time.
    let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4));
    for (sessions, most) in [("2", 128), ("4", 192)] {
        let (peak, most) = (peak(sessions) / MIB, most + (cores - 2) * 28);
        eprintln!("peak with {sessions} sessions: {peak} MiB, with one: {} MiB", one / MIB);
        assert!(peak < most, "{peak} MiB instead of at most {most} MiB");
    }
    assert_eq!(tables(&place, "4"), tables(&place, "1"));
}

#[test]
#[ignore = "20,000 tables"]
fn one_large_table_among_20_000_small_ones() {
    let cluster = Cluster::start_with(Major::V18, &["max_locks_per_transaction=1000"]);
    let (database, place) = (cluster.create_database("many"), Place::folder());
    add_bulk(&cluster, &database, 2000);
    let make = "CREATE PROCEDURE make() LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..20000 LOOP
          EXECUTE format('CREATE TABLE t%s AS SELECT %s AS n', i, i);
          IF i % 1000 = 0 THEN COMMIT; END IF; END LOOP; END $$";
    cluster.psql(&database, make);
    cluster.psql(&database, "CALL make()");
    let url = cluster.url(&database);
    for sessions in ["1", "2"] {
        ranges(&place, &url, sessions, sessions, "64KiB").patience(Duration::from_secs(600)).succeeds();
    }
    assert_eq!(tables(&place, "2"), tables(&place, "1"));
    assert_eq!(tables(&place, "2").len(), 20_001);
}
