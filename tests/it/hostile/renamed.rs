//! Names and values are changed while a backup reads: it has what its snapshot had under each name, or begins again.

use super::races::{Gate, MAJORS, Session, restores};
use crate::harness::{Pgstow, Run};
use crate::scene::{Place, fresh};
use crate::servers::postgres::Cluster;
use pgstow::error::Kind;
use std::time::Duration;

/// A backup during whose definitions each of these is done, while `pg_dump` waits at the gate.
fn backup(place: &Place, cluster: &Cluster, database: &str, readers: &str, each: &[&str]) -> Run {
    let mut gate = Gate::hold(cluster, database);
    let words = ["backup", "--no-encryption", "--readers", readers, "--reader-range", "64KiB"];
    let backup = place.pgstow(&words).arg(cluster.url(database)).spawn();
    for (number, sql) in each.iter().enumerate() {
        gate.is_reached();
        let again = if number + 1 < each.len() { "BEGIN; LOCK TABLE gate" } else { "" };
        // It is seen together with the end of the lock.
        gate.does(&format!("{sql}; COMMIT; {again}"));
    }
    backup.wait()
}

/// The rows of a table in the newest backup.
fn rows(place: &Place, table: &str) -> Option<u64> {
    let shown = place.opens(&["show", "latest", "--tables", "--json"]).succeeds().json();
    let tables = shown["tables"].as_array().unwrap();
    tables.iter().find(|one| one["table"] == table)?["rows"].as_u64()
}

const SWAP: &str = "ALTER TABLE live RENAME TO swapped; ALTER TABLE staging RENAME TO live;
                    ALTER TABLE swapped RENAME TO staging";

/// `pg_dump` knows a table by its number, and locks and reads it by its name.
#[test]
fn tables_that_change_names_are_not_taken_for_each_other() {
    let load = format!("INSERT INTO staging SELECT generate_series(1, 2000); {SWAP}");
    let schema = "ALTER SCHEMA public RENAME TO old; CREATE SCHEMA public; CREATE TABLE gate (n int);
                  CREATE TABLE live AS SELECT * FROM old.live; CREATE TABLE staging (n int)";
    for major in MAJORS {
        for readers in ["1", "2"] {
            let cluster = Cluster::shared(major);
            for (done, live) in [(&load[..], 2000), (schema, 1000)] {
                let (place, database) = (Place::folder(), cluster.create_database("swapped"));
                cluster.psql(
                    &database,
                    "CREATE TABLE gate (n int); CREATE TABLE staging (n int);
                     CREATE TABLE live AS SELECT generate_series(1, 1000) n",
                );
                let run = backup(&place, cluster, &database, readers, &[done]).assert_success();
                let run = run.says("pg_dump begins again: TABLE public.").says(" was changed while");
                assert_eq!(rows(&place, "live"), Some(live), "{run}");
                restores(&place, cluster, &database);
            }
        }
    }
}

/// The old one is dropped, so only its name says that there is another.
#[test]
fn a_table_that_is_made_anew_is_not_empty() {
    let anew = "CREATE TABLE next AS SELECT * FROM live; DROP TABLE live; ALTER TABLE next RENAME TO live";
    for major in MAJORS {
        let cluster = Cluster::shared(major);
        for times in [1, 3] {
            let (place, database) = (Place::folder(), cluster.create_database("anew"));
            cluster.psql(
                &database,
                "CREATE TABLE gate (n int); CREATE TABLE live AS SELECT generate_series(1, 1000) n",
            );
            let run = backup(&place, cluster, &database, "1", &vec![anew; times]);
            if times == 1 {
                let run = run.assert_success().says("pg_dump begins again: ");
                assert_eq!(rows(&place, "live"), Some(1000), "{run}");
            } else {
                let run = run.assert_failure(Kind::Postgres).says("TABLE public.live was changed");
                run.says("so it went 3 times in a row").says("hint: something changes definitions all");
                assert_eq!(place.keys(), Vec::<String>::new());
            }
        }
    }
}

