//! `--proof digests`: everything that was restored is dumped again and compared.

use super::scene::Play;
use crate::scene::{add_bulk, fresh, motley, named};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use serde_json::json;

/// A database that does something to the table `a` while pgstow restores the table `b`.
fn meddler(deed: &str) -> String {
    format!(
        "CREATE TABLE a (id int, v text); INSERT INTO a SELECT n, 'v' || n FROM generate_series(1, 5) n;
         CREATE TABLE b (id int); INSERT INTO b VALUES (1);
         CREATE TABLE c (id int);
         CREATE FUNCTION meddle() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
           IF current_setting('application_name') LIKE 'pgstow%' THEN {deed}; END IF;
           RETURN true; END $$;
         ALTER TABLE b ADD CHECK (public.meddle());"
    )
}

#[test]
fn all_that_agrees_is_proven() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = motley(cluster, "digests");
    add_bulk(cluster, &database, 300);
    let play = Play::of(cluster, database);
    let (copy, restore) = play.restore(&["--proof", "digests", "--json"]);
    let run = restore.succeeds().says("proven: 910 rows in 12 tables, 2 large objects, digest by digest");
    let proof = &run.json()["proof"];
    assert_eq!(proof["by"], "digests");
    assert_eq!(
        (&proof["differences"], &proof["not_compared"], &proof["in_another_order"]),
        (&json!([]), &json!([]), &json!(0))
    );
    assert!(!run.stderr.contains("reading part of the backup again"), "{run}");
    assert_eq!(cluster.text_of(&copy), cluster.text_of(&play.database));
}

#[test]
fn a_table_that_was_changed_while_it_was_restored_is_named() {
    let meddler = meddler("UPDATE public.a SET v = 'x' WHERE id = 50000");
    let rows = "repeat('v', 100) || n FROM generate_series(1, 60000) n";
    let play = Play::new(&meddler.replace("'v' || n FROM generate_series(1, 5) n", rows));
    // As many rows as ever: counting cannot see it.
    play.restore(&["--proof", "counts"]).1.succeeds();
    let (copy, restore) = play.restore(&["--proof", "digests", "--json"]);
    let run = restore.fails(Kind::Verify);
    // A beginning of 4 MiB ends in row 37,648.
    let run =
        run.says("public.a: the same number of rows, with different content, first in rows 37,648 to 60,000");
    let proof = &run.json()["proof"];
    assert_eq!((&proof["differences"].as_array().unwrap().len(), &proof["tables"]), (&1, &json!(2)));
    assert!(!play.cluster.has_database(&copy));
    let (copy, restore) = play.restore(&["--proof", "digests", "--keep-failed"]);
    restore.fails(Kind::Verify);
    // It has its name only once it is proven.
    let kept = named(play.cluster, &format!("{copy}_restoring_"));
    assert_eq!(play.cluster.psql(&kept, "SELECT v FROM a WHERE id = 50000"), "x");
}

#[test]
fn rows_in_another_order_are_the_same_rows() {
    let play = Play::new(&meddler("UPDATE public.a SET v = v WHERE id = 3"));
    let run = play.restore(&["--proof", "digests", "--json"]).1.succeeds();
    let run = run.says("reading part of the backup again").says("3 tables, 1 of them in another order");
    assert_eq!(run.json()["proof"]["in_another_order"], 1);
}

#[test]
fn rows_more_and_rows_fewer_are_told_apart() {
    for (deed, difference) in [
        ("DELETE FROM public.a WHERE id = 3", "public.a: 4 rows instead of 5"),
        ("INSERT INTO public.a VALUES (6, '')", "public.a: 6 rows instead of 5"),
        ("PERFORM lo_create(0)", "1 large object instead of 0"),
    ] {
        let play = Play::new(&meddler(deed));
        let run = play
            .restore(&["--proof", "digests"])
            .1
            .fails(Kind::Verify)
            .says(difference)
            .says("dropped the new database");
        assert!(!run.stderr.contains("reading part of the backup again"), "{run}");
    }
    // A table that the dump has only the definition of.
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("only");
    cluster.psql(&database, &meddler("INSERT INTO public.c VALUES (1)"));
    let play = Play::of(cluster, database);
    let id =
        play.place.backup(&cluster.url(&play.database), &["--name", "only", "--exclude-table-data", "c"]);
    let to = cluster.url(&format!("{}_copy", play.database));
    let restore = play.place.opens(&["restore", &id, "--name", "only", "--to", &to, "--proof", "digests"]);
    restore.fails(Kind::Verify).says("public.c: 1 row, and none in the dump");
}

