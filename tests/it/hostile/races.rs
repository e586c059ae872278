//! Objects are created, replaced, dropped and locked while a backup reads their definitions: one that ends with 0
//! restores, and none waits for ever.

use crate::scene::{Keys, Place, fresh, login_and_reader};
use crate::servers::postgres::{Cluster, Major, USER};
use pgstow::error::Kind;
use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

pub(super) const MAJORS: [Major; 2] = [Major::Distribution, Major::V18];

/// A session of somebody else that runs a script; ended on drop.
pub(super) struct Session(Child);

impl Session {
    /// One that waits for statements.
    pub(super) fn open(cluster: &Cluster, database: &str) -> Session {
        let mut psql = cluster.client("psql");
        psql.args(["-Xq", "-d", database]).stdin(Stdio::piped()).stdout(Stdio::null());
        Session(psql.spawn().unwrap())
    }

    pub(super) fn does(&mut self, sql: &str) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{sql};").unwrap();
    }

    pub(super) fn runs(cluster: &Cluster, database: &str, script: String) -> Session {
        let mut psql = cluster.client("psql");
        psql.args(["-Xq", "-d", database, "-f", "-"]).stdin(Stdio::piped());
        let mut child = psql.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::spawn(move || stdin.write_all(script.as_bytes()));
        Session(child)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The newest backup restores.
#[track_caller]
pub(super) fn restores(place: &Place, cluster: &Cluster, name: &str) {
    let copy = fresh("race");
    place.opens(&["restore", "latest", "--name", name, "--to", &cluster.url(&copy)]).succeeds();
    cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
}

/// `pg_dump` has its snapshot when it waits for a table; what is dropped then has no definition any more.
#[test]
fn a_function_dropped_after_the_snapshot() {
    for major in MAJORS {
        let (cluster, place) = (Cluster::shared(major), Place::folder());
        let database = cluster.create_database("torn");
        cluster.psql(
            &database,
            "CREATE TABLE gate (n int); CREATE TABLE t AS SELECT generate_series(1, 100) n;
             CREATE TYPE pair AS (a int, b int);
             CREATE FUNCTION first(pair) RETURNS int LANGUAGE sql AS 'SELECT $1.a'",
        );
        let gate = Session::runs(cluster, &database, "BEGIN; LOCK TABLE gate; SELECT pg_sleep(100);".into());
        let locked = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'gate'::regclass AND granted";
        cluster.eventually(&database, locked);
        let backup = std::thread::scope(|scope| {
            let backup = scope.spawn(|| place.backup_run(&cluster.url(&database)));
            let waits = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'gate'::regclass AND NOT granted";
            cluster.eventually(&database, waits);
            cluster.psql(&database, "DROP TYPE pair CASCADE");
            drop(gate);
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(100)%' \
                       AND pid <> pg_backend_pid() AND datname = current_database()";
            cluster.psql(&database, end);
            backup.join().unwrap()
        });
        backup.says("pg_dump begins again: ");
        restores(&place, cluster, &database);
    }
}

/// A session that holds the table `gate`, at which every `pg_dump` waits after it has listed all tables.
pub(super) struct Gate<'a> {
    cluster: &'a Cluster,
    database: &'a str,
    psql: Session,
    /// The sessions of `pg_dump` that waited.
    waited: Vec<String>,
}