/// What `pg_dump` lists by one name has another when the server writes its definition.
#[test]
fn other_objects_that_change_names() {
    let trigger = "CREATE FUNCTION f2() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
                   CREATE OR REPLACE TRIGGER tg BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f2()";
    for major in MAJORS {
        let cluster = Cluster::shared(major);
        for done in [
            "ALTER SEQUENCE s RENAME TO renamed",
            "ALTER INDEX ix RENAME TO renamed",
            "ALTER INDEX part_n_idx RENAME TO renamed",
            trigger,
        ] {
            let (place, database) = (Place::folder(), cluster.create_database("names"));
            cluster.psql(
                &database,
                "CREATE TABLE gate (n int); CREATE TABLE t (n int); CREATE SEQUENCE s; CREATE INDEX ix ON t (n);
                 COMMENT ON INDEX ix IS 'of t'; CREATE TABLE parted (n int) PARTITION BY LIST (n);
                 CREATE TABLE part PARTITION OF parted FOR VALUES IN (1); CREATE INDEX ON parted (n);
                 CREATE FUNCTION f1() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
                 CREATE TRIGGER tg BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f1()",
            );
            eprintln!("{major:?}: {done}");
            let run = backup(&place, cluster, &database, "1", &[done]).assert_success();
            run.says("pg_dump begins again: ");
            restores(&place, cluster, &database);
        }
    }
}

/// The catalogue's row of a table has more than its name, and what is written there disturbs nobody.
#[test]
fn grants_and_refreshes_do_not_matter() {
    for major in MAJORS {
        let (cluster, place) = (Cluster::shared(major), Place::folder());
        let database = cluster.create_database("granted");
        cluster.psql(
            &database,
            "CREATE TABLE gate (n int); CREATE SCHEMA \"Größe\"; CREATE TABLE \"Größe\".\"Maß\" AS SELECT 1 n;
             CREATE INDEX \"Stück\" ON \"Größe\".\"Maß\" (n);
             CREATE MATERIALIZED VIEW mv AS SELECT 1 n; CREATE UNIQUE INDEX ON mv (n)",
        );
        let done = "GRANT USAGE ON SCHEMA public, \"Größe\" TO PUBLIC;
                    GRANT SELECT ON ALL TABLES IN SCHEMA public, \"Größe\" TO PUBLIC;
                    ALTER TABLE \"Größe\".\"Maß\" SET (fillfactor = 50); REFRESH MATERIALIZED VIEW CONCURRENTLY mv";
        let run = backup(&place, cluster, &database, "1", &[done]).assert_success();
        assert!(!run.stderr.contains("begins again"), "{run}");
        let renamed = ["ALTER INDEX \"Größe\".\"Stück\" RENAME TO \"Stücke\""];
        let run = backup(&place, cluster, &database, "1", &renamed).assert_success();
        run.says("pg_dump begins again: INDEX Größe.Stück was changed");
        restores(&place, cluster, &database);
    }
}

/// A session changes names all the time: no backup has the rows of another table.
#[test]
fn names_that_change_all_the_time() {
    for major in MAJORS {
        let (cluster, place) = (Cluster::shared(major), Place::folder());
        let database = cluster.create_database("restless");
        cluster.psql(
            &database,
            "CREATE TABLE staging (n int); CREATE TABLE live AS SELECT generate_series(1, 1000) n",
        );
        let swap = format!("BEGIN; {SWAP}; COMMIT; SELECT pg_sleep(random() / 2);\n");
        let _work = Session::runs(cluster, &database, swap.repeat(2000));
        let mut made = 0;
        for _ in 0..6 {
            let run = place.try_backup(&cluster.url(&database));
            if !run.status.success() {
                run.assert_failure(Kind::Postgres);
                continue;
            }
            made += 1;
            let both = [rows(&place, "live"), rows(&place, "staging")];
            assert!(both == [Some(1000), Some(0)] || both == [Some(0), Some(1000)], "{both:?}: {run}");
        }
        eprintln!("{major:?}: {made} of 6 backups were made");
    }
}

/// Long rows at the end of a table: only who reads them needs the index that can be locked meanwhile.
const LONG_ROWS: &str = "CREATE TABLE gate (n int); CREATE TABLE a (n int, v text); ALTER TABLE a ALTER v SET STORAGE EXTERNAL;
    INSERT INTO a SELECT n, repeat('x', CASE WHEN n > 20000 THEN 3000 ELSE 200 END) FROM generate_series(1, 20010) n";

/// Two schemas with a table of the same name, which is read after the long rows.
const TWO_SCHEMAS: &str = "CREATE SCHEMA z_live; CREATE TABLE z_live.t AS SELECT generate_series(1, 20000) n;
    CREATE SCHEMA z_staging; CREATE TABLE z_staging.t AS SELECT -n AS n FROM z_live.t";

