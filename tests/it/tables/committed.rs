//! `restore --into` that ends while its COMMIT is on its way: whoever takes it for undone runs it again, and has the rows
//! twice.

use crate::back::ended::children;
use crate::harness::{Run, Running, eventually};
use crate::scene::{Place, fresh};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use rustix::process::{Pid, Signal, kill_process};

/// A table without a key, with ten rows, which are in a backup too.
struct Table {
    cluster: Cluster,
    database: String,
    place: Place,
}

impl Table {
    fn new(after: &str) -> Table {
        let cluster = Cluster::start(Major::Distribution);
        let database = fresh("committed");
        cluster.psql("postgres", &format!("CREATE DATABASE {database}"));
        cluster.psql(&database, "CREATE TABLE t AS SELECT generate_series(1, 10) n");
        let place = Place::folder();
        place.backup(&cluster.url(&database), &["--name", "t"]);
        cluster.psql(&database, after);
        Table { cluster, database, place }
    }

    /// Begins to append the rows, and waits until the server has this to say of the COMMIT.
    fn committing(&self, is_so: &str) -> Running {
        let url = self.cluster.url(&self.database);
        let running = self.place.opens(&["restore", "latest", "--into", &url, "--table", "public.t"]).spawn();
        let question = format!("SELECT count(*) FROM pg_stat_activity WHERE {is_so}");
        eventually("COMMIT is on its way", || self.cluster.psql("postgres", &question) == "1");
        running
    }

    fn holds(&self, rows: &str) {
        assert_eq!(self.cluster.psql(&self.database, "SELECT count(*) FROM t"), rows);
    }
}

fn is_said_to_be_there(run: Run) {
    run.says("its transaction was committed, and the rows are in the database").says("do not run it again");
}

#[test]
fn a_signal_while_a_standby_is_waited_for() {
    let table = Table::new("SELECT 1");
    let waits = format!("ALTER DATABASE {} SET synchronous_commit = on", table.database);
    table.cluster.psql("postgres", &waits);
    for set in ["ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()"] {
        table.cluster.psql("postgres", set);
    }
    for (signal, kind, rows) in
        [(Signal::INT, Kind::Interrupted, "20"), (Signal::TERM, Kind::Terminated, "30")]
    {
        let running = table.committing("wait_event = 'SyncRep'");
        running.signal(signal);
        is_said_to_be_there(running.wait().assert_failure(kind));
        table.holds(rows);
    }
}

#[test]
fn pg_restore_is_killed_during_its_commit() {
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()";
    let table = Table::new(slow);
    let during = "query LIKE 'COMMIT%' AND state = 'active'";
    let running = table.committing(during);
    let children = children(running.pid(), "pg_restore");
    let [child] = children[..] else { panic!("{children:?}") };
    kill_process(Pid::from_raw(child.cast_signed()).unwrap(), Signal::KILL).unwrap();
    is_said_to_be_there(running.wait().assert_failure(Kind::Postgres));
    table.holds("20");
    // What the signal takes back, nobody needs to look for.
    let running = table.committing(during);
    running.signal(Signal::INT);
    let run = running.wait().assert_failure(Kind::Interrupted);
    assert!(!run.stderr.contains("its transaction"), "{run}");
    table.holds("20");
}
