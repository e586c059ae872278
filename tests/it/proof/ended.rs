//! A rehearsal is ended midway: whoever ends it, nothing is left.

use super::scene::{Play, processes};
use crate::harness::{Running, eventually};
use pgstow::error::Kind;
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt;

/// A database whose restore stands still in the middle of a COPY.
fn stuck() -> Play {
    Play::new(
        "CREATE FUNCTION hold(n int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
           IF n = 500 AND current_setting('application_name') LIKE 'pgstow%' THEN PERFORM pg_sleep(300); END IF;
           RETURN true; END $$;
         CREATE TABLE slow (n int CHECK (public.hold(n)));
         INSERT INTO slow SELECT generate_series(1, 1000);",
    )
}

fn restoring(play: &Play) -> Running {
    let running = play.rehearse(&[]).spawn();
    let copying = format!("{} [local] COPY", play.generated());
    eventually("rows are being restored", || {
        let lines = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
        lines.into_iter().any(|line| String::from_utf8_lossy(&line).contains(&copying))
    });
    running
}

#[test]
fn signals_end_a_rehearsal_and_its_cluster() {
    let play = stuck();
    for (signal, kind) in [(Signal::TERM, Kind::Terminated), (Signal::INT, Kind::Interrupted)] {
        let running = restoring(&play);
        running.signal(signal);
        running.wait().assert_failure(kind);
        // Already: pgstow waits for it.
        assert!(play.scratch.path().read_dir().unwrap().next().is_none());
        play.nothing_is_left();
    }
}

#[test]
fn the_cluster_does_not_outlive_a_pgstow_that_was_killed() {
    let play = stuck();
    let running = restoring(&play);
    assert!(!processes(play.scratch.path()).is_empty());
    running.signal(Signal::KILL);
    assert_eq!(running.wait().status.signal(), Some(9));
    play.nothing_is_left();
}

#[test]
fn sigterm_at_any_moment_of_a_rehearsal() {
    let play = Play::new("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n;");
    for tenth in 0..15 {
        let running = play.rehearse(&["--proof", "digests"]).spawn();
        std::thread::sleep(std::time::Duration::from_millis(tenth * 90));
        running.signal(Signal::TERM);
        let run = running.wait();
        let ended = [Some(0), Some(i32::from(Kind::Terminated.exit_code()))].contains(&run.status.code());
        assert!(ended || run.status.signal() == Some(15), "{run}");
        play.nothing_is_left();
    }
}

#[test]
fn a_database_on_a_server_of_the_users_is_dropped() {
    let play = stuck();
    let running = play.rehearse_there(&[]).spawn();
    let asleep = format!(
        "SELECT 1 FROM pg_stat_activity WHERE datname LIKE '{}_restoring_%' AND wait_event = 'PgSleep'",
        play.generated()
    );
    eventually("the restore sleeps", || !play.cluster.psql("postgres", &asleep).is_empty());
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated);
    play.nothing_is_left();
}

#[test]
fn what_a_killed_rehearsal_left_on_a_server_is_reported_and_in_nobodys_way() {
    let play = Play::new("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n;");
    let left = format!("{}_restoring_20261121_054500", play.generated());
    play.cluster.psql("postgres", &format!("CREATE DATABASE {left}"));
    let run = play.rehearse_there(&[]).succeeds().says("restored in");
    run.says(&format!("if none is running, DROP DATABASE \"{left}\""));
    play.cluster.psql("postgres", &format!("DROP DATABASE {left}"));
    play.nothing_is_left();
}
