//! Grants and scripts in a restored database, before anybody sees it.

use super::scene::{Scene, limited, roles};
use crate::harness::pgstow;
use crate::scene::Place;
use crate::scene::{add_bulk, every_client, fresh, motley, named};
use crate::servers::postgres::{Cluster, Major, PASSWORD};
use pgstow::error::Kind;
use rustix::process::Signal;
use std::process::Command;
use tempfile::TempDir;

/// Runs SQL as another role than the superuser.
fn as_role(cluster: &Cluster, role: &str, database: &str, sql: &str) -> Result<String, String> {
    let mut psql: Command = cluster.client("psql");
    psql.env("PGUSER", role).env("PGPASSWORD", "word").args([
        "-XAtq",
        "-v",
        "ON_ERROR_STOP=1",
        "-d",
        database,
        "-c",
        sql,
    ]);
    let output = psql.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A role that can log in.
fn login(cluster: &Cluster, label: &str) -> String {
    let role = fresh(label);
    let quoted = role.replace('"', "\"\"");
    cluster.psql("postgres", &format!("CREATE ROLE \"{quoted}\" LOGIN PASSWORD 'word'"));
    role
}

#[test]
fn who_may_read_can_really_read_and_what_comes_later_too() {
    let cluster = Cluster::shared(Major::Distribution);
    let place = Place::folder();
    let database = motley(cluster, "granted");
    // Nobody gets in by being anybody.
    cluster.psql(&database, &format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC; REVOKE ALL ON app.orders FROM PUBLIC; ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE ALL ON TABLES FROM PUBLIC"));
    place.backup(&cluster.url(&database), &["--name", "granted"]);
    let (reader, writer, nobody) =
        (login(cluster, "Re\"ader"), login(cluster, "writer"), login(cluster, "nobody"));
    let copy = fresh("granted");
    let words =
        ["restore", "latest", "--to", &cluster.url(&copy), "--grant-read", &reader, "--grant-all", &writer];
    place.opens(&words).succeeds();

    let tables = cluster.psql(
        &copy,
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND nspname !~ '^pg_' AND nspname <> 'information_schema'",
    );
    let readable = |privilege: &str| {
        format!("SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
          AND has_schema_privilege(n.oid, 'USAGE') AND CASE relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, '{privilege}') END")
    };
    assert_eq!(as_role(cluster, &reader, &copy, &readable("SELECT")).unwrap(), tables);
    assert_eq!(as_role(cluster, &reader, &copy, "SELECT count(*) FROM app.orders").unwrap(), "500");
    assert!(
        as_role(cluster, &reader, &copy, "DELETE FROM app.orders").unwrap_err().contains("permission denied")
    );
    assert!(
        as_role(cluster, &reader, &copy, "CREATE TABLE app.mine ()")
            .unwrap_err()
            .contains("permission denied")
    );
    assert_eq!(as_role(cluster, &writer, &copy, &readable("INSERT")).unwrap(), tables);
    as_role(cluster, &writer, &copy, "DELETE FROM app.orders WHERE cents < 10; CREATE TABLE app.mine (n int); SELECT app.twice(2), nextval('public.tickets')").unwrap();
    assert!(
        as_role(cluster, &nobody, &copy, "SELECT 1").unwrap_err().contains("permission denied for database")
    );
    // What the owners make later.
    cluster.psql(&copy, "CREATE TABLE app.later AS SELECT 7 AS n; CREATE SCHEMA more; CREATE TABLE more.later AS SELECT 8 AS n; CREATE SEQUENCE more.s");
    assert_eq!(
        as_role(cluster, &reader, &copy, "SELECT a.n + b.n FROM app.later a, more.later b").unwrap(),
        "15"
    );
    as_role(cluster, &writer, &copy, "INSERT INTO more.later VALUES (nextval('more.s'))").unwrap();

    // A role that is not there is reported before anything is made, or created.
    let missing = fresh("missing");
    let copy = fresh("granted");
    let to = cluster.url(&copy);
    let words = ["restore", "latest", "--to", &to, "--grant-read", &missing];
    let run = place.opens(&words).fails(Kind::Postgres);
    let run = run.says(&format!("lacks roles of --grant-read or --grant-all: \"{missing}\""));
    assert!(!run.stderr.contains("the backup needs"), "{run}");
    assert!(!cluster.has_database(&copy));
    place.opens(&words).args(["--roles", "create"]).succeeds();
    assert!(roles(cluster).contains(&missing));
}

#[test]
fn a_role_without_rights_grants_what_is_its_own() {
    let scene = Scene::new(Major::Distribution);
    for major in [Major::Distribution, Major::V18] {
        let target = Cluster::start(major);
        let url = limited(&target, "me");
        let web = login(&target, "web");
        let copy = fresh("mine");
        let words = [
            "restore",
            "latest",
            "--to",
            &url(&copy),
            "--no-acl",
            "--owner",
            "me",
            "--roles",
            "create",
            "--grant-read",
            &web,
        ];
        scene.place.opens(&words).succeeds();
        assert_eq!(as_role(&target, &web, &copy, "SELECT count(*) FROM app.closed").unwrap(), "0");
        assert_eq!(as_role(&target, &web, &copy, "SELECT last_value FROM app.numbers").unwrap(), "1");
    }
}

#[test]
fn a_copy_is_masked_before_anybody_may_see_it() {
    // Nobody else takes samples.
    let cluster = Cluster::start_with(Major::V18, &["autovacuum=off"]);
    let place = Place::folder();
    let database = cluster.create_database("people");
    cluster.psql(&database, "CREATE SCHEMA app; CREATE TABLE app.people AS SELECT n, 'secret-' || n % 7 AS name FROM generate_series(1, 1000) n;
        CREATE TABLE app.sessions AS SELECT 'secret-session' AS token, n % 2 AS two FROM generate_series(1, 100) n;
        CREATE STATISTICS app.both (mcv) ON token, two FROM app.sessions;
        CREATE MATERIALIZED VIEW app.z AS SELECT name FROM app.people; CREATE VIEW app.between_them AS SELECT name FROM app.z;
        CREATE MATERIALIZED VIEW app.\"a View\" AS SELECT name FROM app.between_them;
        CREATE MATERIALIZED VIEW app.never_filled AS SELECT name FROM app.people WITH NO DATA;
        CREATE MATERIALIZED VIEW app.a_people AS SELECT n, name FROM app.people;
        CREATE FUNCTION app.first_name() RETURNS text STABLE LANGUAGE plpgsql
          AS $$ BEGIN RETURN (SELECT name FROM app.a_people ORDER BY n LIMIT 1); END $$;
        CREATE MATERIALIZED VIEW app.z_top AS SELECT app.first_name() AS name;
        GRANT USAGE ON SCHEMA app TO PUBLIC; GRANT SELECT ON app.people TO PUBLIC; ANALYZE");
    cluster.psql(&database, &format!("ALTER DATABASE {database} SET search_path TO app"));
    place.backup(&cluster.url(&database), &["--name", "people", "--pg-dump-arg=--statistics"]);
    let developer = login(&cluster, "developer");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mask it.sql");
    std::fs::write(&file, "-- With the search path that the database has.\nUPDATE people SET name = 'nobody';\nDELETE FROM people WHERE n > 10;\nDELETE FROM sessions;\n").unwrap();
    let masked = |copy: &str, sql: &str| {
        let words = [
            "restore",
            "latest",
            "--to",
            &cluster.url(copy),
            "--after",
            file.to_str().unwrap(),
            "--after-sql",
            sql,
        ];
        place.opens(&words)
    };

    // While it is made, the developer is not let in.
    let copy = fresh("masked");
    let running = masked(&copy, "SELECT pg_sleep(3); INSERT INTO people VALUES (11, 'last')").spawn();
    let sleeping = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)%'
                    AND query NOT LIKE '%pg_stat_activity%'";
    cluster.eventually("postgres", sleeping);
    let filling = named(&cluster, &copy);
    if !filling.starts_with(&format!("{copy}_restoring_")) {
        panic!("{filling:?}: {}", running.wait());
    }
    assert!(
        as_role(&cluster, &developer, &filling, "SELECT 1")
            .unwrap_err()
            .contains("permission denied for database")
    );
    let run = running.wait().assert_success();
    let run = run.says("proven: 1,100 rows in 2 tables").says("mask it.sql");
    let seen = as_role(&cluster, &developer, &copy, "SELECT count(*), min(name), max(n) FROM people");
    assert_eq!(seen.unwrap(), "11|last|11", "{run}");
    // Materialized views had their rows before the script ran.
    for view in ["z", "\"a View\""] {
        let seen = cluster.psql(&copy, &format!("SELECT count(*), min(name), max(name) FROM app.{view}"));
        assert_eq!(seen, "11|last|nobody", "{view}: {run}");
    }
    let filled =
        "SELECT string_agg(matviewname, ' ' ORDER BY matviewname) FROM pg_matviews WHERE ispopulated";
    assert_eq!(cluster.psql(&copy, filled), "a View a_people z z_top");
    let through_a_function = cluster.psql(&copy, "SELECT name FROM app.z_top");
    assert_eq!(through_a_function, "nobody", "no view says what this one reads: {run}");
    let sampled = "SELECT count(*) FROM pg_stats WHERE most_common_vals::text LIKE '%secret%' OR histogram_bounds::text LIKE '%secret%'";
    assert_eq!(cluster.psql(&copy, sampled), "0", "what the statistics had sampled is gone");
    let both = "SELECT count(*) FROM pg_stats_ext WHERE most_common_vals::text LIKE '%secret%'";
    assert_eq!(cluster.psql(&copy, both), "0");

    // Another role may not delete samples: none are taken before the scripts.
    cluster.psql("postgres", &format!("CREATE ROLE mover LOGIN CREATEDB PASSWORD '{PASSWORD}'"));
    let copy = fresh("masked");
    let to = cluster.url_of("mover", &copy);
    let words = ["restore", "latest", "--no-owner", "--to", &to, "--after-sql"];
    let run = place.opens(&words).arg("DELETE FROM people; DELETE FROM sessions").succeeds();
    for question in [sampled, both] {
        assert_eq!(cluster.psql(&copy, question), "0", "{question}: {run}");
    }

    // A view that can no longer be filled takes everything back.
    let copy = fresh("masked");
    let empty = "CREATE OR REPLACE FUNCTION first_name() RETURNS text STABLE LANGUAGE plpgsql
                 AS $$ BEGIN RETURN (SELECT name FROM app.never_filled LIMIT 1); END $$";
    let run = masked(&copy, empty).fails(Kind::Postgres);
    run.says("\"never_filled\" has not been populated").says("--skip-refresh leaves them empty");
    assert!(!cluster.has_database(&copy));

    // A script that fails takes everything back: its own work, and the database.
    for sql in ["DELETE FROM nothing_there", "DELETE FROM people; SELECT 1/0"] {
        let copy = fresh("masked");
        let run = masked(&copy, sql).fails(Kind::Postgres).says("--after-sql: ");
        assert!(!cluster.has_database(&copy), "{run}");
        masked(&copy, sql).arg("--keep-failed").fails(Kind::Postgres).says("kept");
        let kept = named(&cluster, &format!("{copy}_restoring_"));
        assert_eq!(cluster.psql(&kept, "SELECT count(*) FROM app.people"), "10");
        assert!(as_role(&cluster, &developer, &kept, "SELECT 1").is_err(), "it is kept, not shown");
    }
    std::fs::write(&file, "UPDATE people SET name = 'half';\nUPDATE people SET no_such_column = 1;\n")
        .unwrap();
    let copy = fresh("masked");
    masked(&copy, "SELECT 1").fails(Kind::Postgres).says("mask it.sql").says("no_such_column");
    assert!(!cluster.has_database(&copy));
    // Others may be in a database that exists, and what cannot be restored cannot be masked.
    let existing = cluster.create_database("existing");
    masked(&existing, "SELECT 1").fails(Kind::TargetExists).says("so others could connect to it before");
    assert_eq!(cluster.psql(&existing, "SELECT count(*) FROM pg_class WHERE relname = 'people'"), "0");
    masked(&copy, "SELECT 1").args(["--on-error", "keep"]).fails(Kind::Usage).says("cannot be combined");
    // A file that is not there is reported at once.
    let to = cluster.url(&copy);
    let words = ["restore", "latest", "--to", &to, "--after", "/no/such/mask.sql"];
    place.opens(&words).fails(Kind::Settings).says("/no/such/mask.sql");
    // Interrupted before it is masked, nobody gets it.
    std::fs::write(&file, "SELECT pg_sleep(60);").unwrap();
    let copy = fresh("masked");
    let running = masked(&copy, "SELECT 1").spawn();
    let sleeping = sleeping.replace("(3)", "(60)");
    cluster.eventually("postgres", &sleeping);
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated);
    assert!(!cluster.has_database(&copy));
}

#[test]
fn a_copy_that_no_script_has_masked_is_not_taken_for_one_that_was() {
    let cluster = Cluster::start(Major::Distribution);
    let place = Place::folder();
    let database = cluster.create_database("people");
    cluster.psql(&database, "CREATE TABLE people AS SELECT 'secret' AS name");
    place.backup(&cluster.url(&database), &["--name", "people"]);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mask.sql");
    let masked = |copy: &str, words: &[&str]| {
        place.opens(&["restore", "latest", "--to", &cluster.url(copy)]).args(words)
    };
    let update = "UPDATE people SET name = 'nobody';";

    // psql succeeds with all of these.
    let goes_on = "the script goes on after the end of its transaction";
    for (script, why) in [
        (&format!("UPDATE people SET name = name; COMMIT; BEGIN; {update} ROLLBACK;")[..], goes_on),
        (
            "\\set ON_ERROR_STOP off\nBEGIN; SELECT 1; COMMIT; BEGIN; UPDATE people SET nosuch = 1; COMMIT;",
            "nosuch",
        ),
        ("\\set ON_ERROR_STOP off\n\\i /no/such/mask.sql", "went on after an error"),
        (
            "\\set ON_ERROR_STOP off\n\\set ON_ERROR_ROLLBACK on\nUPDATE people SET nosuch = 1;",
            "went on after an error",
        ),
        ("\\set ON_ERROR_STOP off\nUPDATE people SET no_such_column = 1;", "no_such_column"),
        (&format!("BEGIN; {update} ROLLBACK;"), "the script has taken back its own work"),
        (&format!("{update}\n\\connect"), "the script has taken back its own work"),
    ] {
        let copy = fresh("masked");
        std::fs::write(&file, script).unwrap();
        let run = masked(&copy, &["--after", file.to_str().unwrap()]).fails(Kind::Postgres).says(why);
        assert!(!cluster.has_database(&copy), "{run}");
    }
    let copy = fresh("masked");
    std::fs::write(&file, "\n-- UPDATE people …\n").unwrap();
    let comment = ["--after-sql", "/* nothing */"];
    for empty in
        [["--after", file.to_str().unwrap()], ["--after-sql", ";"], ["--after", "/dev/null"], comment]
    {
        masked(&copy, &empty).fails(Kind::Usage).says("the script is empty");
        let clone = ["clone", &cluster.url(&database), &copy];
        place.pgstow(&clone).args(empty).fails(Kind::Usage).says("the script is empty");
    }
    // Only what psql says itself is an error.
    let notice = "DO $$ BEGIN RAISE NOTICE E'a\nERROR:  b'; END $$";
    masked(&fresh("masked"), &["--after-sql", notice]).succeeds();
    // What is to be done about a script is not what is to be done about a dump.
    let run = masked(&copy, &["--after-sql", "GRANT SELECT ON people TO nosuch"]).fails(Kind::Postgres);
    let run = run.says("role \"nosuch\" does not exist");
    assert!(!run.stderr.contains("--no-owner"), "{run}");
    let run = masked(&copy, &["--after-sql", "VACUUM people"]).fails(Kind::Postgres);
    run.says("cannot run inside a transaction block").says("each script is one transaction");
    let run = masked(&copy, &["--after-sql", "SET statement_timeout = 10; SELECT pg_sleep(9)"]);
    let run = run.fails(Kind::Postgres).says("statement timeout");
    assert!(!run.stderr.contains("--lock-wait-timeout"), "{run}");
    // A transaction of its own is a habit, and a pipe gives its content only once.
    std::fs::write(&file, format!("BEGIN; {update} COMMIT;")).unwrap();
    masked(&copy, &["--after", file.to_str().unwrap()]).succeeds();
    assert_eq!(cluster.psql(&copy, "SELECT name FROM people"), "nobody");
    let copy = fresh("masked");
    masked(&copy, &["--after", "/dev/stdin"]).stdin(update).succeeds();
    assert_eq!(cluster.psql(&copy, "SELECT name FROM people"), "nobody");
}

#[test]
fn what_the_source_said_of_its_database_is_said_of_the_new_one() {
    let source = Cluster::start(Major::Distribution);
    source.psql("postgres", "CREATE ROLE boss; CREATE ROLE reader; CREATE ROLE gone");
    source.psql("postgres", "CREATE DATABASE shop OWNER boss");
    source.psql(
        "shop",
        "CREATE TABLE t (n int); ALTER DATABASE shop SET search_path TO 'a b', public; ALTER DATABASE shop SET work_mem TO '7MB';
         ALTER ROLE boss IN DATABASE shop SET statement_timeout TO '5s'; ALTER ROLE gone IN DATABASE shop SET work_mem TO '1MB';
         ALTER DATABASE shop CONNECTION LIMIT 42; COMMENT ON DATABASE shop IS 'the shop''s';
         REVOKE ALL ON DATABASE shop FROM PUBLIC; GRANT CONNECT ON DATABASE shop TO reader",
    );
    add_bulk(&source, "shop", 100);
    let place = Place::folder();
    place.backup(&source.url("shop"), &["--name", "shop"]);
    let target = Cluster::start(Major::V18);
    target.psql("postgres", "CREATE ROLE boss; CREATE ROLE reader");
    for jobs in ["1", "2"] {
        let copy = fresh("New \"Shop\"");
        let quoted = copy.replace('"', "\"\"");
        let to = target.url(&copy.replace('"', "%22").replace(' ', "%20"));
        let run = place.opens(&["restore", "latest", "--to", &to, "--jobs", jobs]).succeeds();
        let run = run
            .says("not applied to the new database: ALTER ROLE gone IN DATABASE")
            .says("there is no role \"gone\"");
        let said = |cluster: &Cluster, name: &str| {
            cluster.psql("postgres", &format!(
                "SELECT d.datconnlimit, pg_get_userbyid(d.datdba), shobj_description(d.oid, 'pg_database'),
                        (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(d.datacl) a),
                        (SELECT string_agg(coalesce(nullif(setrole, 0)::regrole::text, '*') || setconfig::text, ' ' ORDER BY setrole::regrole::text)
                         FROM pg_db_role_setting WHERE setdatabase = d.oid AND setrole::regrole::text <> 'gone') FROM pg_database d WHERE datname = '{name}'"
            ))
        };
        assert_eq!(said(&target, &copy), said(&source, "shop"), "{run}");
        target.psql("postgres", &format!("DROP DATABASE \"{quoted}\""));
    }
    // Without owners and grants, its settings are left.
    let copy = fresh("shop");
    place.opens(&["restore", "latest", "--to", &target.url(&copy), "-O", "-x"]).succeeds();
    let acl = format!(
        "SELECT (SELECT bool_and(a = ANY (acldefault('d', datdba))) FROM unnest(datacl) a), pg_get_userbyid(datdba), datconnlimit
         FROM pg_database WHERE datname = '{copy}'"
    );
    assert_eq!(target.psql("postgres", &acl), "t|postgres|42");
}

/// Whoever will own the copy may not see the rows before they are masked, and no one who waits for the database to appear.
#[test]
fn a_masked_copy_is_closed_to_its_owner_until_it_is_masked() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let (owner, other) = (fresh("dev"), fresh("dev"));
        cluster.psql("postgres", &format!("CREATE ROLE {owner} LOGIN; CREATE ROLE {other} LOGIN"));
        let database = cluster.create_database("masked");
        cluster.psql("postgres", &format!("ALTER DATABASE {database} OWNER TO {owner}"));
        cluster.psql(
            &database,
            &format!("CREATE TABLE t AS SELECT 'secret' AS word; ALTER TABLE t OWNER TO {owner}"),
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let masks = "DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname LIKE 'dev%' AND has_database_privilege(oid, current_database(), 'CONNECT'))
            THEN RAISE EXCEPTION 'somebody may connect'; END IF;
          END $$; UPDATE t SET word = 'x'";
        for (words, owner) in [(&[][..], &owner), (&["--owner", &other], &other)] {
            let copies = [fresh("copy"), fresh("copy")];
            let restore = ["restore", "latest", "--after-sql", masks, "--to", &cluster.url(&copies[0])];
            place.opens(&restore).args(words).succeeds();
            let clone = ["clone", &cluster.url(&database), &cluster.url(&copies[1]), "--after-sql", masks];
            pgstow(clone).env("PATH", every_client()).args(words).succeeds();
            for copy in copies {
                let found = format!(
                    "SELECT (SELECT word FROM t), pg_get_userbyid(datdba), datallowconn,
                       has_database_privilege('{owner}', datname, 'CONNECT') FROM pg_database WHERE datname = '{copy}'"
                );
                assert_eq!(cluster.psql(&copy, &found), format!("x|{owner}|t|t"));
            }
        }
        // The owner of the database in use is kept out of the one that takes its place.
        for (words, owner) in [(&["--owner", &other][..], &other), (&[], &other)] {
            let to = cluster.url(&database);
            let swap = ["restore", "latest", "--swap", "--yes", "--after-sql", masks, "--to", &to];
            place.opens(&swap).args(words).succeeds();
            let found = "SELECT (SELECT word FROM t), pg_get_userbyid(datdba), datallowconn FROM pg_database
                         WHERE datname = current_database()";
            assert_eq!(cluster.psql(&database, found), format!("x|{owner}|t"));
        }
    }
}
