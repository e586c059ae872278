//! `fetch --format`: SQL that `psql` takes, and rows as PostgreSQL itself would print them.

use super::scene::{RELATED, Scene, feed, stock_restore};
use crate::scene::{Keys, Place, fetch_fails, fresh};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use std::process::Command;
use tempfile::TempDir;

const ODD: &str = r#"
CREATE SCHEMA "Größe & co";
CREATE TABLE "Größe & co"."Odd, ""one""" (
    id int, "a, ""b""" text, "select" bytea, at timestamptz, tags text[], facts jsonb, ratio float8);
INSERT INTO "Größe & co"."Odd, ""one""" VALUES
    (1, NULL, NULL, NULL, NULL, NULL, NULL),
    (2, '', '', '2026-11-21 07:00+00', '{}', '{}', 'NaN'),
    (3, E'line\nbreak\r\n, "quoted", tab\t and \\ back\\\\slash', '\x00ff0a0d5c2c22', '-infinity', '{"x, y",NULL,"\""}', '{"a": "b\nc"}', 1e-300),
    (4, E'\\.', decode(repeat('5c0a', 50000), 'hex'), NULL, '{ä,漢,🐘}', 'null', 0.1),
    (5, E'\\N', '\x01', NULL, NULL, NULL, '-Infinity'),
    (6, E'\b\f\v\x01\x7f', NULL, NULL, NULL, NULL, NULL);
CREATE TABLE single (v text);
INSERT INTO single VALUES (NULL), (''), (E'\\.'), (E'\\\\.'), ('a'), (' '), ('"'), (E'\n');
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE generated (n int, twice int GENERATED ALWAYS AS (n * 2) STORED, v text);
INSERT INTO generated VALUES (1, DEFAULT, 'x');
CREATE TABLE nobody (n int, v text);
"#;

#[test]
fn rows_are_printed_as_postgres_prints_them() {
    for major in [Major::Distribution, Major::V18] {
        let scene = Scene::new(major, ODD);
        for table in ["\"Größe & co\".\"Odd, \"\"one\"\"\"", "single", "generated", "no_columns", "nobody"]
        {
            let server = |how: &str| {
                let copy = format!("COPY {table} TO STDOUT {how}");
                feed(scene.cluster.client("psql").args(["-Xqd", &scene.database, "-c", &copy]), b"")
            };
            let (run, csv) = scene.fetch(&["-t", table, "--format", "csv"]);
            let csv = String::from_utf8(csv).unwrap();
            let expected = server("(FORMAT csv, HEADER)");
            assert_eq!(csv, expected, "{table}");
            assert_eq!((&run.json()["tables"], &run.json()["output_bytes"]), (&1.into(), &csv.len().into()));
            let (_, copy) = scene.fetch(&["-t", table, "--format", "copy"]);
            assert_eq!(String::from_utf8(copy).unwrap(), server(""), "{table}");
        }
    }
}

#[test]
fn printed_rows_read_back_are_the_same_table() {
    let scene = Scene::new(Major::Distribution, ODD);
    let table = "\"Größe & co\".\"Odd, \"\"one\"\"\"";
    let all = format!("SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM {table} t");
    let before = scene.cluster.psql(&scene.database, &all);
    for (format, options) in [("csv", "(FORMAT csv, HEADER)"), ("copy", "")] {
        let rows = scene.place.opens(&["fetch", "latest", "-o", "-", "-t", table, "--format", format]);
        let rows = rows.succeeds().stdout;
        scene.cluster.psql(&scene.database, &format!("TRUNCATE {table}"));
        let copy = format!("COPY {table} FROM STDIN {options}");
        let mut psql = scene.cluster.client("psql");
        feed(psql.args(["-Xqv", "ON_ERROR_STOP=1", "-d", &scene.database, "-c", &copy]), &rows);
        assert_eq!(scene.cluster.psql(&scene.database, &all), before, "{format}");
    }
}

