//! Whether a definition changed is known whatever the server can say of transactions: of their parts, and on a standby.

use super::races::{Gate, MAJORS, Session, restores};
use crate::scene::Place;
use crate::servers::postgres::{Cluster, Major};

/// A session with a transaction that has written something and does not end.
fn long_transaction(cluster: &Cluster, database: &str) -> Session {
    let mut long = Session::open(cluster, database);
    long.does("BEGIN; CREATE TABLE never (n int)");
    let begun = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'CREATE TABLE never%' \
                 AND state = 'idle in transaction' AND datname = current_database()";
    cluster.eventually(database, begun);
    long
}

/// A migration as its tools write it: each step in a savepoint, or in a block that catches exceptions.
#[test]
fn a_definition_that_a_part_of_a_transaction_changes() {
    let savepoint = ("BEGIN; SAVEPOINT step;", "");
    let block = ("BEGIN; DO $$ BEGIN", "EXCEPTION WHEN division_by_zero THEN NULL; END $$;");
    for (major, readers) in [(Major::Distribution, "1"), (Major::V18, "2")] {
        for (begin, end) in [savepoint, block] {
            let (cluster, place) = (Cluster::shared(major), Place::folder());
            let database = cluster.create_database("parts");
            cluster.psql(
                &database,
                "CREATE TABLE gate (n int); CREATE FUNCTION g1() RETURNS int LANGUAGE sql AS 'SELECT 1';
                 CREATE FUNCTION f(a int DEFAULT g1()) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            );
            let mut migration = Session::open(cluster, &database);
            let steps = "CREATE FUNCTION g2() RETURNS int LANGUAGE sql AS 'SELECT 2';
                 CREATE OR REPLACE FUNCTION f(a int DEFAULT g2()) RETURNS int LANGUAGE sql AS 'SELECT 2';";
            migration.does(&format!("{begin} {steps} {end} SELECT 'migrated'"));
            let migrated = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%''migrated''%' \
                            AND state = 'idle in transaction' AND datname = current_database()";
            cluster.eventually(&database, migrated);
            // Another transaction ends, so the numbers of the migration are not the newest.
            cluster.psql(&database, "SELECT txid_current()");
            let mut gate = Gate::hold(cluster, &database);
            let words = ["backup", "--no-encryption", "--readers", readers, &cluster.url(&database)];
            let backup = place.pgstow(&words).spawn();
            gate.is_reached();
            migration.does("COMMIT");
            cluster.eventually(&database, "SELECT count(*) = 1 FROM pg_proc WHERE proname = 'g2'");
            gate.does("COMMIT");
            let run = backup.wait().assert_success();
            run.says("pg_dump begins again: FUNCTION public.f(integer) was changed");
            restores(&place, cluster, &database);
        }
    }
}

/// What was defined while that transaction ran is not new for that, and what is new is noticed.
#[test]
fn a_standby_whose_primary_has_a_long_transaction() {
    let primary = Cluster::start(Major::V18);
    let database = primary.create_database("standby");
    primary.psql(&database, "CREATE TABLE gate (n int); CREATE TABLE t AS SELECT generate_series(1, 100) n");
    let (standby, place) = (primary.standby(), Place::folder());
    let _long = long_transaction(&primary, &database);
    primary.psql(&database, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    standby.eventually(&database, "SELECT count(*) = 1 FROM pg_proc WHERE proname = 'f'");
    let run = place.backup_run(&standby.url(&database));
    assert!(!run.stderr.contains("begins again"), "{run}");
    restores(&place, &primary, &database);
    let gate = |granted: &str| {
        format!("SELECT count(*) > 0 FROM pg_locks WHERE relation = 'gate'::regclass AND {granted}")
    };
    let mut holder = Gate::hold(&primary, &database);
    standby.eventually(&database, &gate("granted"));
    let backup = place.pgstow(&["backup", "--no-encryption", &standby.url(&database)]).spawn();
    standby.eventually(&database, &gate("NOT granted"));
    primary.psql(&database, "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'");
    holder.does("COMMIT");
    backup.wait().assert_success().says("pg_dump begins again: FUNCTION public.f() was changed");
}

/// Nothing that was there at the beginning counts as new, however much was defined since the oldest transaction began.
#[test]
fn much_is_defined_while_another_transaction_runs() {
    for major in MAJORS {
        let (cluster, place) = (Cluster::shared(major), Place::folder());
        let database = cluster.create_database("window");
        let _long = long_transaction(cluster, &database);
        // Each in a part of its own.
        let function = "CREATE FUNCTION f%s() RETURNS int LANGUAGE sql AS $a$SELECT 1$a$";
        let all = format!(
            "DO $$ BEGIN FOR i IN 1..2000 LOOP BEGIN EXECUTE format('{function}', i);
             EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$"
        );
        cluster.psql(&database, &all);
        let run = place.backup_run(&cluster.url(&database));
        assert!(!run.stderr.contains("begins again"), "{run}");
    }
}