impl<'a> Gate<'a> {
    pub(super) fn hold(cluster: &'a Cluster, database: &'a str) -> Gate<'a> {
        let psql = Session::open(cluster, database);
        let mut gate = Gate { cluster, database, psql, waited: Vec::new() };
        gate.does("BEGIN; LOCK TABLE gate");
        cluster.eventually(
            database,
            "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'gate'::regclass AND granted",
        );
        gate
    }

    pub(super) fn does(&mut self, sql: &str) {
        self.psql.does(sql);
    }

    /// Waits for the next `pg_dump`.
    #[track_caller]
    pub(super) fn is_reached(&mut self) {
        // Not one of ours that asks how large the table is.
        let waiting =
            "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE relation = 'gate'::regclass
                       AND mode = 'AccessShareLock' AND NOT granted AND query LIKE '%LOCK TABLE%'";
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let pid = self.cluster.psql(self.database, waiting);
            if !pid.is_empty() && !self.waited.contains(&pid) {
                return self.waited.push(pid);
            }
            assert!(Instant::now() < deadline, "no pg_dump came to the gate");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// `pg_dump` lists all tables and then locks them, one after another: one that is dropped in between makes it fail.
#[test]
fn a_table_dropped_while_the_dump_begins() {
    for major in MAJORS {
        let cluster = Cluster::shared(major);
        for drops in [1, 3] {
            let (place, database) = (Place::folder(), cluster.create_database("dropped"));
            cluster.psql(
                &database,
                "CREATE TABLE gate (n int); CREATE TABLE victim_1 (n int); CREATE TABLE victim_2 (n int);
                 CREATE TABLE victim_3 (n int); CREATE TABLE t AS SELECT 1 AS n",
            );
            let mut gate = Gate::hold(cluster, &database);
            let backup = place.pgstow(&["backup", "--no-encryption", &cluster.url(&database)]).spawn();
            for drop in 1..=drops {
                gate.is_reached();
                let again = if drop < drops { "BEGIN; LOCK TABLE gate" } else { "" };
                gate.does(&format!("DROP TABLE victim_{drop}; COMMIT; {again}"));
            }
            let run = backup.wait();
            let gone = |n: u32| format!("relation \"public.victim_{n}\" does not exist");
            let begun = run.stderr.matches("pg_dump begins again: ").count();
            if drops == 1 {
                assert_eq!(begun, 1, "{run}");
                run.assert_success().says(&gone(1));
                restores(&place, cluster, &database);
            } else {
                assert_eq!(begun, 2, "{run}");
                let run = run.assert_failure(Kind::Postgres).says("error: pg_dump failed").says(&gone(3));
                run.says("hint: something changes definitions all the time");
                assert_eq!(place.keys(), Vec::<String>::new());
            }
        }
    }
}

/// What changes without being redefined disturbs nobody.
#[test]
fn ordinary_work_next_to_a_backup() {
    for major in MAJORS {
        let (cluster, place) = (Cluster::shared(major), Place::folder());
        let database = cluster.create_database("busy");
        cluster.psql(
            &database,
            "CREATE TABLE t AS SELECT generate_series(1, 100) n; CREATE MATERIALIZED VIEW m AS SELECT * FROM t;
             CREATE TABLE staging (n int); CREATE SEQUENCE s",
        );
        // Of a table that is emptied all the time, no backup has rows that it had together with all others.
        let url = cluster.url(&database);
        let recipient = &Keys::shared().recipient;
        let backup = ["backup", "--recipient", recipient, "--exclude-table-data", "staging", &url];
        let work = "INSERT INTO t SELECT nextval('s'); ANALYZE; CREATE TEMPORARY TABLE x (n serial PRIMARY KEY); \
                    CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; TRUNCATE staging; \
                    REFRESH MATERIALIZED VIEW m; DROP FUNCTION pg_temp.f(); DROP TABLE x;\n";
        let _work = Session::runs(cluster, &database, work.repeat(20_000));
        for _ in 0..3 {
            let run = place.pgstow(&backup).succeeds();
            assert!(!run.stderr.contains("begins again"), "{run}");
        }
        restores(&place, cluster, &database);
    }
}

#[test]
fn definitions_next_to_backups() {
    next_to_backups(8);
}

#[test]
#[ignore = "five minutes"]
fn definitions_next_to_many_backups() {
    next_to_backups(40);
}

/// Creates, replaces and drops functions, types and aggregates, in bursts, while backups are taken.
fn next_to_backups(rounds: usize) {
    for major in MAJORS {
        let (cluster, place) = (Cluster::shared(major), Place::folder());
        let database = cluster.create_database("churn");
        let mut lasting = String::from("CREATE TABLE t AS SELECT generate_series(1, 100) n;");
        for n in 0..150 {
            lasting.push_str(&format!("CREATE FUNCTION f{n}(int) RETURNS int LANGUAGE sql AS 'SELECT {n}';"));
        }
        cluster.psql(&database, &lasting);
        let churn = "CREATE TYPE a_pair AS (a int, b int); CREATE TYPE z_mood AS ENUM ('x', 'y');\n\
            CREATE FUNCTION a_step(int, a_pair) RETURNS int LANGUAGE sql AS 'SELECT $1 + $2.a';\n\
            CREATE FUNCTION z_mood_of(a_pair, z_mood DEFAULT 'x') RETURNS z_mood LANGUAGE sql AS 'SELECT $2';\n\
            CREATE AGGREGATE m_sum(a_pair) (SFUNC = a_step, STYPE = int, INITCOND = '0');\n\
            CREATE OR REPLACE FUNCTION z_mood_of(a_pair, z_mood DEFAULT 'y') RETURNS z_mood LANGUAGE sql AS 'SELECT $2';\n\
            DROP AGGREGATE m_sum(a_pair); DROP TYPE z_mood CASCADE; DROP TYPE a_pair CASCADE;\n";
        let burst = format!("{}SELECT pg_sleep(random());\n", churn.repeat(40));
        let _churn = Session::runs(cluster, &database, burst.repeat(2_000));
        let (mut made, mut again) = (0, 0);
        for _ in 0..rounds {
            let run = place.try_backup(&cluster.url(&database));
            again += run.stderr.matches("begins again").count();
            if run.status.success() {
                made += 1;
                restores(&place, cluster, &database);
            } else {
                run.assert_failure(Kind::Postgres).says("3 times in a row");
            }
        }
        eprintln!("{major:?}: {made} of {rounds} backups were made, pg_dump was begun again {again} times");
        assert!(made > 0, "no backup was made");
    }
}

/// The lock is one that `pg_dump` does not take itself, so its own limit does not end the wait.
#[test]
fn a_definition_locked_by_somebody_else() {
    for major in MAJORS {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("stuck");
        cluster.psql(
            &database,
            "CREATE TABLE t (n int); CREATE VIEW v AS SELECT * FROM t; CREATE SEQUENCE s;
             CREATE MATERIALIZED VIEW m AS SELECT * FROM t",
        );
        // Its sessions may become a role that does not see what they wait for.
        let (login, reader) = login_and_reader(cluster);
        let url = cluster.url(&database);
        let theirs = url.replace(&format!("//{USER}:"), &format!("//{login}:"));
        let role = format!("--pg-dump-arg=--role={reader}");
        for locking in
            ["DROP VIEW v", "ALTER VIEW v RENAME TO w", "DROP SEQUENCE s", "DROP MATERIALIZED VIEW m"]
        {
            let held = format!("BEGIN;\n{locking};\nSELECT pg_sleep(100);\n");
            let holder = Session::runs(cluster, &database, held);
            let sleeps = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(100)%' \
                          AND pid <> pg_backend_pid() AND datname = current_database()";
            cluster.eventually(&database, sleeps);
            let place = Place::folder();
            let backup = ["backup", "--no-encryption", "--lock-wait-timeout", "1s"];
            let run = place.pgstow(&backup).arg(&url).fails(Kind::Postgres);
            run.says("pg_dump has been waiting for a lock for 1s")
                .says("it is held by process ")
                .says("role postgres, psql, active, in a transaction since ");
            if locking == "DROP VIEW v" {
                let run = place.pgstow(&backup).args([&theirs, &role]).fails(Kind::Postgres);
                run.says("pg_dump has been waiting for a lock for 1s").says("(role postgres, psql)");
            }
            assert!(place.keys().is_empty(), "{:?}", place.keys());
            drop(holder);
            let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(100)%' \
                       AND pid <> pg_backend_pid() AND datname = current_database()";
            cluster.psql(&database, end);
            cluster.eventually(&database, &sleeps.replace("> 0", "= 0"));
        }
    }
}