#[test]
fn sql_restores_through_psql() {
    for major in [Major::Distribution, Major::V17, Major::V18] {
        let scene = Scene::new(major, RELATED);
        let restored = |sql: &[u8]| {
            let copy = scene.cluster.create_database(&fresh("sql"));
            feed(scene.cluster.client("psql").args(["-X1qv", "ON_ERROR_STOP=1", "-d", &copy]), sql);
            copy
        };
        let (_, whole) = scene.fetch(&["--format", "sql"]);
        assert_eq!(scene.cluster.text_of(&restored(&whole)), scene.cluster.text_of(&scene.database));
        let (_, some) = scene.fetch(&["--format", "sql", "-t", "app.events"]);
        let (_, archive) = scene.fetch(&["-t", "app.events"]);
        let stock = stock_restore(scene.cluster, &archive);
        assert_eq!(scene.cluster.text_of(&restored(&some)), scene.cluster.text_of(&stock));
        // Rows alone miss none of what goes with the table.
        let (run, _) = scene.fetch(&["-t", "app.tree", "--format", "csv"]);
        assert!(!run.stderr.contains("left out"), "{run}");
        let printed = scene.place.opens(&["fetch", "latest", "-o", "-", "--format", "sql", "-t", "app.tree"]);
        assert!(printed.succeeds().text().contains("CREATE TABLE app.tree"));
    }
}

#[test]
fn one_table_with_rows_is_wanted() {
    let scene = Scene::new(Major::Distribution, RELATED);
    for (words, says) in [
        (&["--format", "csv"][..], "name the table with --table"),
        (&["--format", "copy", "-t", "users", "-t", "orders"], "and 1 more"),
        (&["--format", "csv", "-t", "app.events"], "partitions are tables of their own"),
        (&["--format", "csv", "-t", "app.happy"], "no rows of its own"),
    ] {
        fetch_fails(&scene.place, words, Kind::Usage).says(says);
    }
    scene
        .place
        .opens(&["fetch", "latest", "-o", "-", "--json"])
        .fails(Kind::Usage)
        .says("--json and -o - both want stdout");
    scene.place.opens(&["fetch", "latest"]).fails(Kind::Usage).says("--output");
}

/// The second byte of a character may be a backslash.
#[test]
fn rows_in_an_encoding_that_copy_does_not_escape_are_not_written_as_csv() {
    // Roles of other tests have names that this encoding lacks.
    let cluster = Cluster::start(Major::Distribution);
    let database = fresh("katakana");
    cluster.psql(
        "postgres",
        &format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"),
    );
    cluster.psql(&database, "CREATE TABLE t AS SELECT U&'\\30BD\\30D5\\30C8' AS soft");
    let (place, folder) = (Place::folder(), TempDir::new().unwrap());
    let file = folder.path().join("sjis.dump");
    let words = ["-Fc", "-E", "SJIS", "-f", file.to_str().unwrap(), &database];
    assert!(cluster.client("pg_dump").args(words).status().unwrap().success());
    let words = ["adopt", "--name", "app", "--recipient", &Keys::shared().recipient, file.to_str().unwrap()];
    place.pgstow(&words).succeeds();
    let fetch = |format: &str| place.opens(&["fetch", "latest", "-t", "t", "-o", "-", "--format", format]);
    fetch("csv").fails(Kind::Usage).says("dumped in SJIS").says("--format copy");
    assert_eq!(fetch("copy").succeeds().stdout, b"\x83\x5c\x83\x74\x83\x67\n");
}

#[test]
fn a_full_disk_and_a_closed_pipe_are_local_failures() {
    let scene = Scene::new(
        Major::Distribution,
        &format!(
            "{RELATED} CREATE TABLE long AS SELECT n, repeat('x', 1000) FROM generate_series(1, 2000) n;"
        ),
    );
    for format in ["archive", "sql", "csv", "copy"] {
        for (tail, code) in [("| head -c 100 >/dev/null; exit ${PIPESTATUS[0]}", 17), ("> /dev/full", 17)] {
            let line = format!(
                "{} fetch latest -t long -o - --format {format} {tail}",
                env!("CARGO_BIN_EXE_pgstow")
            );
            let output = Command::new("bash")
                .args(["-c", &line])
                .env("PGSTOW_STORE", scene.place.url())
                .env("PGSTOW_IDENTITY", &Keys::shared().identity)
                .output()
                .unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{format} {tail}: {said}");
        }
    }
}
