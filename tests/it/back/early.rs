//! What several workers do at the same time: indexes of tables that are in, next to rows that are not; and how little
//! the server writes for whole tables.

use super::scene::{HOLD, is_held, wake};
use crate::harness::{Running, eventually};
use crate::scene::{Place, fresh, named};
use crate::servers::postgres::{Cluster, Major};
use crate::servers::run;
use pgstow::error::Kind;
use std::sync::OnceLock;

/// A table that is large enough for its indexes to be made early, and one whose rows are held up in a restore.
const HELD: &str = "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n';
     CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
     CREATE TABLE large (n int PRIMARY KEY, up int REFERENCES large, more text);
     INSERT INTO large SELECT n, 1, repeat(md5(n::text), 32) FROM generate_series(1, 36000) n;
     CREATE INDEX large_more ON large (more); COMMENT ON INDEX large_more IS 'made early';
     CREATE INDEX large_up ON large (up, n); ALTER TABLE large CLUSTER ON large_up;
     CREATE INDEX large_twice ON large (twice(n));
     CREATE TRIGGER touch BEFORE UPDATE ON large FOR EACH ROW EXECUTE FUNCTION touch();
     CREATE TABLE small (n int PRIMARY KEY); INSERT INTO small VALUES (1);
     CREATE TABLE slow (n int PRIMARY KEY REFERENCES large CHECK (public.hold(n)), more text);
     INSERT INTO slow SELECT n, repeat(md5(n::text), 500) FROM generate_series(1, 2000) n;";

/// A backup of that.
fn held() -> &'static (String, Place) {
    static HELD_UP: OnceLock<(String, Place)> = OnceLock::new();
    HELD_UP.get_or_init(|| {
        let cluster = Cluster::shared(Major::Distribution);
        let database = cluster.create_database("early");
        cluster.psql(&database, &format!("{HOLD}{HELD}"));
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        (database, place)
    })
}

fn begin(cluster: &Cluster, copy: &str) -> Running {
    held()
        .1
        .opens(&["restore", "latest", "--to", &cluster.url(copy), "--jobs", "2", "--proof", "counts"])
        .spawn()
}

/// What a database defines.
fn definitions(cluster: &Cluster, database: &str) -> String {
    let text = run(cluster.client("pg_dump").args(["--schema-only", database]));
    let varies = |line: &&str| line.contains("restrict");
    text.lines().filter(|line| !varies(line) && !line.starts_with("-- Dumped")).collect::<Vec<_>>().join("\n")
}

#[test]
fn indexes_are_made_while_the_rows_of_other_tables_are_on_their_way() {
    let (database, _) = held();
    std::thread::scope(|scope| {
        for major in [Major::Distribution, Major::V18] {
            scope.spawn(move || {
                let cluster = Cluster::shared(major);
                let copy = fresh("early");
                let running = begin(cluster, &copy);
                eventually("its rows stand still", || is_held(cluster, &copy));
                let filling = named(cluster, &copy);
                let there = || {
                    let ask = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
                        WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace";
                    cluster.psql(&filling, ask)
                };
                let links =
                    "SELECT count(*) FROM pg_constraint WHERE conname = 'large_up_fkey' AND convalidated";
                eventually("they are made", || {
                    there() == "large_more large_pkey large_up" && cluster.psql(&filling, links) == "1"
                });
                // Nothing more comes while rows are held up: not what calls functions, and no trigger.
                assert!(is_held(cluster, &copy));
                let triggers = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal";
                assert_eq!(cluster.psql(&filling, triggers), "0");
                wake(cluster, &filling);
                running.wait().assert_success().says("proven: 38,001 rows in 3 tables");
                if major == Major::Distribution {
                    assert_eq!(definitions(cluster, &copy), definitions(cluster, database));
                }
                let rows = "SELECT count(*), sum(hashtextextended(large::text, 0)) FROM large";
                let source = Cluster::shared(Major::Distribution);
                assert_eq!(cluster.psql(&copy, rows), source.psql(database, rows));
                let remark = "SELECT obj_description('large_more'::regclass, 'pg_class')";
                assert_eq!(cluster.psql(&copy, remark), "made early");
            });
        }
    });
}

#[test]
fn an_index_that_cannot_be_made_ends_the_restore_while_rows_are_on_their_way() {
    held();
    // Its sort does not fit into memory, and may not use the disk.
    let limits = ["temp_file_limit=8kB", "maintenance_work_mem=1MB", "max_parallel_maintenance_workers=0"];
    let cluster = Cluster::start_with(Major::Distribution, &limits);
    let copy = fresh("never");
    let run = begin(&cluster, &copy).wait().assert_failure(Kind::Postgres).says("temp_file_limit");
    assert_eq!(named(&cluster, &copy), "", "left: {run}");
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE datname LIKE '{copy}%'");
    assert_eq!(cluster.psql("postgres", &sessions), "0");
}

