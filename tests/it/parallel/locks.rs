//! Locks: those that others wait for while a backup takes its own, and how many the server has room for.

use super::{Work, ranges, tables};
use crate::scene::{Place, add_bulk};
use crate::servers::postgres::{Cluster, Major};
use crate::servers::{folder, script};

/// The second `pg_dump` has its lock on a table, somebody waits for that, and the first waits until they have had theirs.
#[test]
fn nobody_waits_for_ever_between_two_pg_dumps() {
    let (cluster, place) = (Cluster::shared(Major::Distribution), Place::folder());
    let database = cluster.create_database("between");
    add_bulk(cluster, &database, 3000);
    // More than fits into pipes, and less than a range.
    cluster
        .psql(&database, "CREATE TABLE t AS SELECT n, repeat('x', 100000) x FROM generate_series(1, 200) n");
    // The first comes late.
    let (bin, real) = (folder("late"), cluster.bin());
    for program in ["pg_dump", "pg_restore", "psql"] {
        let late = match program {
            "pg_dump" => "case \"$*\" in *--exclude-table-data*) ;; *--snapshot*) sleep 3 ;; esac\n",
            _ => "",
        };
        let text = format!("#!/bin/sh\n{late}exec {} \"$@\"\n", real.join(program).display());
        script(&bin.path().join(program), &text);
    }
    let backup = ranges(&place, &cluster.url(&database), "between", "2", "1MiB")
        .args(["--pg-bin", bin.path().to_str().unwrap(), "--lock-wait-timeout", "0"])
        .spawn();
    let second =
        "SELECT count(*) > 0 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE relation = 't'::regclass
                  AND mode = 'AccessShareLock' AND xact_start < clock_timestamp() - interval '0.5 s'";
    cluster.eventually(&database, second);
    let _alters = Work::begin(cluster, &database, "ALTER TABLE t ADD COLUMN more int;".into());
    let waits = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 't'::regclass AND NOT granted";
    cluster.eventually(&database, waits);
    let run = backup.wait().assert_success();
    run.says("pg_dump begins again: ").says("with 2 sessions at the same time");
    let of_t = tables(&place, "between").into_iter().find(|table| table["table"] == "t").unwrap();
    assert_eq!(of_t["rows"], 200);
}

/// Whoever reads a table locks its indexes too.
#[test]
fn the_indexes_of_many_tables_are_not_all_locked_at_once() {
    let settings = ["max_connections=20", "max_locks_per_transaction=20", "max_wal_senders=0"];
    let (cluster, place) = (Cluster::start_with(Major::Distribution, &settings), Place::folder());
    let database = cluster.create_database("indexes");
    for table in 0..20 {
        let indexes: String =
            (0..25).map(|at| format!("CREATE INDEX ON t{table} (n) WHERE n = {at}; ")).collect();
        let rows = "SELECT n, repeat('x', 100) AS x FROM generate_series(1, 2000) n";
        cluster.psql(&database, &format!("CREATE TABLE t{table} AS {rows}; {indexes}"));
    }
    let run = ranges(&place, &cluster.url(&database), "indexes", "4", "64KiB").succeeds();
    run.says("reading 20 large tables").says("with 4 sessions at the same time");
    assert!(tables(&place, "indexes").iter().all(|table| table["rows"] == 2000));
}
