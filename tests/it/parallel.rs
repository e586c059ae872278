//! Several sessions that read one database: the archive is like `pg_dump`'s own, and no row is there twice or not at all.

mod locks;
mod lost;
mod moving;
mod places;

use crate::harness::{Pgstow, Run, pgstow};
use crate::scene::{Place, add_bulk, for_major, fresh, motley, reader_with_few};
use crate::servers::postgres::{Cluster, Major, PASSWORD};
use pgstow::error::Kind;
use serde_json::Value;
use std::process::{Child, Command, Stdio};

const MAJORS: [Major; 3] = [Major::Distribution, Major::V17, Major::V18];

/// What is unusual about a table that is large enough to be read in ranges of 64 KiB.
const LARGE: &str = r#"
CREATE SCHEMA large;
SET search_path = large;
CREATE TABLE "O""dd|(.*) $name" (id int PRIMARY KEY, gone int, "a b" text, twice int GENERATED ALWAYS AS (id * 2) STORED);
ALTER TABLE "O""dd|(.*) $name" DROP COLUMN gone;
INSERT INTO "O""dd|(.*) $name" SELECT n, E'x\ty\\\nz ' || n FROM generate_series(1, 20000) n;
CREATE TABLE toasted (id int PRIMARY KEY, value text);
ALTER TABLE toasted ALTER value SET STORAGE EXTERNAL;
INSERT INTO toasted SELECT n, repeat(n::text, CASE WHEN n = 700 THEN 2000000 WHEN n % 100 = 0 THEN 100000 ELSE 10 END)
  FROM generate_series(1, 3000) n;
CREATE TABLE emptied AS SELECT n, repeat('x', 200) FROM generate_series(1, 5000) n;
DELETE FROM emptied;
CREATE TABLE gaps AS SELECT n, repeat('x', 200) FROM generate_series(1, 20000) n;
DELETE FROM gaps WHERE n BETWEEN 3000 AND 15000;
UPDATE gaps SET n = -n WHERE n % 7 = 0;
CREATE TABLE parent AS SELECT n FROM generate_series(1, 20000) n;
CREATE TABLE child (more text) INHERITS (parent);
INSERT INTO child SELECT n, 'child' FROM generate_series(1, 20000) n;
CREATE TABLE hashed (n int) PARTITION BY HASH (n);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO hashed SELECT generate_series(1, 40000);
CREATE TABLE hidden AS SELECT n FROM generate_series(1, 20000) n;
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
CREATE UNLOGGED TABLE unlogged AS SELECT n FROM generate_series(1, 20000) n;
CREATE TABLE columnless ();
INSERT INTO columnless SELECT FROM generate_series(1, 20000);
CREATE TABLE counts AS SELECT 'COPY 7'::text FROM generate_series(1, 20000) n;
SELECT lo_from_bytea(0, decode(repeat('ab', 100000), 'hex')) FROM generate_series(1, 3) n;
"#;

/// A backup that is read in ranges of 64 KiB, by this many sessions.
fn backup(place: &Place, url: &str, name: &str, sessions: &str) -> Run {
    ranges(place, url, name, sessions, "64KiB").run()
}

/// The same in ranges of this size, not started yet.
fn ranges(place: &Place, url: &str, name: &str, sessions: &str, size: &str) -> Pgstow {
    let words =
        ["backup", "--no-encryption", "--name", name, "--reader-range", size, "--readers", sessions, url];
    place.pgstow(&words)
}

/// Its tables, each with its name, number of rows and digest.
fn tables(place: &Place, name: &str) -> Vec<Value> {
    let shown = place.opens(&["show", "latest", "--tables", "--json", "--name", name]).succeeds().json();
    let tables = shown["tables"].as_array().unwrap();
    tables.clone()
}

/// A `psql` that works until it is dropped.
pub struct Work(Child);

impl Work {
    fn begin(cluster: &Cluster, database: &str, sql: String) -> Work {
        let mut psql: Command = cluster.client("psql");
        psql.args(["-X", "-q", "-d", database])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = psql.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::spawn(move || std::io::Write::write_all(&mut stdin, sql.as_bytes()));
        Work(child)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A session that has done this in a transaction, and goes on with that until it is ended.
pub fn hold(cluster: &Cluster, database: &str, sql: &str) -> Work {
    let holder = Work::begin(cluster, database, format!("BEGIN; {sql}; SELECT 'held', pg_sleep(600);"));
    let held = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'SELECT ''held''%' AND pid <> pg_backend_pid()";
    cluster.eventually(database, held);
    holder
}

/// Ends it.
pub fn release(cluster: &Cluster, database: &str) {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE query LIKE 'SELECT ''held''%' AND pid <> pg_backend_pid()";
    assert_eq!(cluster.psql(database, end), "1");
}

#[test]
fn what_several_read_is_what_one_reads() {
    for major in MAJORS {
        let (cluster, place) = (Cluster::shared(major), Place::folder());
        let database = motley(cluster, "several");
        cluster.psql(&database, &for_major(major, LARGE));
        let url = cluster.url(&database);
        backup(&place, &url, "one", "1").assert_success();
        let one = tables(&place, "one");
        for sessions in ["2", "5"] {
            let run = backup(&place, &url, sessions, sessions).assert_success();
            run.says(&format!("with {sessions} sessions at the same time"));
            assert_eq!(tables(&place, sessions), one, "{major:?} with {sessions}");
        }
        // Everybody else reads it too: pg_restore from a pipe, our own with several workers, and the digests of what came.
        let (piped, copy) = (fresh("piped"), fresh("copy"));
        let archive = place.opens(&["fetch", "latest", "--name", "5", "-o", "-"]).succeeds().stdout;
        cluster.psql("postgres", &format!("CREATE DATABASE {piped}"));
        let mut restore = cluster.client("pg_restore");
        restore.args(["-1", "-d", &piped]).stdin(Stdio::piped());
        let mut child = restore.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &archive).unwrap();
        assert!(child.wait().unwrap().success());
        let sums = "SELECT sum(id) || ' ' || sum(length(value)) FROM large.toasted";
        assert_eq!(cluster.psql(&piped, sums), cluster.psql(&database, sums));
        let words = [
            "restore",
            "latest",
            "--name",
            "5",
            "--jobs",
            "3",
            "--proof",
            "digests",
            "--to",
            &cluster.url(&copy),
        ];
        place.opens(&words).succeeds().says("digest by digest");
    }
}

#[test]
fn a_clone_is_read_by_several_too() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("original");
    add_bulk(cluster, &database, 2000);
    let (url, copy) = (cluster.url(&database), fresh("clone"));
    let run = pgstow(["clone", "--readers", "3", "--reader-range", "64KiB", &url, &copy]).succeeds();
    run.says("with 3 sessions at the same time").says("2,000 rows");
}

