//! Less than all: what is left out on purpose, what cannot be restored, and what is not the backup's fault.

use crate::scene::{Place, fresh};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

const SHOP: &str = "CREATE TABLE orders (id serial PRIMARY KEY, word text);
INSERT INTO orders (word) SELECT 'x' FROM generate_series(1, 20);
CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders);
INSERT INTO items SELECT n, n FROM generate_series(1, 10) n;
CREATE VIEW per_order AS SELECT o.id, o.word FROM orders o GROUP BY o.id;
CREATE VIEW totals AS SELECT count(*) FROM orders;
CREATE TABLE logs AS SELECT generate_series(1, 30) AS n;";

#[test]
fn tables_and_rows_are_left_out_on_the_way_back() {
    for major in [Major::V14, Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("shop");
        cluster.psql(
            &database,
            &format!(
                "{SHOP} SELECT lo_from_bytea(4711, 'x'); COMMENT ON LARGE OBJECT 4711 IS 'one';
                 GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC"
            ),
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let restore = |words: &[&str]| {
            let copy = fresh("shop");
            let run = place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).args(words).succeeds();
            (copy, run)
        };
        let tables = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
                       WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S')";
        for jobs in ["1", "3"] {
            let (copy, run) = restore(&["--exclude-table", "orders", "-T", "nothing", "--jobs", jobs]);
            assert_eq!(cluster.psql(&copy, tables), "items logs");
            run.says("left out, as it needs what is left out: VIEW public.totals")
                .says("left out, as it needs what is left out: VIEW public.per_order")
                .says("FK CONSTRAINT public.items items_order_id_fkey")
                .says("nothing in the backup matches nothing")
                .says("proven: 40 rows in 2 tables");
            let (copy, run) = restore(&["--exclude-table-data", "logs", "--jobs", jobs]);
            assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM logs"), "0");
            run.says("proven: 30 rows in 3 tables");
            let (copy, run) = restore(&["--schema-only", "--jobs", jobs]);
            assert_eq!(cluster.psql(&copy, tables), "items logs orders orders_id_seq per_order totals");
            run.says("proven: 0 rows in 3 tables");
            // Definitions hold no large objects.
            assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM pg_largeobject_metadata"), "0");
        }
    }
}