#[test]
fn a_partitioned_table_comes_back_with_its_partitions_indexes_made_early() {
    let sql = "CREATE TABLE p (n int, at int, more text, PRIMARY KEY (n, at)) PARTITION BY RANGE (at);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1);
        CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1) TO (2) PARTITION BY LIST (n);
        CREATE TABLE p2_rest PARTITION OF p2 DEFAULT;
        CREATE INDEX ON p (at, more);
        INSERT INTO p SELECT n, n % 2, repeat(md5(n::text), 32) FROM generate_series(1, 70000) n;
        CREATE TABLE refers (n int, at int, FOREIGN KEY (n, at) REFERENCES p);
        INSERT INTO refers VALUES (2, 0);";
    let source = Cluster::shared(Major::V18);
    let database = source.create_database("parts");
    source.psql(&database, sql);
    for words in [&[][..], &["--pg-dump-arg=--load-via-partition-root"]] {
        let place = Place::folder();
        place.backup(&source.url(&database), words);
        let copy = fresh("parts");
        let restore = ["restore", "latest", "--to", &source.url(&copy), "--jobs", "3"];
        place.opens(&restore).succeeds().says("proven: ");
        assert_eq!(definitions(source, &copy), definitions(source, &database));
        let rows = "SELECT count(*), sum(hashtextextended(p::text, 0)) FROM p";
        assert_eq!(source.psql(&copy, rows), source.psql(&database, rows));
        source.psql("postgres", &format!("DROP DATABASE {copy}"));
    }
}

/// `pg_dump` puts functions and views that depend on a primary key between the indexes. The first view takes a moment.
#[test]
fn indexes_and_views_come_after_what_they_call() {
    let sql = "CREATE TABLE words (n int PRIMARY KEY, word text); INSERT INTO words VALUES (1, 'one');
        CREATE FUNCTION word(k int) RETURNS text IMMUTABLE LANGUAGE sql
          BEGIN ATOMIC SELECT w.word FROM public.words w WHERE w.n = $1 GROUP BY w.n; END;
        CREATE TABLE p (n int, k int) PARTITION BY RANGE (n);
        CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (1, 1);
        CREATE INDEX by_k ON p (k); CREATE INDEX by_word ON p ((public.word(k))); COMMENT ON INDEX by_word IS 'late';
        CREATE MATERIALIZED VIEW grouped AS SELECT w.n, w.word FROM words w GROUP BY w.n;
        CREATE UNIQUE INDEX ON grouped (n);
        CREATE MATERIALIZED VIEW a_first AS SELECT count(*) AS n, pg_sleep(0.5)::text FROM words;
        CREATE FUNCTION firsts() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT n FROM public.a_first';
        CREATE MATERIALIZED VIEW b_last AS SELECT public.firsts() AS n;";
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("called");
        cluster.psql(&database, sql);
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let copy = fresh("called");
        place.opens(&["restore", "latest", "--to", &cluster.url(&copy), "--jobs", "2"]).succeeds();
        assert_eq!(definitions(cluster, &copy), definitions(cluster, &database));
        assert_eq!(cluster.psql(&copy, "SELECT n FROM b_last"), "1");
        let whole = "SELECT bool_and(indisvalid) FROM pg_index WHERE indexrelid IN ('by_k'::regclass, 'by_word'::regclass)";
        assert_eq!(cluster.psql(&copy, whole), "t");
    }
}

#[test]
fn rows_of_a_whole_table_are_written_finished_and_without_wal_if_the_server_needs_none() {
    for major in [Major::Distribution, Major::V18] {
        let settings = ["wal_level=minimal", "max_wal_senders=0", "autovacuum=off"];
        let cluster = Cluster::start_with(major, &settings);
        let database = cluster.create_database("whole");
        let sql = "CREATE TABLE whole (n int, more text);
            INSERT INTO whole SELECT n, repeat(md5(n::text), 32) FROM generate_series(1, 20000) n;
            CREATE TABLE little (n int); INSERT INTO little VALUES (1)";
        cluster.psql(&database, sql);
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let copy = fresh("whole");
        let before = cluster.psql("postgres", "SELECT pg_current_wal_insert_lsn()");
        let to = cluster.url(&copy);
        place
            .opens(&["restore", "latest", "--to", &to, "--jobs", "2"])
            .succeeds()
            .says("proven: 20,001 rows");
        let written = format!("SELECT pg_current_wal_insert_lsn() - '{before}'");
        let written: u64 = cluster.psql("postgres", &written).parse().unwrap();
        // The rows alone have 20 MiB.
        assert!(written < 12 << 20, "{written} bytes of WAL by {major:?}");
        let visible = "SELECT relname, relallvisible > relpages / 2 FROM pg_class
            WHERE relname IN ('whole', 'little') ORDER BY relname";
        assert_eq!(cluster.psql(&copy, visible), "little|f\nwhole|t", "{major:?}");
    }
}

#[test]
fn many_checkpoints_are_reported_with_what_helps() {
    for major in [Major::V14, Major::Distribution, Major::V18] {
        let cluster = Cluster::start(major);
        let database = cluster.create_database("often");
        let sql = "CREATE FUNCTION flush() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
              IF current_setting('application_name') LIKE 'pgstow%' THEN EXECUTE 'CHECKPOINT'; END IF;
              RETURN true; END $$;
            CREATE TABLE t (n int CHECK (public.flush())); INSERT INTO t SELECT generate_series(1, 9);";
        cluster.psql(&database, sql);
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let restore = |name: &str| {
            let copy = fresh("often");
            let restore = place.opens(&["restore", "latest", "--to", &cluster.url(&copy), "--json"]);
            restore.env("PGAPPNAME", name).succeeds()
        };
        let run = restore("pgstow").says("max_wal_size (2GB)");
        let forced = run.json()["forced_checkpoints"].as_u64().unwrap();
        assert!((7..12).contains(&forced), "{forced} by {major:?}: {run}");
        let run = restore("other");
        assert!(!run.stderr.contains("max_wal_size"), "{major:?}: {run}");
        assert!(run.json()["forced_checkpoints"].as_u64().unwrap() < 5, "{major:?}: {run}");
    }
}