#[test]
fn one_reads_if_several_cannot() {
    let cluster = Cluster::shared(Major::Distribution);
    let (database, place) = (cluster.create_database("alone"), Place::folder());
    let url = cluster.url(&database);
    let pooled = ["backup", "--no-encryption", "--readers", "2", "--allow-pooled", &url];
    place.pgstow(&pooled).fails(Kind::Usage).says("and not to a pooler");
    cluster.psql(&database, "CREATE TABLE small AS SELECT 1 AS n");
    backup(&place, &url, "small", "2").assert_success().says("no table is large enough");
    add_bulk(cluster, &database, 1000);

    let run =
        place.pgstow(&["backup", "--no-encryption", "--readers", "2", "--pg-dump-arg=--role=postgres", &url]);
    run.succeeds().says("with the option --role=postgres of pg_dump that is not possible");

    let cluster = Cluster::shared(Major::V13);
    let database = cluster.create_database("old");
    add_bulk(cluster, &database, 1000);
    let run = backup(&place, &cluster.url(&database), "old", "2").assert_success();
    run.says("PostgreSQL 13 cannot read a range of pages");
}

/// Somebody waits for a table that `pg_dump` has locked: whoever asks for a lock now comes after that.
#[test]
fn one_reads_if_somebody_waits_for_a_table() {
    let cluster = Cluster::start(Major::Distribution);
    let (database, place) = (cluster.create_database("queue"), Place::folder());
    add_bulk(&cluster, &database, 1000);
    cluster.psql(&database, "CREATE VIEW v AS SELECT 1 AS n");
    // pg_dump waits here, when it has locked all tables.
    let _holder =
        Work::begin(&cluster, &database, "BEGIN; ALTER VIEW v RENAME TO w; SELECT pg_sleep(100);".into());
    let waiting = |relation: &str| {
        format!("SELECT count(*) > 0 FROM pg_locks WHERE relation = '{relation}'::regclass AND NOT granted")
    };
    cluster.eventually(&database,
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(100)%' AND query NOT LIKE '%pg_stat_activity%'",
    );
    let run = std::thread::scope(|scope| {
        let run = scope.spawn(|| backup(&place, &cluster.url(&database), "queue", "2"));
        cluster.eventually(&database, &waiting("v"));
        let _migration = Work::begin(&cluster, &database, "ALTER TABLE bulk ADD more int;".into());
        cluster.eventually(&database, &waiting("bulk"));
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE query LIKE '%pg_sleep(100)%' AND pid <> pg_backend_pid()";
        cluster.psql(&database, end);
        run.join().unwrap()
    });
    run.assert_success().says("reading with one session, as several were not possible");
    assert_eq!(tables(&place, "queue").len(), 1);
}

#[test]
fn a_role_with_few_sessions_reads_with_one() {
    let cluster = Cluster::start(Major::Distribution);
    let (database, place) = (cluster.create_database("few"), Place::folder());
    add_bulk(&cluster, &database, 1000);
    for (limit, says) in
        [(4, "the role may not have enough of them"), (11, "the role may not have enough of them")]
    {
        let url = cluster.url_of(&reader_with_few(&cluster, limit), &database);
        backup(&place, &url, "few", "8").assert_success().says(says);
        assert_eq!(tables(&place, "few").len(), 1);
    }
    // The limit of the database counts as that of the role.
    let role = fresh("few");
    let create = format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data");
    cluster.psql(&database, &create);
    let url = cluster.url_of(&role, &database);
    for (limit, says) in
        [(4, "the role may not have enough of them"), (2, "no lock that keeps another run away")]
    {
        cluster.psql("postgres", &format!("ALTER DATABASE {database} CONNECTION LIMIT {limit}"));
        backup(&place, &url, "few", "8").assert_success().says(says);
        assert_eq!(tables(&place, "few").len(), 1);
    }
}