/// What a command that reads a database says if this is done after it has read all definitions, and before it reads table `z`.
fn while_rows_are_read(cluster: &Cluster, database: &str, command: Pgstow, sql: &str) -> Run {
    meanwhile(cluster, database, command, || drop(cluster.psql(database, sql)))
}

fn meanwhile(cluster: &Cluster, database: &str, command: Pgstow, does: impl FnOnce()) -> Run {
    let toast = cluster
        .psql(database, "SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 'public.a'::regclass");
    let mut holder = Session::open(cluster, database);
    holder.does(&format!("BEGIN; REINDEX TABLE {toast}; SELECT 'rebuilt'"));
    let held = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'SELECT ''rebuilt''%' \
                AND state = 'idle in transaction' AND datname = current_database()";
    cluster.eventually(database, held);
    let running = command.spawn();
    let reading = "SELECT count(*) > 0 FROM pg_locks JOIN pg_stat_activity USING (pid) \
                   WHERE NOT granted AND query LIKE 'COPY %' AND datname = current_database()";
    cluster.eventually(database, reading);
    // pg_dump may have read so far a moment before the backup goes on to store.
    std::thread::sleep(Duration::from_secs(1));
    does();
    holder.does("COMMIT");
    running.wait()
}

/// A load that drops the old schema waits for the backup, and comes right after it: that is no reason to fail.
#[test]
fn a_schema_that_is_replaced_when_all_rows_were_read() {
    for major in MAJORS {
        let (cluster, place) = (Cluster::shared(major), Place::folder());
        let database = cluster.create_database("replaced");
        cluster.psql(&database, &format!("{TWO_SCHEMAS}; {LONG_ROWS}"));
        let mut load = Session::open(cluster, &database);
        let url = cluster.url(&database);
        let words = ["backup", "--no-encryption", "--readers", "1", &url];
        let run = meanwhile(cluster, &database, place.pgstow(&words), || {
            load.does("BEGIN; DROP SCHEMA z_live CASCADE; ALTER SCHEMA z_staging RENAME TO z_live; COMMIT");
            let waits = "SELECT count(*) > 0 FROM pg_locks JOIN pg_stat_activity USING (pid)
                             WHERE NOT granted AND query LIKE 'DROP SCHEMA%' AND datname = current_database()";
            cluster.eventually(&database, waits);
        });
        run.assert_success();
        cluster.eventually(&database, "SELECT min(n) < 0 FROM z_live.t");
        assert_eq!(rows(&place, "t"), Some(20000));
    }
}

/// No lock on a table keeps the name of its schema, and rows are read by name.
#[test]
fn schemas_that_change_names_while_rows_are_read() {
    let exchange = "BEGIN; ALTER SCHEMA z_live RENAME TO z_before; ALTER SCHEMA z_staging RENAME TO z_live;
                    ALTER SCHEMA z_before RENAME TO z_staging; COMMIT";
    for major in MAJORS {
        for readers in ["1", "2"] {
            let (cluster, place) = (Cluster::shared(major), Place::folder());
            let database = cluster.create_database("schemas");
            cluster.psql(&database, &format!("{TWO_SCHEMAS}; {LONG_ROWS}"));
            let url = cluster.url(&database);
            let words = ["backup", "--no-encryption", "--readers", readers, "--reader-range", "64KiB", &url];
            let during = |sql: &str| while_rows_are_read(cluster, &database, place.pgstow(&words), sql);
            let run = during(exchange).assert_failure(Kind::Postgres);
            run.says("was renamed while rows were read: some may be those of another table");
            assert_eq!(place.keys(), Vec::<String>::new());
            let copy = cluster.url(&fresh("schemas"));
            let clone = place.pgstow(&["clone", "--readers", readers, &url, &copy]);
            let again =
                "ALTER SCHEMA z_live RENAME TO z_before; CREATE SCHEMA z_live; CREATE TABLE z_live.t (n int)";
            let run = while_rows_are_read(cluster, &database, clone, again).assert_failure(Kind::Postgres);
            run.says("the schema z_before was renamed while rows were read");
            // What else is said of a schema, or of one whose rows are not read, matters to nobody.
            let others = "GRANT USAGE ON SCHEMA z_live TO PUBLIC; CREATE SCHEMA other; ALTER SCHEMA other RENAME TO another";
            during(others).assert_success();
            restores(&place, cluster, &database);
        }
    }
}

