//! `restore --table`: chosen tables into a database made for them, proven like any other restore.

use super::scene::{RELATED, Scene, relations, same};
use crate::scene::{fresh, restore_fails};
use crate::servers::postgres::Major;
use pgstow::error::Kind;

/// Extensions, which only the distribution's servers have, and what needs them.
const EXTENDED: &str = "
CREATE EXTENSION hstore SCHEMA other;
CREATE TABLE app.tagged (id int, tags other.hstore);
INSERT INTO app.tagged VALUES (1, 'a=>1');
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
CREATE FOREIGN TABLE app.remote (id int) SERVER far;
CREATE EXTENSION btree_gist;
CREATE TABLE app.booked (room int, during int4range, EXCLUDE USING gist (room WITH =, during WITH &&));
CREATE OPERATOR CLASS app.ours FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=,
    OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
CREATE TABLE app.once (n int, EXCLUDE USING btree (n app.ours WITH =));
CREATE EXTENSION intarray;
CREATE TABLE app.sets (n int[], EXCLUDE USING gist (n WITH &&));
CREATE TABLE app.free (during int4range, EXCLUDE USING gist (during WITH &&));
CREATE TABLE app.setting (name text);
CREATE OPERATOR CLASS app.of_rows DEFAULT FOR TYPE app.setting USING btree AS OPERATOR 1 < (record, record),
    FUNCTION 1 btrecordcmp(record, record);
CREATE TABLE app.rates (id int PRIMARY KEY, percent int);
CREATE FUNCTION app.percent(int) RETURNS int IMMUTABLE LANGUAGE sql
    BEGIN ATOMIC SELECT percent FROM app.rates WHERE id = $1 GROUP BY rates.id; END;
CREATE TABLE app.sold (rate int, n int);
CREATE INDEX by_percent ON app.sold (app.percent(rate));
CREATE STATISTICS app.of_percents ON (app.percent(rate)), n FROM app.sold;";

#[test]
fn only_what_was_chosen_is_there_and_proven() {
    let scene = Scene::new(Major::Distribution, &format!("{RELATED}{EXTENDED}"));
    for more in [&["--jobs", "1"][..], &["--jobs", "2"], &["--proof", "digests"], &["--proof", "none"]] {
        let copy = fresh("chosen");
        let restore = [
            "restore",
            "latest",
            "--json",
            "--to",
            &scene.cluster.url(&copy),
            "-t",
            "app.us*",
            "-t",
            "orders",
        ];
        let run = scene.place.opens(&restore).args(more).succeeds();
        let told = run.json();
        assert_eq!((&told["tables"], &told["rows"]), (&2.into(), &25.into()), "{run}");
        if more != ["--proof", "none"] {
            run.says("proven: 25 rows in 2 tables");
        }
        let tables = ["app.users", "app.orders"];
        same(scene.cluster, &scene.database, &copy, &tables);
        let theirs = ["app.orders", "app.orders_id_seq", "app.users", "app.users_id_seq", "other.tickets"];
        assert_eq!(relations(scene.cluster, &copy), theirs);
        scene.cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
    }
}

#[test]
fn extensions_and_servers_come_with_what_needs_them() {
    let scene = Scene::new(Major::Distribution, &format!("{RELATED}{EXTENDED}"));
    let copy = fresh("extended");
    let to = scene.cluster.url(&copy);
    let restore = ["restore", "latest", "--to", &to, "-t", "tagged", "-t", "remote"];
    let run = scene.place.opens(&restore).succeeds();
    assert!(!run.stderr.contains("left out"), "{run}");
    assert_eq!(relations(scene.cluster, &copy), ["app.remote", "app.tagged"]);
    let extensions = scene.cluster.psql(&copy, "SELECT extname FROM pg_extension ORDER BY 1");
    assert_eq!(extensions, "hstore\nplpgsql\npostgres_fdw");

    // Which operator classes a constraint compares by is not among what the dump says it depends on.
    for (tables, needed) in [
        (["app.booked", "app.once"], "btree_gist\nplpgsql"),
        (["app.free", "app.setting"], "plpgsql"),
        (["app.once", "app.sets"], "intarray\nplpgsql"),
    ] {
        let copy = fresh("classes");
        let restore =
            ["restore", "latest", "--to", &scene.cluster.url(&copy), "-t", tables[0], "-t", tables[1]];
        let run = scene.place.opens(&restore).succeeds();
        assert!(!run.stderr.contains("left out"), "{run}");
        assert_eq!(relations(scene.cluster, &copy), tables);
        let extensions = scene.cluster.psql(&copy, "SELECT extname FROM pg_extension ORDER BY 1");
        assert_eq!(extensions, needed, "{tables:?}");
        same(scene.cluster, &scene.database, &copy, &tables);
    }

    // Indexes and statistics have names of their own.
    let restore = ["restore", "latest", "--to", &scene.cluster.url(&fresh("sold")), "-t", "sold"];
    let run = scene.place.opens(&restore).succeeds();
    run.says("left out: INDEX app.by_percent (needs app.rates)")
        .says("left out: STATISTICS app.of_percents (needs app.rates)");
}