#[test]
fn what_cannot_be_compared_is_named() {
    // A column that the parent got later stands elsewhere in a restored child.
    let play = Play::new(
        "CREATE TABLE parent (id int); CREATE TABLE child (own int) INHERITS (parent);
         ALTER TABLE parent ADD late text; INSERT INTO child VALUES (1, 2, 'x');",
    );
    let run = play.restore(&["--proof", "digests", "--json"]).1.succeeds();
    let run = run.says("not proven: public.child (its columns are in another order)");
    assert_eq!(run.json()["proof"]["tables"], 1);
}

/// Before PostgreSQL 15 it is written as it is, and since then as `\\344`.
#[test]
fn single_bytes_that_servers_write_differently_are_not_called_different() {
    let (old, new) = (Cluster::shared(Major::V14), Cluster::shared(Major::V18));
    let database = fresh("bytes");
    let latin = format!("CREATE DATABASE {database} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    old.psql("postgres", &latin);
    old.psql(
        &database,
        "CREATE TABLE marks AS SELECT chr(228)::\"char\" AS mark; CREATE TABLE plain AS SELECT 1",
    );
    let play = Play::of(old, database);
    let run = play.restore(&["--proof", "digests"]).1.succeeds().says("proven: 2 rows in 2 tables");
    // Only the pg_dump is newer.
    assert!(!run.stderr.contains("is older than"), "{run}");
    let copy = new.url(&fresh("bytes"));
    let run = play.place.opens(&["restore", "latest", "--to", &copy, "--proof", "digests"]).succeeds();
    run.says("not proven: public.marks (it has a column of type \"char\"").says("proven: 1 row in 1 table");
}

/// The owner of the tables may not pass the policies of one, so its rows are not in the second dump.
#[test]
fn rows_that_row_level_security_hides_are_not_called_proven() {
    let play = Play::new(
        "CREATE TABLE open AS SELECT 1 AS n; CREATE TABLE closed AS SELECT 2 AS n;
         ALTER TABLE closed ENABLE ROW LEVEL SECURITY; ALTER TABLE closed FORCE ROW LEVEL SECURITY;",
    );
    let role = format!("{}_owner", play.database);
    play.cluster.psql("postgres", &format!("CREATE ROLE {role} LOGIN CREATEDB PASSWORD 'secret-word'"));
    let copy = format!("{}_copy", play.database);
    let url = format!("postgres://{role}:secret-word@127.0.0.1:{}/{copy}", play.cluster.port);
    let restore = play.place.opens(&["restore", "latest", "--to", &url, "--no-owner", "--proof", "digests"]);
    restore
        .succeeds()
        .says("not proven: public.closed (row-level security hides its rows)")
        .says("proven: 1 row in 1 table");
}

#[test]
fn partitions_that_changed_places_are_the_same_rows() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("moved");
    // The boundary moves with who asks.
    cluster.psql(
        &database,
        "CREATE FUNCTION side(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
           RETURN (n + (current_setting('application_name') LIKE 'pgstow%')::int) % 2; END $$;
         CREATE TABLE h (id int) PARTITION BY LIST (public.side(id));
         CREATE TABLE h0 PARTITION OF h FOR VALUES IN (0);
         CREATE TABLE h1 PARTITION OF h FOR VALUES IN (1);
         INSERT INTO h SELECT generate_series(1, 7);",
    );
    let place = crate::scene::Place::folder();
    place.backup(&cluster.url(&database), &["--pg-dump-arg=--load-via-partition-root"]);
    let copy = format!("{database}_copy");
    let restore = place.opens(&["restore", "latest", "--to", &cluster.url(&copy), "--proof", "digests"]);
    restore.succeeds().says("proven: 7 rows in 3 tables");
    assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM ONLY h0"), "4");
    assert_eq!(cluster.psql(&database, "SELECT count(*) FROM ONLY h0"), "3");
}

#[test]
fn digests_agree_between_majors() {
    let cluster = Cluster::shared(Major::Distribution);
    let play = Play::of(cluster, motley(cluster, "majors"));
    for major in [Major::V16, Major::V17, Major::V18] {
        let newer = Cluster::shared(major);
        let copy = format!("{}_{}", play.database, major.number());
        let restore =
            play.place.opens(&["restore", "latest", "--to", &newer.url(&copy), "--proof", "digests"]);
        restore.succeeds().says("proven: 610 rows in 11 tables, 2 large objects");
    }
}

