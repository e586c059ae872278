//! Very many rows, very wide ones, very many tables. What takes minutes waits for `make test-full`.

use super::scene::restored;
use crate::scene::Place;
use crate::servers::postgres::{Cluster, Major};
use serde_json::json;
use std::time::Duration;

/// Longer than any of these takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(900);

/// Backs up and restores, and compares what this query answers here and there.
fn comes_back(cluster: &Cluster, database: &str, jobs: &str, digest: &str) -> serde_json::Value {
    let place = Place::folder();
    let backup = ["backup", "--json", "--no-encryption", "--compression-level", "1", &cluster.url(database)];
    let made = place.pgstow(&backup).patience(PATIENCE).succeeds().json();
    let copy = restored(&place, cluster, &["--jobs", jobs]);
    assert_eq!(cluster.psql(&copy, digest), cluster.psql(database, digest));
    place.pgstow(&["verify", "latest"]).patience(PATIENCE).succeeds();
    cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
    cluster.psql("postgres", &format!("DROP DATABASE {database}"));
    made
}

fn narrow_rows(rows: u32) {
    let cluster = Cluster::shared(Major::V17);
    let database = cluster.create_database("narrow");
    cluster.psql(
        &database,
        &format!("CREATE UNLOGGED TABLE t AS SELECT n, n % 7 AS m FROM generate_series(1, {rows}) n"),
    );
    let made = comes_back(
        cluster,
        &database,
        "2",
        "SELECT count(*), sum(n), sum(n::bigint * m), count(DISTINCT m) FROM t",
    );
    assert_eq!(made["rows"], rows);
}

#[test]
fn a_million_narrow_rows() {
    narrow_rows(1_000_000);
}

#[test]
#[ignore = "takes minutes: make test-full"]
fn ten_million_narrow_rows() {
    narrow_rows(10_000_000);
}

/// One row is larger than frames, parts and buffers together; as `COPY` writes it a byte of a bytea has two.
fn wide_rows(mib: u32) {
    let cluster = Cluster::shared(Major::V18);
    let database = cluster.create_database("wide");
    let bytes = mib << 20;
    cluster.psql(
        &database,
        &format!(
            "CREATE UNLOGGED TABLE t (n int, s text, b bytea);
             INSERT INTO t VALUES (1, repeat(E'line \\\\ of\\ttext\\n', {bytes} / 16), NULL),
                 (2, '', decode(repeat('000a5cff', {bytes} / 4), 'hex')), (3, repeat(md5('x'), {bytes} / 32), '\\x00')"
        ),
    );
    let made = comes_back(
        cluster,
        &database,
        "2",
        "SELECT n, length(s), md5(s), length(b), md5(b) FROM t ORDER BY n",
    );
    assert_eq!(made["rows"], 3);
    assert!(made["plain_bytes"].as_u64().unwrap() > 4 * u64::from(bytes), "{made}");
}

#[test]
fn rows_of_twenty_megabytes() {
    wide_rows(20);
}

#[test]
#[ignore = "takes minutes: make test-full"]
fn rows_of_a_hundred_megabytes() {
    wide_rows(100);
}

/// A definition may be as long as the server lets it be: this one's table of contents is larger than most dumps.
#[test]
fn a_function_of_seventy_megabytes() {
    let cluster = Cluster::shared(Major::V18);
    let database = cluster.create_database("long");
    let bytes = 70 << 20;
    cluster.psql(
        &database,
        &format!(
            "CREATE TABLE t AS SELECT 1 AS n;
             DO $do$ BEGIN
                 EXECUTE format('CREATE FUNCTION long() RETURNS int LANGUAGE plpgsql AS %L',
                     'BEGIN RETURN 1; /* ' || repeat(md5('x'), {bytes} / 32) || ' */ END');
             END $do$"
        ),
    );
    let made = comes_back(
        cluster,
        &database,
        "2",
        "SELECT md5(prosrc), length(prosrc) FROM pg_proc WHERE proname = 'long'",
    );
    assert!(made["plain_bytes"].as_u64().unwrap() > bytes, "{made}");
}

fn tables(count: u32) {
    // To dump a table is to lock it.
    let cluster = Cluster::start_with(Major::V17, &["max_locks_per_transaction=1024"]);
    let database = cluster.create_database("many");
    for from in (0..count).step_by(2000) {
        let make = format!(
            "DO $$ BEGIN FOR n IN {from}..{} LOOP EXECUTE format('CREATE TABLE t%s (a int, b text)', n); END LOOP; END $$",
            (from + 1999).min(count - 1)
        );
        cluster.psql(&database, &make);
    }
    let made = comes_back(&cluster, &database, "1", "SELECT count(*) FROM pg_class WHERE relkind = 'r'");
    assert_eq!((&made["tables"], &made["rows"]), (&json!(count), &json!(0)));
}

#[test]
fn two_thousand_empty_tables() {
    tables(2000);
}

#[test]
#[ignore = "takes minutes: make test-full"]
fn twenty_thousand_empty_tables() {
    tables(20_000);
}
