//! What belongs to the database itself: its settings, its tablespace, whether it is a template.

use crate::harness::pgstow;
use crate::scene::{Place, every_client, fresh, named};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

/// A library that only the source has: nobody could connect to the copy.
#[test]
fn a_setting_that_keeps_everybody_out_is_taken_back() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("library");
        cluster.psql(
            &database,
            &format!(
                "CREATE TABLE t AS SELECT 1 AS n; ALTER DATABASE {database} SET work_mem = '7MB';
                 ALTER DATABASE {database} SET session_preload_libraries = 'nosuchlib';
                 ALTER DATABASE {database} SET extra.word = 'kept'"
            ),
        );
        let place = Place::folder();
        let around = format!("{}?options=-c%20session_preload_libraries%3D", cluster.url(&database));
        place.backup(&around, &["--name", "app"]);
        let copy = fresh("library");
        place
            .opens(&["restore", "latest", "--to", &cluster.url(&copy)])
            .succeeds()
            .says(&format!("not applied to the new database: ALTER DATABASE \"{copy}\" SET"))
            .says("nosuchlib")
            .says("nobody could connect");
        let set = "SELECT current_setting('work_mem') || current_setting('extra.word')";
        assert_eq!(cluster.psql(&copy, set), "7MBkept");
        let clone = fresh("clone");
        let words = ["clone", &around, &cluster.url(&clone)];
        pgstow(words).env("PATH", every_client()).succeeds().says("nobody could connect");
        assert_eq!(cluster.psql(&clone, set), "7MBkept");
    }
}

#[test]
fn empty_lists_are_inherited_by_what_takes_a_database_s_place() {
    for major in [Major::V13, Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let app = cluster.create_database("lists");
        let role = fresh("lister");
        cluster.psql(
            &app,
            &format!(
                "CREATE TABLE t AS SELECT 1 AS n; CREATE ROLE {role};
                 ALTER DATABASE {app} SET search_path = ''; ALTER DATABASE {app} SET temp_tablespaces = '';
                 ALTER ROLE {role} IN DATABASE {app} SET search_path = '';
                 ALTER ROLE {role} IN DATABASE {app} SET local_preload_libraries = ''"
            ),
        );
        let settings = |name: &str| {
            cluster.psql(
                "postgres",
                &format!("SELECT setrole, setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase
                           WHERE datname = '{name}' ORDER BY 1"),
            )
        };
        let before = settings(&app);
        let place = Place::folder();
        place.backup(&cluster.url(&app), &["--name", "app"]);
        place.opens(&["restore", "latest", "--swap", "--yes", "--to", &cluster.url(&app)]).succeeds();
        assert_eq!(settings(&app), before);
        pgstow(["swap", "--back", "--yes", "--to", &cluster.url(&app)])
            .env("PATH", every_client())
            .succeeds();
    }
}

#[test]
fn nothing_takes_a_template_s_place() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::start(major);
        let database = cluster.create_database("plain");
        let place = Place::folder();
        place.backup(&cluster.url(&database), &["--name", "app"]);
        for template in ["template0", "template1"] {
            place
                .opens(&["restore", "latest", "--swap", "--yes", "--to", &cluster.url(template)])
                .fails(Kind::Postgres)
                .says("is a template, from which databases are made");
            assert!(cluster.has_database(template));
        }
    }
}

#[test]
fn a_tablespace_is_kept_and_what_is_not_is_said() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, elsewhere) = (Cluster::start(major), Cluster::shared(major));
        let mut psql = cluster.client("psql");
        let make = ["SET allow_in_place_tablespaces = on", "CREATE TABLESPACE \"fast disk\" LOCATION ''"];
        assert!(psql.args(["-d", "postgres", "-c", make[0], "-c", make[1]]).status().unwrap().success());
        cluster.psql("postgres", "CREATE DATABASE app TABLESPACE \"fast disk\"");
        cluster.psql("app", "CREATE TABLE t AS SELECT 1 AS n");
        cluster.psql("postgres", "ALTER DATABASE app IS_TEMPLATE true");
        let place = Place::folder();
        place.backup(&cluster.url("app"), &[]);
        let lies_in = "SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace
                        WHERE datname = current_database()";
        place
            .opens(&["restore", "latest", "--to", &cluster.url("copy")])
            .succeeds()
            .says("that the database was a template")
            .says("ALTER DATABASE \"copy\" IS_TEMPLATE true");
        assert_eq!(cluster.psql("copy", lies_in), "fast disk");
        let copy = fresh("copy");
        place
            .opens(&["restore", "latest", "--to", &elsewhere.url(&copy)])
            .succeeds()
            .says("the database's own tablespace \"fast disk\"");
        assert_eq!(elsewhere.psql(&copy, lies_in), "pg_default");
    }
}