#[test]
fn a_proof_that_needs_a_newer_pg_dump_is_refused_before_data_moves() {
    let cluster = Cluster::shared(Major::Distribution);
    let play = Play::of(cluster, motley(cluster, "clients"));
    let newer = Cluster::shared(Major::V18);
    let to = newer.url(&format!("{}_copy", play.database));
    let clients = Major::Distribution.bin();
    let words = ["restore", "latest", "--to", &to, "--pg-bin", clients.to_str().unwrap()];
    let run = play.place.opens(&words).args(["--proof", "digests"]).fails(Kind::Settings);
    run.says("an older pg_dump cannot dump it");
    assert!(!newer.has_database(&format!("{}_copy", play.database)));
    play.place.opens(&words).succeeds();
}

/// Two workers load the halves of one table at the same time, so its rows may come in any order.
#[test]
fn what_many_hands_restored_is_proven() {
    let play = Play::new(
        "CREATE TABLE big AS SELECT n, repeat(md5(n::text), 30) AS text FROM generate_series(1, 90000) n;
         CREATE TABLE small AS SELECT 1 AS n; CREATE SEQUENCE s; SELECT setval('s', 7);
         SELECT lo_from_bytea(0, 'one'), lo_from_bytea(0, 'two');",
    );
    let words = ["--proof", "digests", "--jobs", "2"];
    let run = play.restore(&words).1.succeeds();
    assert!(run.stderr.contains("proven: 90,001 rows in 2 tables"), "{run}");
    assert!(run.stderr.contains("2 large objects"), "{run}");
    play.rehearse(&words).succeeds().says("proven: 90,001 rows in 2 tables").says("1 sequence");
    play.nothing_is_left();
}

/// `audit` or `"audit"`: the text of a `regclass` is a name as the dump writes names.
#[test]
fn names_in_rows_are_compared_as_the_dump_quotes_them() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("quoted");
    cluster.psql(
        &database,
        "CREATE TABLE audit (id int, tab regclass); INSERT INTO audit VALUES (1, 'audit');
         CREATE TABLE json (a int); INSERT INTO json VALUES (1); CREATE TABLE \"Plain\" (\"A\" text);
         CREATE DOMAIN place AS regclass; CREATE TYPE pair AS (a place, b int);
         CREATE TABLE of_domain (a place); CREATE TABLE of_type (a pair[]); CREATE TABLE child () INHERITS (audit)",
    );
    let place = crate::scene::Place::folder();
    let url = cluster.url(&database);
    place.backup(&url, &["--name", "quoted", "--pg-dump-arg=--quote-all-identifiers"]);
    let restore = |name: &str, cluster: &Cluster| {
        let to = cluster.url(&fresh("quoted"));
        place.opens(&["restore", "latest", "--name", name, "--to", &to, "--proof", "digests"]).succeeds()
    };
    restore("quoted", cluster).says("proven: 2 rows in 6 tables");
    // A keyword since PostgreSQL 16.
    cluster.psql(
        &database,
        "INSERT INTO audit VALUES (2, 'json'); INSERT INTO child VALUES (3, 'json');
         INSERT INTO of_domain VALUES ('json'); INSERT INTO of_type VALUES (ARRAY[('json', 1)::pair])",
    );
    place.backup(&url, &["--name", "plain"]);
    restore("plain", cluster).says("proven: 6 rows in 6 tables");
    let mut run = restore("plain", Cluster::shared(Major::V18)).says("proven: 1 row in 2 tables");
    for table in ["audit", "child", "of_domain", "of_type"] {
        let why = "its rows name objects, and the servers quote names differently";
        run = run.says(&format!("public.{table} ({why})"));
    }

    // Names that are always in quotes say nothing of the others.
    let database = cluster.create_database("quoted");
    cluster.psql(
        &database,
        "CREATE SCHEMA \"App\"; CREATE TABLE \"App\".\"T\" (\"Id\" int, \"Of\" regclass);
         INSERT INTO \"App\".\"T\" VALUES (1, 'pg_class')",
    );
    place.backup(&cluster.url(&database), &["--name", "always"]);
    restore("always", cluster).says("proven: 1 row in 1 table");
}
