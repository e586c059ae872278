//! A restore is ended midway, by a signal, by the server or with its `pg_restore`.

use super::scene::{HOLD, is_held, wake};
use crate::harness::{Running, eventually};
use crate::scene::{Place, Sample, fresh, named};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

/// A backup whose restore stands still in the middle of a COPY, for as long as a restore that calls itself
/// pgstow takes it; under another name it goes through.
pub struct Stuck {
    pub cluster: &'static Cluster,
    pub place: Place,
}

impl Stuck {
    pub fn shared() -> &'static Stuck {
        static SHARED: OnceLock<Stuck> = OnceLock::new();
        SHARED.get_or_init(|| Stuck::on(Cluster::shared(Major::Distribution)))
    }

    fn on(cluster: &'static Cluster) -> Stuck {
        let database = cluster.create_database("stuck");
        // What comes behind the row that waits is more than all buffers on the way can take.
        let slow = "CREATE TABLE first (n int); INSERT INTO first SELECT generate_series(1, 1000);
                 CREATE TABLE slow (n int CHECK (public.hold(n)), more text);
                 INSERT INTO slow SELECT n, repeat(md5(n::text), 500) FROM generate_series(1, 2000) n;
                 SELECT lo_from_bytea(1, 'in a part of its own where there are several');";
        cluster.psql(&database, &format!("{HOLD}{slow}"));
        let place = Place::Folder(TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        place.backup(&cluster.url(&database), &[]);
        Stuck { cluster, place }
    }

    /// Starts a restore, and waits until it is in the middle.
    pub fn restore(&self, copy: &str, words: &[&str]) -> Running {
        let restore = self.place.opens(&["restore", "latest", "--to", &self.cluster.url(copy)]).args(words);
        let running = restore.spawn();
        self.until_in_the_middle(copy);
        running
    }

    pub fn until_in_the_middle(&self, copy: &str) {
        eventually("its rows stand still", || is_held(self.cluster, copy));
    }

    /// Ends the session that stands still.
    pub fn end_session(&self, copy: &str) {
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname LIKE '{copy}%' AND wait_event = 'PgSleep'"
        );
        self.cluster.psql("postgres", &end);
    }

    /// Lets the restore that stands still go on.
    pub fn wake(&self, copy: &str) {
        let filling = named(self.cluster, &format!("{copy}_restoring_"));
        wake(self.cluster, &filling);
    }

    /// The good ending, for all to see that the backup was not at fault.
    pub fn goes_through(&self, copy: &str) {
        let restore = self.place.opens(&["restore", "latest", "--to", &self.cluster.url(copy)]);
        restore.env("PGAPPNAME", "other").succeeds();
        assert_eq!(self.cluster.psql(copy, "SELECT count(*) FROM slow"), "2000");
        self.cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
    }

    /// Nothing of the restore is left on the server.
    #[track_caller]
    pub fn is_gone(&self, copy: &str) {
        assert_eq!(named(self.cluster, copy), "", "left");
        let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE datname LIKE '{copy}%'");
        assert_eq!(self.cluster.psql("postgres", &sessions), "0");
    }
}

/// The processes that this one has started, by the program's name.
pub fn children(parent: u32, program: &str) -> Vec<u32> {
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
    stuck.end_session(&copy);
    // In the middle of a COPY libpq does not always pass the server's reason on.
    let run = running.wait().assert_failure(Kind::Postgres);
    let hints = ["somebody ended the session", "log says why"];
    assert!(hints.iter().any(|hint| run.stderr.contains(hint)), "{run}");
    stuck.is_gone(&copy);
    stuck.goes_through(&copy);
}

#[test]
fn signals_end_a_restore_in_order() {
    let stuck = Stuck::shared();
    for (signal, kind) in
        [(Signal::TERM, Kind::Terminated), (Signal::INT, Kind::Interrupted), (Signal::HUP, Kind::HungUp)]
    {
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
    eventually("the lock is held", || seen("wait_event = 'PgSleep'"));

    let copy = fresh("making");
    let running = Sample::shared().place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).spawn();
    eventually("it waits", || seen("wait_event_type = 'Lock' AND query LIKE '%CREATE DATABASE%'"));
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
    eventually("its sessions have ended", || cluster.psql("postgres", &sessions).is_empty());
    assert_eq!(cluster.psql(&waiting, "SELECT count(*) FROM pg_class WHERE relname = 'first'"), "0");
    stuck.goes_through(&waiting);

    let kept = fresh("kept");
    let running = stuck.restore(&kept, &["--keep-failed"]);
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated).says(&format!("{kept}_restoring_")).says("is kept");
    assert!(!cluster.has_database(&kept), "it is not proven");
    assert!(named(cluster, &kept).starts_with(&format!("{kept}_restoring_")));
}

/// Nobody can tidy up after SIGKILL; the name that was asked for is free all the same, and the next run says
/// what is left.
#[test]
fn a_killed_restore_leaves_nothing_under_the_name() {
    let stuck = Stuck::shared();
    for jobs in ["1", "3"] {
        let copy = fresh("sigkill");
        let running = stuck.restore(&copy, &["--jobs", jobs]);
        running.signal(Signal::KILL);
        drop(running);
        assert!(!stuck.cluster.has_database(&copy));
        let left = named(stuck.cluster, &copy);
        assert!(left.starts_with(&format!("{copy}_restoring_")), "{left}");
        stuck.end_session(&copy);
        let restore = stuck.place.opens(&["restore", "latest", "--to", &stuck.cluster.url(&copy)]);
        restore.env("PGAPPNAME", "other").succeeds().says(&format!("DROP DATABASE \"{left}\";"));
        assert_eq!(stuck.cluster.psql(&copy, "SELECT count(*) FROM slow"), "2000");
    }
}