/// The server writes the values of an enum as they are called when a row is read, not as they were in the snapshot.
#[test]
fn a_value_of_an_enum_that_is_renamed_while_rows_are_read() {
    for major in MAJORS {
        let (cluster, place) = (Cluster::shared(major), Place::folder());
        let database = cluster.create_database("enums");
        cluster.psql(
            &database,
            &format!(
                "CREATE TYPE state AS ENUM ('open', 'done'); CREATE TYPE unused AS ENUM ('x');
                 CREATE TYPE pair AS (n int, s state); CREATE DOMAIN few AS pair[];
                 CREATE TABLE z AS SELECT ARRAY[ROW(1, 'open')::pair]::few s FROM generate_series(1, 1000); {LONG_ROWS}"
            ),
        );
        let url = cluster.url(&database);
        let words = ["backup", "--no-encryption", "--readers", "1", &url];
        let during = |sql: &str| while_rows_are_read(cluster, &database, place.pgstow(&words), sql);
        let run = during("ALTER TYPE state RENAME VALUE 'open' TO 'pending'").assert_failure(Kind::Postgres);
        run.says("a value of the enum public.state was renamed while rows were read")
            .says("hint: do it again");
        assert_eq!(place.keys(), Vec::<String>::new());
        // No row of the snapshot has a value that was added later.
        // With this many in between, the server gives all of them new places.
        let added = |n| format!("ALTER TYPE state ADD VALUE 'v{n}' BEFORE 'done';");
        during(&(1..60).map(added).collect::<String>()).assert_success();
        restores(&place, cluster, &database);
        during("ALTER TYPE unused RENAME VALUE 'x' TO 'y'").assert_success();
        // As long as nothing is stored, pg_dump can begin again.
        let renaming = "ALTER TYPE state RENAME VALUE 'pending' TO 'open'";
        let run = backup(&place, cluster, &database, "2", &[renaming]).assert_success();
        run.says("pg_dump begins again: a value of the enum public.state was renamed");
        restores(&place, cluster, &database);
    }
}

/// It writes a composite value with the attributes that its type has when the row is read.
#[test]
fn a_composite_type_that_gets_other_attributes_while_rows_are_read() {
    for major in MAJORS {
        let (cluster, place) = (Cluster::shared(major), Place::folder());
        let database = cluster.create_database("composites");
        cluster.psql(
            &database,
            &format!(
                "CREATE TYPE inner_one AS (a int, b text, c int); CREATE TYPE unused AS (a int);
                 CREATE TYPE outer_one AS (n int, i inner_one); CREATE DOMAIN few AS outer_one[];
                 CREATE TABLE z AS SELECT ARRAY[ROW(1, ROW(1, 'x', 3))::outer_one]::few s
                 FROM generate_series(1, 1000); {LONG_ROWS}"
            ),
        );
        let url = cluster.url(&database);
        let words = ["backup", "--no-encryption", "--readers", "1", &url];
        let during = |sql: &str| while_rows_are_read(cluster, &database, place.pgstow(&words), sql);
        // A row has as many attributes as before, and some have the value of another.
        let moved = "ALTER TYPE inner_one DROP ATTRIBUTE b, ADD ATTRIBUTE d text";
        let run = during(moved).assert_failure(Kind::Postgres);
        run.says("the composite type public.inner_one got other attributes while rows were read");
        assert_eq!(place.keys(), Vec::<String>::new());
        let copy = cluster.url(&fresh("composites"));
        let clone = place.pgstow(&["clone", &url, &copy]);
        let moved = "ALTER TYPE inner_one DROP ATTRIBUTE d, ADD ATTRIBUTE b text";
        let run = while_rows_are_read(cluster, &database, clone, moved).assert_failure(Kind::Postgres);
        run.says("the composite type public.inner_one got other attributes");

        during("ALTER TYPE inner_one RENAME ATTRIBUTE b TO bb").assert_success();
        during("ALTER TYPE unused ADD ATTRIBUTE b text").assert_success();
        let added = "ALTER TYPE inner_one ADD ATTRIBUTE e text";
        let run = backup(&place, cluster, &database, "2", &[added]).assert_success();
        run.says("pg_dump begins again: the composite type public.inner_one got other attributes");
        restores(&place, cluster, &database);
    }
}