/// `pg_dump` does not write that something in the dump needs what was left out.
#[test]
fn a_backup_of_a_part_is_restored_into_a_new_database() {
    const SHOP: &str = "CREATE TABLE z (id int PRIMARY KEY); INSERT INTO z VALUES (1);
        CREATE SCHEMA app; CREATE SCHEMA cold;
        CREATE TABLE app.p (id int PRIMARY KEY, w text) PARTITION BY RANGE (id); CREATE INDEX ON app.p (w);
        CREATE TABLE app.p1 PARTITION OF app.p FOR VALUES FROM (0) TO (10);
        CREATE TABLE cold.p2 PARTITION OF app.p FOR VALUES FROM (10) TO (20);
        CREATE FUNCTION cold.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER above BEFORE UPDATE ON app.p FOR EACH ROW EXECUTE FUNCTION cold.f();
        ALTER TABLE app.p1 ENABLE REPLICA TRIGGER above;
        INSERT INTO app.p SELECT n, 'x' FROM generate_series(1, 15) n;
        CREATE TABLE app.c (id serial PRIMARY KEY, p int CONSTRAINT of_p REFERENCES app.p);
        COMMENT ON CONSTRAINT of_p ON app.c IS 'tie';
        INSERT INTO app.c (p) SELECT n FROM generate_series(1, 5) n;
        CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE FUNCTION app.\"On (Z.\"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER named BEFORE UPDATE ON z FOR EACH ROW EXECUTE FUNCTION app.\"On (Z.\"();
        CREATE TRIGGER touch BEFORE UPDATE ON app.c FOR EACH ROW EXECUTE FUNCTION app.touch();
        CREATE TYPE app.mood AS ENUM ('fine'); CREATE TABLE app.q (m app.mood);";
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("parts");
        cluster.psql(&database, SHOP);
        let owner = fresh("role");
        cluster.psql(&database, &format!("CREATE ROLE {owner}; ALTER TABLE app.c OWNER TO {owner}"));
        for (words, rows, lost) in [
            (
                &["--exclude-table", "app.p", "--exclude-table", "app.q"][..],
                21,
                &["FK CONSTRAINT app.c of_p (needs app.p, which the backup does not have)", "cold.p2"][..],
            ),
            (
                &["--table", "app.p1"],
                9,
                &["TABLE ATTACH app.p1 (needs app.p, which the backup does not have)", "schema app"],
            ),
            (
                &["--table", "app.c"],
                5,
                &[
                    "FK CONSTRAINT app.c of_p",
                    "TRIGGER app.c touch (needs app.touch, which the backup does not have)",
                    "does not have the schema app",
                ],
            ),
            (&["--schema", "public"], 1, &["TRIGGER public.z named (needs app.On (Z., "]),
            (&["--schema", "public", "--schema", "app"], 15, &["TRIGGER app.p above (needs cold.f, "]),
            (&["--schema", "cold"], 6, &["TABLE ATTACH cold.p2"]),
        ] {
            let place = Place::folder();
            place.backup(&cluster.url(&database), words);
            for how in [&["--jobs", "1"][..], &["--jobs", "3"], &["--no-owner", "--no-acl"]] {
                let copy = fresh("parts");
                let to = cluster.url(&copy);
                let run = place.opens(&["restore", "latest", "--to", &to]).args(how).succeeds();
                if words == ["--table", "app.c"] && how.len() == 2 && how[0] == "--jobs" {
                    let question = "SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'app'";
                    assert_eq!(cluster.psql(&copy, question), owner, "{run}");
                }
                let run = run.says(&format!("proven: {} in", pgstow::units::count(rows, "row")));
                let run = lost.iter().fold(run, |run, what| run.says(what));
                assert!(!lost.is_empty() || !run.stderr.contains("left out"), "{run}");
            }
            let to = cluster.url("");
            place.opens(&["verify", "latest", "--restore", "--to", &to]).succeeds();
            // A cluster of its own takes its time.
            if major == Major::V18 {
                continue;
            }
            let verify = place.opens(&["verify", "latest", "--restore", "--proof", "digests", "--json"]);
            let document = verify.succeeds().json();
            assert_eq!(
                document[0]["restored"]["left_out"].as_array().map_or(0, Vec::len) > 0,
                !lost.is_empty(),
                "{document}"
            );
        }
        // Its type cannot be guessed.
        let place = Place::folder();
        place.backup(&cluster.url(&database), &["--table", "app.q"]);
        let to = cluster.url(&fresh("parts"));
        let run = place.opens(&["restore", "latest", "--to", &to]).fails(Kind::Postgres);
        run.says("the backup is partial").says("--into appends").says("--on-error keep");
        // A database that has the table that the key refers to gets the key, another one does not.
        place.backup(&cluster.url(&database), &["--table", "app.c"]);
        let create = |database: &str| {
            let words = ["restore", "latest", "--into", &cluster.url(database), "--create-tables", "--table"];
            let run = place.opens(&words).arg("app.c").succeeds();
            let keys = "SELECT count(*) FROM pg_constraint WHERE conname = 'of_p'";
            (cluster.psql(database, keys), run)
        };
        let (keys, run) = create(&cluster.create_database("parts"));
        assert_eq!(keys, "0", "{run}");
        run.says("needs app.p, which the backup does not have");
        // So does a database that is there, without any of the backup's tables.
        let there = cluster.create_database("there");
        let to = cluster.url(&there);
        place
            .opens(&["restore", "latest", "--to", &to])
            .succeeds()
            .says("needs app.p, which the backup does not");
        let part = Place::folder();
        part.backup(&cluster.url(&database), &["--table", "app.p1"]);
        let alone = cluster.url(&cluster.create_database("alone"));
        let words = ["restore", "latest", "--create-tables", "--table", "app.p1", "--into", &alone];
        part.opens(&words).succeeds().says("left out: TABLE ATTACH app.p1 (needs app.p, ");
        cluster.psql(&database, "DROP TABLE app.c");
        let (keys, run) = create(&database);
        assert_eq!(keys, "1", "{run}");
    }
}