/// Names tell the second, and a run that was killed may have left its database in this very one.
#[test]
fn a_name_that_a_killed_run_left_is_not_used_again() {
    let stuck = Stuck::shared();
    let copy = fresh("left_just_now");
    for later in 0..4 {
        let moment =
            format!("SELECT to_char(now() AT TIME ZONE 'UTC' + interval '{later} s', 'YYYYMMDD_HH24MISS')");
        let moment = stuck.cluster.psql("postgres", &moment);
        stuck.cluster.psql("postgres", &format!("CREATE DATABASE {copy}_restoring_{moment}"));
    }
    let restore = stuck.place.opens(&["restore", "latest", "--to", &stuck.cluster.url(&copy)]);
    restore.env("PGAPPNAME", "other").succeeds().says("DROP DATABASE");
    assert_eq!(stuck.cluster.psql(&copy, "SELECT count(*) FROM slow"), "2000");
}

/// The second one would mix its rows with those of the first.
#[test]
fn two_restores_into_one_name_are_kept_apart() {
    let stuck = Stuck::shared();
    for copy in [fresh("twice"), stuck.cluster.create_database("twice_empty")] {
        let running = stuck.restore(&copy, &[]);
        let second = stuck.place.opens(&["restore", "latest", "--to", &stuck.cluster.url(&copy)]);
        second.fails(Kind::Locked).says(&format!("another restore into {copy} is running"));
        running.signal(Signal::TERM);
        running.wait().assert_failure(Kind::Terminated);
    }
}

/// A database that came by the name in the meantime is not touched, and the restored one is not lost.
#[test]
fn a_name_that_was_taken_meanwhile_is_left_alone() {
    let stuck = Stuck::shared();
    let copy = fresh("taken");
    let running = stuck.restore(&copy, &[]);
    stuck.cluster.psql("postgres", &format!("CREATE DATABASE {copy}"));
    stuck.cluster.psql(&copy, "CREATE TABLE somebody_elses (n int)");
    stuck.wake(&copy);
    let run = running.wait().assert_failure(Kind::TargetExists);
    run.says("was created while this run was restoring").says("is whole and proven").says("RENAME TO");
    assert_eq!(stuck.cluster.psql(&copy, "SELECT count(*) FROM somebody_elses"), "0");
    let restored = named(stuck.cluster, &format!("{copy}_restored_"));
    assert_eq!(stuck.cluster.psql(&restored, "SELECT count(*) FROM slow"), "2000");
}

/// If somebody replaced the database that is being filled, the new one is not ours to drop.
#[test]
fn a_database_that_is_not_ours_any_more_is_not_dropped() {
    let stuck = Stuck::shared();
    let copy = fresh("not_ours");
    let running = stuck.restore(&copy, &[]);
    let filling = named(stuck.cluster, &copy);
    stuck.cluster.psql("postgres", &format!("DROP DATABASE {filling} WITH (FORCE)"));
    stuck.cluster.psql("postgres", &format!("CREATE DATABASE {filling}"));
    running.wait().assert_failure(Kind::Postgres);
    assert_eq!(named(stuck.cluster, &copy), filling);
}

/// While it is compared too: a copy that its grants and settings are not yet given to would let in whom the source keeps out.
#[test]
fn a_signal_while_it_is_compared_leaves_nothing_either() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("compared");
    // ANALYZE computes what is in the index, row by row.
    let slow = "CREATE FUNCTION slow(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.2); RETURN n; END';
         CREATE TABLE t AS SELECT generate_series(1, 10) n; CREATE INDEX ON t (slow(n))";
    cluster.psql(&database, slow);
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    for words in [&["--jobs", "1"][..], &["--jobs", "2"]] {
        let copy = fresh("compared");
        let running = place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).args(words).spawn();
        let analyzes = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE '{copy}%' AND query LIKE '%ANALYZE%' AND wait_event = 'PgSleep'"
        );
        eventually("it is analyzed", || cluster.psql("postgres", &analyzes) == "1");
        running.signal(Signal::TERM);
        let run = running.wait().assert_failure(Kind::Terminated);
        run.says("dropped the new database");
        let left = format!("SELECT count(*) FROM pg_database WHERE datname LIKE '{copy}%'");
        assert_eq!(cluster.psql("postgres", &left), "0");
    }
}

/// After a crash of one session a server ends all, and starts again: what was begun does not stay for that.
#[test]
fn a_server_that_starts_again_is_waited_for() {
    let stuck = Stuck::on(Box::leak(Box::new(Cluster::start(Major::Distribution))));
    for _ in 0..2 {
        let copy = fresh("crashed");
        // Several workers load their parts again.
        let running = stuck.restore(&copy, &["--jobs", "1"]);
        let sleeps = format!(
            "SELECT pid FROM pg_stat_activity WHERE datname LIKE '{copy}%' AND wait_event = 'PgSleep' LIMIT 1"
        );
        let pid: i32 = stuck.cluster.psql("postgres", &sleeps).parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        running.wait().assert_failure(Kind::Postgres);
        let left = format!("SELECT count(*) FROM pg_database WHERE datname LIKE '{copy}%'");
        assert_eq!(stuck.cluster.psql("postgres", &left), "0");
    }
}
