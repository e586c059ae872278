//! A connection that is dead, though nothing has ended it: bytes stop in one direction, and TCP still acknowledges
//! all. Nobody waits for it for ever.

use crate::harness::Run;
use crate::scene::{Place, SLOW_INDEX, add_bulk, fresh, login_and_reader, named};
use crate::servers::at_once;
use crate::servers::postgres::{Cluster, Major, PASSWORD, USER};
use pgstow::error::Kind;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Where the bytes go that stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    FromServer,
    ToServer,
}

/// A proxy in which one connection falls silent after a number of bytes, and no other does.
struct Swallower {
    port: u16,
    silent: Arc<AtomicBool>,
}

impl Swallower {
    fn start(cluster: &Cluster, direction: Direction, after: usize) -> Swallower {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, server) = (listener.local_addr().unwrap().port(), cluster.port);
        let silent = Arc::new(AtomicBool::new(false));
        let fallen = Arc::clone(&silent);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let server = TcpStream::connect(("127.0.0.1", server)).and_then(at_once).unwrap();
                let client = client.and_then(at_once).unwrap();
                for (way, from, to) in [
                    (Direction::ToServer, client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (Direction::FromServer, server, client),
                ] {
                    let (fallen, limit) =
                        (Arc::clone(&fallen), if way == direction { after } else { usize::MAX });
                    std::thread::spawn(move || pass(from, to, limit, &fallen));
                }
            }
        });
        Swallower { port, silent }
    }

    /// A connection URL for a database, over which nobody is waited for longer than some seconds.
    fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}?tcp_user_timeout=4000", self.port)
    }

    #[track_caller]
    fn has_fallen_silent(&self, run: &Run) {
        assert!(self.silent.load(Ordering::Relaxed), "no connection fell silent: {run}");
    }
}

/// Passes bytes on; what comes after the limit is taken, and goes nowhere.
fn pass(mut from: TcpStream, mut to: TcpStream, limit: usize, fallen: &AtomicBool) {
    let (mut buffer, mut passed, mut silent) = (vec![0; 16 << 10], 0, false);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        passed += count;
        if passed > limit && !fallen.swap(true, Ordering::Relaxed) {
            silent = true;
        }
        if !silent && to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // A dead connection is not closed either.
    if silent {
        std::thread::sleep(Duration::from_secs(300));
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// A database of some megabytes.
fn source() -> (&'static Cluster, String) {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("silent");
    add_bulk(cluster, &database, 4 << 10);
    (cluster, database)
}

const WORDS: &str = "has been waiting for the server for 8s, and the connection is dead";

#[test]
fn a_backup_gives_a_silent_server_up() {
    let (cluster, database) = source();
    let (swallower, place) = (Swallower::start(cluster, Direction::FromServer, 1 << 20), Place::folder());
    let run = place.try_backup(&swallower.url(&database));
    swallower.has_fallen_silent(&run);
    run.assert_failure(Kind::Postgres).says("pg_dump").says(WORDS).says("on the server, process ");
    assert_eq!(place.keys(), Vec::<String>::new());
}

/// What is asked before a dump is answered by one connection each.
#[test]
fn a_question_gives_a_silent_server_up() {
    let (cluster, database) = source();
    for after in [0, 600] {
        let swallower = Swallower::start(cluster, Direction::FromServer, after);
        let place = Place::folder();
        let run = place.try_backup(&swallower.url(&database));
        swallower.has_fallen_silent(&run);
        let run = run.assert_failure(Kind::Postgres);
        assert!(run.stderr.contains(WORDS) || run.stderr.contains("timeout expired"), "{run}");
        assert_eq!(place.keys(), Vec::<String>::new());
    }
}

#[test]
fn a_restore_gives_a_silent_server_up() {
    let (cluster, database) = source();
    let place = Place::folder();
    place.backup(&cluster.url(&database), &["--name", "silent"]);
    for (direction, after) in [(Direction::ToServer, 1 << 20), (Direction::FromServer, 1 << 10)] {
        for jobs in ["1", "2"] {
            let swallower = Swallower::start(cluster, direction, after);
            let copy = fresh("silent");
            let run =
                place.opens(&["restore", "latest", "--jobs", jobs, "--to", &swallower.url(&copy)]).run();
            swallower.has_fallen_silent(&run);
            // What workers load is begun again over another connection.
            if !run.status.success() {
                let run = run.assert_failure(Kind::Postgres);
                assert!(
                    run.stderr.contains("dead") || run.stderr.contains("lost"),
                    "{direction:?} {jobs}: {run}"
                );
                assert_eq!(named(cluster, &copy), "", "{direction:?} {jobs}");
            }
        }
    }
}

#[test]
fn a_clone_gives_both_silent_servers_up() {
    let (cluster, database) = source();
    for (direction, is_source) in [(Direction::FromServer, true), (Direction::ToServer, false)] {
        let swallower = Swallower::start(cluster, direction, 1 << 20);
        let copy = fresh("silent");
        let (from, to) = match is_source {
            true => (swallower.url(&database), cluster.url(&copy)),
            false => (cluster.url(&database), swallower.url(&copy)),
        };
        let run = Place::folder().pgstow(&["clone", &from, &to]).run();
        swallower.has_fallen_silent(&run);
        run.assert_failure(Kind::Postgres).says("the connection is dead");
        assert_eq!(named(cluster, &copy), "", "{direction:?}");
    }
}

/// Silence alone proves nothing: a server that works is waited for.
#[test]
fn a_server_that_works_is_waited_for() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("slow");
    cluster.psql(&database, SLOW_INDEX);
    let place = Place::folder();
    place.backup(&cluster.url(&database), &["--name", "slow"]);
    let url = |copy: &str| format!("{}?tcp_user_timeout=3000", cluster.url(copy));
    place.opens(&["restore", "latest", "--to", &url(&fresh("slow"))]).succeeds();

    // The role that pg_dump takes may not see what the sessions of the one that logs in do.
    let (login, reader) = login_and_reader(cluster);
    let mut holder = cluster.client("psql");
    holder.args(["-Xq", "-d", &database, "-c", "BEGIN; LOCK TABLE t; SELECT pg_sleep(12)"]);
    let mut holder = holder.stdout(Stdio::null()).spawn().unwrap();
    let held =
        "SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 't'::regclass";
    cluster.eventually(&database, held);
    let url = url(&database).replace(&format!("//{USER}:"), &format!("//{login}:"));
    let role = format!("--pg-dump-arg=--role={reader}");
    let backup = || place.pgstow(&["backup", "--no-encryption", "--name", "waiting", &role, &url]);
    // Nor may anybody see it of a role that is not tracked, which is no reason to take it for dead.
    let untracked = format!("ALTER ROLE {login} SET track_activities = off");
    let other = {
        cluster.psql("postgres", &untracked);
        let other = backup().spawn();
        cluster.eventually(
            &database,
            "SELECT count(*) > 0 FROM pg_locks WHERE relation = 't'::regclass AND NOT granted",
        );
        cluster.psql("postgres", &untracked.replace("= off", "= on"));
        other
    };
    place.pgstow(&["backup", "--no-encryption", "--name", "tracked", &role, &url]).succeeds();
    other.wait().assert_success();
    assert!(holder.wait().unwrap().success());
}