/// What a whole database is tied by is never taken for something that is missing, whatever its name.
#[test]
fn nothing_of_a_whole_database_is_taken_for_missing() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("names");
    let names = ["f", "F", "a b", "a.b", "a\"b", "a(b", "select", "ü", "q'x", "$$", "--x", "über (x)"];
    let mut sql = String::new();
    for schema in ["public", "S s", "s.t", "a\"c"] {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let schema = quoted(schema);
        sql += &format!("CREATE SCHEMA IF NOT EXISTS {schema};");
        for name in names {
            let of = |what: &str| format!("{schema}.{}", quoted(&format!("{what}{name}")));
            let (table, key, whole, part, function) = (of("t"), of("k"), of("w"), of("p"), of(""));
            sql += &format!(
                "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
                 CREATE TABLE {table} (id int PRIMARY KEY); CREATE TABLE {key} (id int REFERENCES {table});
                 CREATE TRIGGER {own} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {function}();
                 COMMENT ON TRIGGER {own} ON {table} IS 'x';
                 CREATE TABLE {whole} (id int PRIMARY KEY) PARTITION BY LIST (id);
                 CREATE TABLE {part} PARTITION OF {whole} DEFAULT;",
                own = quoted(name)
            );
        }
    }
    cluster.psql(&database, &sql);
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    let copy = fresh("names");
    let run = place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
    assert!(!run.stderr.contains("left out") && !run.stderr.contains("does not have"), "{run}");
    let schema = |database: &str| {
        let text = cluster.client("pg_dump").args(["-s", database]).output().unwrap().stdout;
        let text = String::from_utf8(text).unwrap();
        text.lines().filter(|line| !line.contains("restrict ")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(schema(&database), schema(&copy));
}

/// An order that items refer to is gone, and no constraint has noticed.
#[test]
fn what_can_be_restored_is_kept_if_that_is_asked_for() {
    for major in [Major::V13, Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("orphans");
        cluster.psql(
            &database,
            &format!(
                "{SHOP} SET session_replication_role = replica; DELETE FROM orders WHERE id = 3;
                 REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"
            ),
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let copy = fresh("orphans");
        let restore = |words: &[&str], kind| {
            place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).args(words).fails(kind)
        };
        restore(&[], Kind::Postgres).says("--on-error keep restores all that can be");
        for kept in [format!("{copy}_incomplete"), format!("{copy}_incomplete_2")] {
            restore(&["--on-error", "keep", "--jobs", "3"], Kind::Verify)
                .says("not everything could be restored")
                .says("violates foreign key constraint")
                .says(&format!("{copy}_incomplete"));
            assert!(!cluster.has_database(&copy));
            let name = cluster.psql(
                "postgres",
                &format!("SELECT datname FROM pg_database WHERE datname LIKE '{kept}%' ORDER BY 1 LIMIT 1"),
            );
            assert_eq!(cluster.psql(&name, "SELECT count(*) FROM items"), "10");
            // Whom the source kept out stays out.
            let public = format!("SELECT has_database_privilege('public', '{name}', 'CONNECT')");
            assert_eq!(cluster.psql("postgres", &public), "f");
            assert_eq!(cluster.psql(&name, "SELECT count(*) FROM pg_constraint WHERE contype = 'p' AND connamespace = 'public'::regnamespace"), "2");
        }
        let existing = cluster.create_database("existing");
        let words = ["restore", "latest", "--on-error", "keep", "--to", &cluster.url(&existing)];
        place.opens(&words).fails(Kind::Usage).says("is for a database that does not exist yet");
    }
}

#[test]
fn old_databases_are_dropped_but_for_the_newest() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::start(major);
        let app = cluster.create_database("app");
        cluster.psql(&app, "CREATE TABLE t AS SELECT 1 AS n");
        let place = Place::folder();
        place.backup(&cluster.url(&app), &["--name", "app"]);
        let aside = || {
            cluster.psql(
            "postgres",
            &format!("SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname LIKE '{app}%before%'"),
        )
        };
        cluster.psql("postgres", &format!("CREATE DATABASE {app}_before_migration"));
        let restore = ["restore", "latest", "--swap", "--yes", "--to", &cluster.url(&app)];
        place.opens(&restore).succeeds();
        place.opens(&restore).succeeds();
        assert_eq!(aside().split(' ').count(), 3, "{}", aside());
        place.opens(&restore).args(["--keep-old", "1"]).succeeds().says("as --keep-old 1 asks for");
        let left = aside();
        assert_eq!(left.split(' ').count(), 2, "{left}");
        assert!(left.contains("before_migration"), "only our own are dropped: {left}");
        // What can be undone is said, and with what.
        let run = place.opens(&restore).args(["--keep-old", "0", "--json"]).succeeds();
        assert!(!run.stderr.contains("undo:") && run.json()["swap"]["kept_as"].is_null(), "{run}");
        cluster.psql("postgres", &format!("CREATE DATABASE {app}_before_29991231_000000"));
        place.opens(&restore).succeeds().says(&format!("undo:  pgstow swap --with {app}_before_20"));
        // What a backup lacks must stay somewhere.
        place.backup(&cluster.url(&app), &["--name", "part", "--table", "t"]);
        let part = |keep: &str| place.opens(&restore).args(["--name", "part", "--keep-old", keep]);
        part("0").fails(Kind::Usage).says("is a part of one");
        let none = ["--name", "app", "--proof", "none", "--keep-old", "0"];
        place.opens(&restore).args(none).fails(Kind::Usage).says("--proof none compares nothing with it");
        part("1").succeeds().says("is a part of a database");
        let none = place.opens(&restore).args(["--name", "app", "--exclude-table-data", "*"]);
        none.fails(Kind::Usage)
            .says("--exclude-table-data leaves out all rows of")
            .says("no database's place");
        place.backup(&cluster.url(&app), &["--name", "defined", "--pg-dump-arg=--schema-only"]);
        let defined = place.opens(&restore).args(["--name", "defined"]);
        defined.fails(Kind::Usage).says("has no rows, so it takes no database's place");
        // Nothing is left out if there is no table for rows.
        let parted = cluster.create_database("parted");
        cluster.psql(&parted, "CREATE TABLE p (n int) PARTITION BY LIST (n)");
        place.backup(&cluster.url(&parted), &["--name", "parted"]);
        let restore =
            ["restore", "latest", "--name", "parted", "--swap", "--yes", "--to", &cluster.url(&parted)];
        place.opens(&restore).succeeds();
    }
}

