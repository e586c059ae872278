//! Two backups of one name at once: the second waits, or leaves.

use crate::harness::Pgstow;
use crate::scene::{Keys, Place};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use rustix::process::Signal;
use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A database with one table that somebody has locked, so that a backup of it stands still.
struct Stuck {
    cluster: &'static Cluster,
    database: String,
    psql: Child,
}

impl Stuck {
    fn new() -> Stuck {
        let cluster = Cluster::shared(Major::Distribution);
        let database = cluster.create_database("stuck");
        cluster.psql(&database, "CREATE TABLE t (n int); INSERT INTO t SELECT generate_series(1, 10)");
        let mut psql = cluster.client("psql");
        let mut psql = psql.args(["-Xq", "-d", &database]).stdin(Stdio::piped()).spawn().unwrap();
        let orders = b"BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE;\n";
        psql.stdin.as_mut().unwrap().write_all(orders).unwrap();
        let stuck = Stuck { cluster, database, psql };
        stuck.until("relation::regclass = 't'::regclass AND granted");
        stuck
    }

    /// Waits until there is such a lock.
    #[track_caller]
    fn until(&self, such: &str) {
        let question = format!("SELECT count(*) > 0 FROM pg_locks WHERE {such}");
        self.cluster.eventually(&self.database, &question);
    }

    /// Lets the backup go on.
    fn go(&mut self) {
        drop(self.psql.stdin.take());
        assert!(self.psql.wait().unwrap().success());
    }

    fn backup(&self, place: &Place, words: &[&str]) -> Pgstow {
        let words = words.iter().copied().map(str::to_owned).chain([self.cluster.url(&self.database)]);
        place.pgstow(&["backup", "--recipient", &Keys::shared().recipient]).args(words)
    }

    /// Begins a backup, which stands still from then on.
    fn standing_still(&self, place: &Place) -> crate::harness::Running {
        let first = self.backup(place, &[]).spawn();
        self.until("relation::regclass = 't'::regclass AND NOT granted");
        first
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}

fn listed(place: &Place) -> usize {
    place.pgstow(&["list", "--json"]).succeeds().json().as_array().unwrap().len()
}

#[test]
fn the_second_of_two_leaves_or_waits() {
    let mut stuck = Stuck::new();
    let place = Place::folder();
    let first = stuck.standing_still(&place);
    let refused = stuck.backup(&place, &[]).fails(Kind::Locked);
    refused.says("another backup of stuck_").says("is running").says("--wait 10m");
    let since = Instant::now();
    stuck.backup(&place, &["--wait", "2s"]).fails(Kind::Locked);
    assert!(since.elapsed() >= Duration::from_secs(2));
    // Another name is another matter, and so is another store.
    stuck.backup(&place, &["--name", "other", "--exclude-table", "t"]).succeeds();
    stuck.backup(&Place::folder(), &["--exclude-table", "t"]).succeeds();

    let waits = stuck.backup(&place, &["--wait", "60s"]).spawn();
    // It has begun to wait when its session is there too.
    let sessions = format!("datname = '{}' AND query LIKE '%pg_try_advisory_lock%'", stuck.database);
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE {sessions} AND pid <> pg_backend_pid()");
    stuck.cluster.eventually("postgres", &format!("SELECT ({count}) = 2"));
    stuck.go();
    first.wait().assert_success();
    waits.wait().assert_success().says("waiting for it");
    assert_eq!(listed(&place), 3);
    assert_eq!(stuck.cluster.psql("postgres", &count), "0");
}

#[test]
fn a_killed_backup_leaves_no_lock() {
    for (signal, kind) in [(Signal::KILL, None), (Signal::TERM, Some(Kind::Terminated))] {
        let mut stuck = Stuck::new();
        let place = Place::folder();
        let first = stuck.standing_still(&place);
        first.signal(signal);
        let ended = first.wait();
        if let Some(kind) = kind {
            ended.assert_failure(kind);
        }
        stuck.go();
        // Its psql takes a moment to see that nobody is there any more.
        stuck.backup(&place, &["--wait", "10s"]).succeeds();
        assert_eq!(listed(&place), 1);
    }
}

/// What the documentation says of the key is enough to take the lock by hand.
#[test]
fn the_key_is_what_the_documentation_says() {
    let (cluster, place) = (Cluster::shared(Major::V18), Place::folder());
    let database = cluster.create_database("keyed");
    let mut psql = cluster.client("psql");
    let mut psql = psql.args(["-XAtq", "-d", &database]).stdin(Stdio::piped()).spawn().unwrap();
    psql.stdin.as_mut().unwrap().write_all(by_hand(&place, "nightly").as_bytes()).unwrap();
    cluster.eventually(&database, HELD);
    let backup = || {
        place
            .pgstow(&["backup", "--name", "nightly", "--recipient", &Keys::shared().recipient])
            .arg(cluster.url(&database))
    };
    backup().fails(Kind::Locked);
    psql.kill().unwrap();
    psql.wait().unwrap();
    backup().args(["--wait", "10s"]).succeeds();
}

/// There the lock is the standby's own.
#[test]
fn a_standby_has_locks_too() {
    let primary = Cluster::start(Major::Distribution);
    primary.psql("postgres", "CREATE DATABASE app");
    primary.psql("app", "CREATE TABLE t AS SELECT generate_series(1, 10) n");
    let (standby, place) = (primary.standby(), Place::folder());
    let words = ["backup", "--recipient", &Keys::shared().recipient];
    let run = place.pgstow(&words).arg(standby.url("app")).succeeds();
    assert_eq!(run.stderr.matches("the server is a standby").count(), 1, "{run}");
    assert_eq!(listed(&place), 1);
    let run = place.pgstow(&words).args([&standby.url("app"), "--accept", "standby"]).succeeds();
    assert!(!run.stderr.contains("standby"), "{run}");
    let mut psql = standby.client("psql");
    let mut psql = psql.args(["-XAtq", "-d", "app"]).stdin(Stdio::piped()).spawn().unwrap();
    psql.stdin.as_mut().unwrap().write_all(by_hand(&place, "app").as_bytes()).unwrap();
    standby.eventually("app", HELD);
    place.pgstow(&words).arg(standby.url("app")).fails(Kind::Locked);
    place.pgstow(&words).arg(primary.url("app")).succeeds();
    psql.kill().unwrap();
    psql.wait().unwrap();
}

/// Whether somebody holds the lock.
const HELD: &str = "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND granted";

/// The statement that takes the lock, as the documentation tells it.
fn by_hand(place: &Place, name: &str) -> String {
    let hash = format!("encode(sha256('{}/{name}'), 'hex')", place.url());
    format!("SELECT pg_advisory_lock(x'70677374'::int, ('x' || left({hash}, 8))::bit(32)::int);\n")
}
