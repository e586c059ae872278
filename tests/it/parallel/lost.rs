//! Sessions that are lost while they read: another reads the range again, and its rows come once.

use super::{Work, hold, ranges, release, tables};
use crate::scene::{Place, add_bulk};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use rustix::process::Signal;

/// What a session that reads a range does.
const READS: &str = "query LIKE 'COPY (SELECT n%' AND datname = current_database() AND state = 'active'";
/// 24 MiB of text in a range of this size, more than all pipes and sockets on its way hold.
const RANGE: &str = "512KiB";

/// A table of about three ranges: the long values are stored compressed, the short ones make pages of few rows.
fn wide(label: &str) -> (Cluster, String) {
    let cluster = Cluster::start(Major::Distribution);
    let database = cluster.create_database(label);
    cluster.psql(
        &database,
        "CREATE TABLE bulk (n int, filler text, value text);
         ALTER TABLE bulk ALTER filler SET STORAGE PLAIN;
         INSERT INTO bulk SELECT n, repeat('f', 1500), repeat(md5(n::text), 12500) FROM generate_series(1, 200) n;
         CREATE INDEX held ON bulk (n)",
    );
    (cluster, database)
}

/// Whoever is to read the table waits for this: planning needs the index.
const HOLD: &str = "REINDEX INDEX held";

#[test]
fn a_session_that_is_lost_is_replaced_and_no_row_comes_twice() {
    let (cluster, database) = wide("lost");
    let (url, place) = (cluster.url(&database), Place::folder());
    ranges(&place, &url, "one", "1", RANGE).succeeds();
    let holder = hold(&cluster, &database, HOLD);
    let running = ranges(&place, &url, "two", "2", RANGE).spawn();
    let wait = |rest: &str| {
        let both = format!("SELECT count(*) = 2 FROM pg_stat_activity WHERE {READS} AND {rest}");
        cluster.eventually(&database, &both);
    };
    wait("wait_event_type = 'Lock'");

    // Before they have read anything, both are cancelled.
    let cancel = format!(
        "SELECT string_agg(pid::text, ',') FROM pg_stat_activity WHERE {READS} AND pg_cancel_backend(pid)"
    );
    let cancelled = cluster.psql(&database, &cancel);
    wait(&format!("wait_event_type = 'Lock' AND pid NOT IN ({cancelled})"));

    // While nobody takes what they read, they stop in the middle: then the one with the first range is ended.
    running.signal(Signal::STOP);
    release(&cluster, &database);
    drop(holder);
    wait("wait_event = 'ClientWrite'");
    let first = format!("SELECT pid FROM pg_stat_activity WHERE {READS} AND query LIKE '%(0,0)%'");
    let first = cluster.psql(&database, &first);
    cluster.psql(&database, &format!("SELECT pg_terminate_backend({first})"));
    let gone = format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {first}");
    cluster.eventually(&database, &gone);
    running.signal(Signal::CONT);

    let run = running.wait().assert_success();
    assert_eq!(run.stderr.matches("another reads its rows again").count(), 3, "{run}");
    assert_eq!(tables(&place, "two"), tables(&place, "one"), "{run}");
}

#[test]
fn a_range_that_is_lost_every_time_leaves_no_backup() {
    let (cluster, database) = wide("always");
    let (url, place) = (cluster.url(&database), Place::folder());
    let _holder = hold(&cluster, &database, HOLD);
    let run = std::thread::scope(|scope| {
        let run = scope.spawn(|| ranges(&place, &url, "always", "2", RANGE).run());
        while !run.is_finished() {
            let end = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {READS}");
            cluster.psql(&database, &end);
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        run.join().unwrap()
    });
    let run = run.assert_failure(Kind::Postgres).says("read public.bulk").says("read again 3 times");
    assert!(place.keys().is_empty(), "{:?}: {run}", place.keys());
}

/// If all who had the table locked are ended, who waited for that comes first: nobody may read what is there then, since
/// the snapshot shows nothing of it.
#[test]
fn rows_that_go_while_no_session_has_them_locked_leave_no_backup() {
    let cluster = Cluster::start(Major::Distribution);
    let database = cluster.create_database("unlocked");
    for (name, change) in [("emptied", "TRUNCATE bulk"), ("rewritten", "VACUUM FULL bulk")] {
        cluster.psql(&database, "DROP TABLE IF EXISTS bulk");
        add_bulk(&cluster, &database, 120 << 10);
        cluster.psql(&database, "DELETE FROM bulk WHERE n % 10 = 0");
        let place = Place::folder();
        let words = ["--limit-rate", "1MiB", "--part-size", "5MiB", "--uploads", "1"];
        let running = ranges(&place, &cluster.url(&database), name, "2", "1MiB").args(words).spawn();
        cluster.eventually(
            &database,
            "SELECT count(*) > 1 FROM pg_stat_activity WHERE query LIKE 'COPY %bulk%'",
        );
        let _migration = Work::begin(&cluster, &database, format!("{change};"));
        let blocking = format!(
            "FROM pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) b WHERE a.query LIKE '{change}%'"
        );
        cluster.eventually(&database, &format!("SELECT count(*) >= 2 {blocking}"));
        cluster.psql(&database, &format!("SELECT count(pg_terminate_backend(b)) {blocking}"));
        let run = running.wait().assert_failure(Kind::Postgres).says("another reads its rows again");
        run.says("was emptied or rewritten during the backup");
        assert!(place.keys().is_empty(), "{:?}", place.keys());
    }
}

/// What the primary cleans up is gone on the standby too, and a snapshot that saw it.
#[test]
fn a_standby_that_cancels_leaves_no_backup() {
    for major in [Major::Distribution, Major::V18] {
        // It would clean up when it likes.
        let primary = Cluster::start_with(major, &["autovacuum=off"]);
        let database = primary.create_database("conflict");
        add_bulk(&primary, &database, 120 << 10);
        primary.psql("postgres", "ALTER SYSTEM SET max_standby_streaming_delay = 0");
        let (standby, place) = (primary.standby(), Place::folder());
        for readers in ["1", "2"] {
            // Nothing is on its way any more.
            primary.psql("postgres", "CHECKPOINT");
            let written = primary.psql("postgres", "SELECT pg_current_wal_flush_lsn()");
            standby.eventually("postgres", &format!("SELECT pg_last_wal_replay_lsn() >= '{written}'"));
            // Slow, and little of it in memory: most rows are still to come when the conflict does, on any machine. A server
            // process that waits for its client is not cancelled before it can go on.
            let words = ["--limit-rate", "1MiB", "--part-size", "5MiB", "--uploads", "1"];
            let mut running =
                ranges(&place, &standby.url(&database), "standby", readers, "4MiB").args(words).spawn();
            let reads = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'COPY %bulk%'";
            while standby.psql(&database, reads) != "t" && !running.is_over() {}
            primary.psql(&database, &format!("DELETE FROM bulk WHERE n % 3 = {readers}"));
            primary.psql(&database, "VACUUM bulk");
            let run = running.wait().assert_failure(Kind::Postgres).says("conflict with recovery");
            run.says("hint: the standby cancelled the dump; raise max_standby_streaming_delay");
            assert_eq!(place.keys(), Vec::<String>::new());
        }
    }
}