/// A materialized view that could be filled once.
#[test]
fn what_cannot_be_refreshed_here_says_nothing_against_the_backup() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("refresh");
        cluster.psql(
            &database,
            "CREATE TABLE t AS SELECT 1 AS n; CREATE MATERIALIZED VIEW \"the m\" AS SELECT 1 / n AS n FROM t;
             CREATE MATERIALIZED VIEW fine AS SELECT n FROM t; UPDATE t SET n = 0",
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let receipt = tempfile::tempdir().unwrap().path().join("receipt.json");
        std::fs::create_dir(receipt.parent().unwrap()).unwrap();
        let words = ["verify", "latest", "--restore", "--receipt", receipt.to_str().unwrap()];
        let run = place.opens(&words).succeeds().says("not refreshed").says("public.the m");
        run.says("; 1 materialized view not refreshed");
        let receipt = std::fs::read_to_string(&receipt).unwrap();
        assert!(
            receipt.contains("\"notRefreshed\": 1") || receipt.contains("\"notRefreshed\":1"),
            "{receipt}"
        );
        let copy = fresh("refresh");
        let restore = ["restore", "latest", "--to", &cluster.url(&copy)];
        place.opens(&restore).fails(Kind::Postgres).says("division by zero");
        place.opens(&restore).arg("--skip-refresh").succeeds();
        assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM pg_matviews WHERE ispopulated"), "0");
    }
}

#[test]
fn what_could_not_be_tried_is_not_called_bad() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("untried");
        let place = Place::folder();
        for name in ["one", "two"] {
            place.backup(&cluster.url(&database), &["--name", name]);
        }
        place
            .opens(&["verify", "--all", "--restore", "--scratch", "/nonexistent/folder"])
            .fails(Kind::Settings)
            .says("could not be tried: no folder for a temporary cluster")
            .says("2 of 2 backups could not be tried");
    }
}

/// The folder for the trial: its name is a list to a server, and root's own is closed to whom PostgreSQL runs as instead.
#[test]
fn a_folder_in_which_no_server_can_be() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("unplaced");
    let (place, folder) = (Place::folder(), TempDir::new().unwrap());
    place.backup(&cluster.url(&database), &[]);
    let verify = |name: &str| {
        let scratch = folder.path().join(name);
        std::fs::create_dir(&scratch).unwrap();
        place.opens(&["verify", "latest", "--restore", "--scratch", scratch.to_str().unwrap()])
    };
    let run = verify("a,b").fails(Kind::Settings);
    run.says("can have no socket in").says("name a folder without a comma with --scratch");
    if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        verify("closed").fails(Kind::Settings).says("who may not enter").says("that everybody may enter");
    }
}