#[test]
fn a_database_that_exists_and_is_empty_takes_them_too() {
    let scene = Scene::new(Major::Distribution, RELATED);
    let copy = scene.cluster.create_database("waiting");
    let restore = ["restore", "latest", "--to", &scene.cluster.url(&copy), "-t", "app.tree"];
    scene.place.opens(&restore).succeeds().says("proven: 2 rows in 1 table");
    assert_eq!(relations(scene.cluster, &copy), ["app.tree"]);
}

#[test]
fn nothing_is_made_where_nothing_fits() {
    let scene = Scene::new(Major::Distribution, RELATED);
    let run = restore_fails(&scene.place, scene.cluster, &["-t", "app.user"], Kind::NotFound);
    run.says("did you mean app.users");
}

/// PostgreSQL does not know what is called in a function's body.
#[test]
fn what_is_called_by_functions_of_a_table_comes_with_it() {
    let scene = Scene::new(
        Major::Distribution,
        "CREATE SCHEMA mb; CREATE SCHEMA other; CREATE TABLE mb.log (t text);
         CREATE FUNCTION other.trimmed(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT btrim($1)';
         CREATE FUNCTION other.\"Not used\"(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1';
         CREATE FUNCTION mb.padded(text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 <> other.trimmed($1)';
         CREATE FUNCTION mb.padded(mb.log) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';
         CREATE FUNCTION mb.ok(text) RETURNS bool IMMUTABLE LANGUAGE sql SET search_path = mb AS 'SELECT NOT padded ($1)';
         CREATE TABLE mb.artist (id int PRIMARY KEY, name text CHECK (mb.ok(name)));
         INSERT INTO mb.artist VALUES (1, 'a')",
    );
    let copy = fresh("called");
    let restore = ["restore", "latest", "--to", &scene.cluster.url(&copy), "-t", "mb.artist"];
    scene.place.opens(&restore).succeeds().says("proven: 1 row in 1 table");
    let functions = "SELECT string_agg(oid::regprocedure::text, ' ' ORDER BY proname) FROM pg_proc
        WHERE pronamespace IN ('mb'::regnamespace, 'other'::regnamespace)";
    assert_eq!(scene.cluster.psql(&copy, functions), "mb.ok(text) mb.padded(text) other.trimmed(text)");
}

/// Since PostgreSQL 17 a partition has it of the table above, and `pg_dump` says it of that one alone.
#[test]
fn a_partition_comes_with_the_identity_that_it_has_of_a_table_above() {
    let scene = Scene::new(
        Major::V18,
        "CREATE TABLE ev (id int GENERATED ALWAYS AS IDENTITY, k int) PARTITION BY LIST (k);
         CREATE TABLE ev1 PARTITION OF ev FOR VALUES IN (1);
         CREATE TABLE ev2 PARTITION OF ev FOR VALUES IN (2, 3) PARTITION BY LIST (k);
         CREATE TABLE ev23 PARTITION OF ev2 FOR VALUES IN (3); INSERT INTO ev (k) VALUES (1), (3), (3)",
    );
    for (table, rows) in [("ev1", "1 row"), ("ev23", "2 rows")] {
        let copy = fresh("identity");
        let restore = ["restore", "latest", "--to", &scene.cluster.url(&copy), "-t", table];
        scene.place.opens(&restore).succeeds().says(&format!("proven: {rows} in "));
        let insert = format!("INSERT INTO {table} (k) VALUES ({}) RETURNING id", &table[table.len() - 1..]);
        assert_eq!(scene.cluster.psql(&copy, &insert), "4");
    }
}

/// `pg_dump` only says of a trigger that a partition has of a table above it whether it fires.
#[test]
fn a_partition_comes_without_the_trigger_that_it_has_of_a_table_above() {
    for major in [Major::Distribution, Major::V18] {
        let scene = Scene::new(
            major,
            "CREATE TABLE ev (id int, at date) PARTITION BY RANGE (at);
             CREATE TABLE ev24 PARTITION OF ev FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY RANGE (id);
             CREATE TABLE ev24a PARTITION OF ev24 FOR VALUES FROM (0) TO (100);
             CREATE TABLE other (id int) PARTITION BY RANGE (id);
             CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
             CREATE TRIGGER t5 AFTER INSERT ON ev FOR EACH ROW EXECUTE FUNCTION f();
             CREATE TRIGGER t5 AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION f();
             ALTER TABLE ev24a DISABLE TRIGGER t5; INSERT INTO ev VALUES (1, '2024-05-05')",
        );
        let says = "left out: TRIGGER public.ev24a t5 (needs public.ev)";
        for words in [&["-t", "ev24a"][..], &["-t", "ev24"], &["-t", "ev24a", "-t", "other"]] {
            let restore = ["restore", "latest", "--to", &scene.cluster.url(&fresh("leaf"))];
            scene.place.opens(&restore).args(words).succeeds().says(says).says("proven: 1 row in ");
        }
        let copy = fresh("root");
        let restore = ["restore", "latest", "--to", &scene.cluster.url(&copy), "-t", "ev"];
        scene.place.opens(&restore).succeeds();
        let fires = "SELECT string_agg(tgenabled::text, '' ORDER BY tgrelid::regclass::text) FROM pg_trigger WHERE tgname = 't5'";
        assert_eq!(scene.cluster.psql(&copy, fires), "OOD");
    }
}