#[test]
fn a_user_mapping_for_everybody_asks_for_no_role() {
    for major in [Major::V13, Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("mapping");
        cluster.psql(
            &database,
            "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
             CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (\"user\" 'everybody')",
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let (copy, clone) = (fresh("mapping"), fresh("mapping"));
        place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
        pgstow(["clone", &cluster.url(&database), &cluster.url(&clone)])
            .env("PATH", every_client())
            .succeeds();
        for copy in [copy, clone] {
            assert_eq!(cluster.text_of(&copy), cluster.text_of(&database));
        }
        place.opens(&["verify", "latest", "--restore"]).succeeds();
    }
}

/// A partitioned table has no rows of its own, and is a table all the same.
#[test]
fn as_many_tables_are_proven_as_were_restored() {
    for major in [Major::V13, Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("parts");
        cluster.psql(
            &database,
            "CREATE TABLE p (n int) PARTITION BY RANGE (n);
         CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (1), (2);
         CREATE TABLE other AS SELECT 1 AS n",
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        for proof in ["counts", "digests"] {
            place
                .opens(&["restore", "latest", "--proof", proof, "--to", &cluster.url(&fresh("parts"))])
                .succeeds()
                .says("3 tables, 3 rows")
                .says("proven: 3 rows in 3 tables");
        }
    }
}

/// The server drops no database that has one, and the slot that it names is its original's.
#[test]
fn a_subscription_keeps_no_database_from_being_dropped() {
    for major in [Major::V13, Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("subscribed");
        cluster.psql(
            &database,
            "CREATE TABLE t AS SELECT 1 AS n;
             CREATE SUBSCRIPTION \"a Sub\" CONNECTION 'host=/nowhere dbname=x' PUBLICATION p WITH (connect = false, slot_name = 'a_sub')",
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &["--name", "app"]);
        let copy = fresh("copy");
        let words = ["restore", "latest", "--to", &cluster.url(&copy), "--after-sql", "SELECT 1/0"];
        let run = place.opens(&words).fails(Kind::Postgres).says("division by zero");
        let run = run.says("dropped the new database");
        assert_eq!(named(cluster, &copy), "", "{run}");
        // What a swap sets aside, if nothing comes through it.
        let words =
            ["restore", "latest", "--swap", "--yes", "--keep-old", "0", "--to", &cluster.url(&database)];
        let run = place.opens(&words).succeeds().says("as --keep-old 0 asks for");
        assert_eq!(named(cluster, &database), database, "{run}");
        // One that is kept for another subscription keeps all of them.
        cluster.psql(
            &database,
            "ALTER SUBSCRIPTION \"a Sub\" ENABLE;
             CREATE SUBSCRIPTION still CONNECTION 'host=/nowhere dbname=x' PUBLICATION p WITH (connect = false, slot_name = 'still')",
        );
        let run = place.opens(&words).succeeds().says("is kept: ").says("drop its subscriptions first");
        run.says("subscriptions go on filling the database that is set aside");
        let kept = named(cluster, &format!("{database}_before_"));
        cluster.psql(&kept, "ALTER SUBSCRIPTION \"a Sub\" DISABLE");
        assert_eq!(cluster.psql(&kept, "SELECT count(*) FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"), "2");
    }
}

#[test]
fn an_existing_database_keeps_what_was_said_of_it_and_gets_the_rest() {
    for major in [Major::V13, Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let (database, role) = (cluster.create_database("theirs"), fresh("role"));
        cluster.psql(
            &database,
            &format!(
                "CREATE TABLE t AS SELECT 1 AS n; CREATE ROLE {role};
                 ALTER DATABASE {database} SET work_mem = '7MB'; ALTER DATABASE {database} SET extra.word = 'theirs';
                 ALTER ROLE {role} IN DATABASE {database} SET work_mem = '6MB';
                 ALTER DATABASE {database} CONNECTION LIMIT 42; COMMENT ON DATABASE {database} IS 'theirs';
                 REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"
            ),
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let said = |name: &str| {
            cluster.psql(
                "postgres",
                &format!(
                    "SELECT datconnlimit, shobj_description(oid, 'pg_database'), has_database_privilege('public', oid, 'CONNECT'),
                            (SELECT string_agg(setconfig::text, ' ' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid)
                       FROM pg_database d WHERE datname = '{name}'"
                ),
            )
        };
        // One that nobody has said anything about gets everything.
        let existing = cluster.create_database("existing");
        let restore = |name: &str| place.opens(&["restore", "latest", "--to", &cluster.url(name)]);
        restore(&existing).succeeds();
        assert_eq!(said(&existing), said(&database));
        let existing = cluster.create_database("existing");
        cluster.psql(
            "postgres",
            &format!(
                "ALTER DATABASE {existing} SET work_mem = '9MB'; COMMENT ON DATABASE {existing} IS 'ours';
                 GRANT CREATE ON DATABASE {existing} TO PUBLIC"
            ),
        );
        let run = restore(&existing).succeeds().says("keeps what was said of it before; not applied: ");
        let ours = "42|ours|t|{work_mem=9MB,extra.word=theirs} {work_mem=6MB}";
        assert_eq!(said(&existing), ours, "{run}");
    }
}

/// Text is not converted on its way into SQL_ASCII.
#[test]
fn an_existing_database_of_another_encoding_is_refused_or_reported() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("text");
        cluster.psql(&database, "CREATE TABLE t AS SELECT 'ü' AS word");
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let existing = |encoding: &str| {
            let name = fresh("encoded");
            let create =
                format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'");
            cluster.psql("postgres", &create);
            (place.opens(&["restore", "latest", "--to", &cluster.url(&name)]), name)
        };
        existing("SQL_ASCII").0.fails(Kind::Postgres).says("would take the backup's UTF8 as bytes");
        let (restore, name) = existing("LATIN1");
        restore.succeeds().says("is not as the backup's database was: encoding LATIN1 instead of UTF8");
        assert_eq!(cluster.psql(&name, "SELECT encode(convert_to(word, 'LATIN1'), 'hex') FROM t"), "fc");
    }
}

/// Extensions count as nothing in a database that exists, and are not created again.
#[test]
fn an_existing_extension_in_another_schema_is_refused_if_it_is_named_by_its_own() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("extended");
    cluster.psql(
        &database,
        "CREATE SCHEMA util; CREATE EXTENSION hstore SCHEMA util; CREATE TABLE tagged (tags util.hstore);
         CREATE TABLE plain AS SELECT 1 AS n",
    );
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    let existing = cluster.create_database("existing");
    cluster.psql(&existing, "CREATE EXTENSION hstore");
    let restore = || place.opens(&["restore", "latest", "--to", &cluster.url(&existing)]);
    restore().fails(Kind::Postgres).says("\"hstore\" in \"public\" instead of \"util\"");
    assert_eq!(cluster.psql(&existing, "SELECT count(*) FROM pg_namespace WHERE nspname = 'util'"), "0");
    let run = restore().args(["--exclude-table", "tagged"]).succeeds();
    run.says("which matters to functions that name it in their text");
    assert_eq!(cluster.psql(&existing, "SELECT n FROM plain"), "1");
}

/// Its owner reads what the policies let it read, here as on the source.
#[test]
fn a_view_of_rows_with_forced_policies_is_filled() {
    for major in [Major::V13, Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let (database, owner) = (cluster.create_database("forced"), fresh("owner"));
        cluster.psql(
            &database,
            &format!(
                "CREATE ROLE {owner}; CREATE SCHEMA a AUTHORIZATION {owner}; SET ROLE {owner};
                 CREATE TABLE a.t AS SELECT n, n % 2 = 0 AS seen FROM generate_series(1, 10) n;
                 ALTER TABLE a.t ENABLE ROW LEVEL SECURITY; ALTER TABLE a.t FORCE ROW LEVEL SECURITY;
                 CREATE POLICY p ON a.t USING (seen); CREATE MATERIALIZED VIEW a.v AS SELECT * FROM a.t"
            ),
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let (one, two, clone) = (fresh("one"), fresh("two"), fresh("clone"));
        for (copy, jobs) in [(&one, "1"), (&two, "2")] {
            place.opens(&["restore", "latest", "--to", &cluster.url(copy), "--jobs", jobs]).succeeds();
        }
        pgstow(["clone", &cluster.url(&database), &cluster.url(&clone)])
            .env("PATH", every_client())
            .succeeds();
        for copy in [one, two, clone] {
            assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM a.v"), "5");
        }
    }
}
