//! What is said of a database itself, and who may enter it and when: in the end as in the source, and not before.

use super::scene::limited;
use crate::harness::pgstow;
use crate::scene::{Place, every_client, fresh};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use serde_json::Value;

/// What a restore says that it left out.
fn left_out(answer: &Value) -> String {
    let all = answer["left_out"].as_array().unwrap();
    all.iter().map(|one| one.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The schema public belongs to a superuser before PostgreSQL 15, and a service's database to the service.
#[test]
fn what_is_in_a_schema_of_another_role_is_granted_too() {
    for major in [Major::V14, Major::Distribution] {
        let (cluster, place) = (Cluster::start(major), Place::folder());
        let database = cluster.create_database("granted");
        cluster.psql(
            "postgres",
            "CREATE ROLE low LOGIN; CREATE ROLE dba LOGIN PASSWORD 'limited-word' CREATEDB",
        );
        let sql = "CREATE TABLE public.a AS SELECT 1 AS n; CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'";
        cluster.psql(&database, sql);
        place.backup(&cluster.url(&database), &["--name", "app"]);
        let url = |copy: &str| format!("postgres://dba:limited-word@127.0.0.1:{}/{copy}", cluster.port);
        let copy = fresh("granted");
        if major == Major::Distribution {
            cluster.psql("postgres", &format!("CREATE DATABASE {copy}"));
            cluster.psql(&copy, "GRANT CREATE ON SCHEMA public TO dba");
        }
        let words = ["restore", "latest", "--no-owner", "--to", &url(&copy), "--grant-all", "low"];
        let run = place.opens(&words).succeeds();
        assert!(!run.stderr.contains("psql: no privileges were granted"), "{run}");
        let may = "SELECT has_table_privilege('low', 'public.a', 'INSERT'), has_function_privilege('low', 'public.f()', 'EXECUTE')";
        assert_eq!(cluster.psql(&copy, may), "t|t", "{run}");

        // Where the role cannot get, that is said.
        let closed = fresh("closed");
        cluster.psql("postgres", &format!("CREATE DATABASE {closed}"));
        cluster.psql(
            "postgres",
            &format!(
                "REVOKE CONNECT ON DATABASE {closed} FROM PUBLIC; GRANT CONNECT ON DATABASE {closed} TO dba"
            ),
        );
        cluster.psql(
            &closed,
            "REVOKE USAGE ON SCHEMA public FROM PUBLIC; GRANT CREATE, USAGE ON SCHEMA public TO dba",
        );
        let words = ["restore", "latest", "--no-owner", "--to", &url(&closed), "--grant-read", "low"];
        let run = place.opens(&words).succeeds();
        run.says(&format!("\"low\" has no access to DATABASE {closed}"))
            .says("\"low\" has no access to SCHEMA public, which belongs to another role")
            .says("GRANT USAGE ON SCHEMA public TO \"low\";");
    }
}

/// A database may have its sessions work as a role: what a restore does itself comes before that.
#[test]
fn sessions_work_as_the_sources_role_only_in_the_end() {
    let cluster = Cluster::start(Major::Distribution);
    let place = Place::folder();
    cluster.psql(
        "postgres",
        "CREATE ROLE low; CREATE ROLE other; CREATE ROLE app_owner IN ROLE other, pg_read_all_data",
    );
    let database = cluster.create_database("works_as");
    cluster.psql(
        &database,
        &format!(
            "CREATE TABLE t AS SELECT 1 AS n; CREATE SCHEMA app AUTHORIZATION other; SET ROLE other;
             CREATE TABLE app.u AS SELECT 2 AS n; CREATE MATERIALIZED VIEW app.m AS SELECT n FROM app.u; RESET ROLE;
             ALTER DATABASE {database} SET role = app_owner"
        ),
    );
    place.backup(&cluster.url(&database), &["--name", "app"]);
    cluster.psql("postgres", "REVOKE other FROM app_owner");
    let copy = fresh("works_as");
    let to = cluster.url(&copy);
    let words = ["restore", "latest", "--to", &to, "--grant-read", "low", "--after-sql", "SELECT 1"];
    let run = place.opens(&words).succeeds();
    let may = "SELECT has_table_privilege('low', 't', 'SELECT'), has_table_privilege('low', 'app.m', 'SELECT'), current_user";
    assert_eq!(cluster.psql(&copy, may), "t|t|app_owner", "{run}");
}

/// A limit of 0 keeps every role out that is no superuser, this one too.
#[test]
fn a_limit_of_connections_is_set_last() {
    let cluster = Cluster::start(Major::Distribution);
    let (place, database) = (Place::folder(), cluster.create_database("limit"));
    let sql = format!("CREATE TABLE t AS SELECT 1 AS n; ALTER DATABASE {database} CONNECTION LIMIT 0");
    cluster.psql(&database, &sql);
    place.backup(&cluster.url(&database), &["--name", "app"]);
    let (copy, url) = (fresh("limit"), limited(&cluster, "restorer"));
    let words = ["restore", "latest", "--no-owner", "--to", &url(&copy), "--after-sql", "UPDATE t SET n = 2"];
    place.opens(&words).succeeds();
    assert_eq!(
        cluster.psql(&copy, "SELECT n, datconnlimit FROM t, pg_database WHERE datname = current_database()"),
        "2|0"
    );
}

/// What cannot be said of the new database is named, in the answer too; least of all what would keep this role out.
#[test]
fn what_is_not_said_of_the_new_database_is_in_the_answer() {
    let cluster = Cluster::start(Major::Distribution);
    cluster.psql("postgres", "CREATE ROLE gone; CREATE ROLE boss SUPERUSER LOGIN PASSWORD 'limited-word'");
    let (place, database) = (Place::folder(), cluster.create_database("unsaid"));
    cluster.psql(
        &database,
        &format!(
            "CREATE TABLE t AS SELECT 1 AS n; ALTER ROLE gone IN DATABASE {database} SET \"app.key\" TO 's3cr3t';
             ALTER ROLE postgres IN DATABASE {database} SET session_preload_libraries TO 'nosuch'"
        ),
    );
    let boss = |database: &str| format!("postgres://boss:limited-word@127.0.0.1:{}/{database}", cluster.port);
    place.backup(&boss(&database), &["--name", "app"]);
    cluster.psql("postgres", &format!("DROP DATABASE {database}"));
    cluster.psql("postgres", "DROP ROLE gone");
    let copy = fresh("unsaid");
    let run = place.opens(&["restore", "latest", "--json", "--to", &cluster.url(&copy)]).succeeds();
    let said = left_out(&run.json());
    assert_eq!(said.matches(": not applied to the database").count(), 2, "{said}");
    assert!(said.contains("there is no role gone") || said.contains("there is no role \"gone\""), "{said}");
    assert!(said.contains("session_preload_libraries") && said.contains("nobody could connect"), "{said}");
    assert!(!run.stderr.contains("s3cr3t") && !said.contains("s3cr3t"), "{run}");
    assert_eq!(cluster.psql(&copy, "SELECT n FROM t"), "1");
}

/// A plain dump says of its database what nobody says of the new one; and the value of a setting may be a secret.
#[test]
fn what_a_plain_dump_says_of_its_database_is_named() {
    let cluster = Cluster::start(Major::Distribution);
    let (place, database) = (Place::folder(), cluster.create_database("plain"));
    cluster.psql(
        &database,
        &format!(
            "CREATE TABLE t AS SELECT 1 AS n; ALTER DATABASE {database} SET \"app.jwt_secret\" TO 's3cr3t';
             REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"
        ),
    );
    let dump = tempfile::NamedTempFile::new().unwrap();
    let taken =
        cluster.client("pg_dump").args(["-C", "-f"]).arg(dump.path()).arg(&database).status().unwrap();
    assert!(taken.success());
    let adopt = ["adopt", dump.path().to_str().unwrap(), "--name", "plain", "--no-encryption"];
    place.opens(&adopt).succeeds();
    let run = place.opens(&["restore", "latest", "--json", "--to", &cluster.url(&fresh("plain"))]).succeeds();
    let run = run.says("said of the old database, and not applied to the new one: ").says("REVOKE ");
    let said = left_out(&run.json());
    assert!(said.contains("REVOKE ") && said.contains("jwt_secret"), "{said}");
    assert!(!run.stderr.contains("s3cr3t") && !said.contains("s3cr3t"), "{run}");
}

/// Its tables have their grants long before it has its own.
#[test]
fn nobody_enters_a_database_that_is_not_finished() {
    let (cluster, place) = (Cluster::start(Major::Distribution), Place::folder());
    let database = cluster.create_database("open");
    cluster.psql(
        &database,
        "CREATE ROLE low; CREATE TABLE t AS SELECT 1 AS n; GRANT SELECT ON t TO PUBLIC;
         CREATE MATERIALIZED VIEW m AS SELECT 1 / n AS n FROM t; UPDATE t SET n = 0",
    );
    place.backup(&cluster.url(&database), &["--name", "app"]);
    let may = |copy: &str| {
        let who =
            "SELECT string_agg(has_database_privilege('low', datname, 'CONNECT')::text, '') FROM pg_database";
        cluster.psql("postgres", &format!("{who} WHERE datname LIKE '{copy}%'"))
    };
    for (flag, expected) in [("--keep-failed", "false"), ("--skip-refresh", "true")] {
        let copy = fresh("open");
        let run = place.opens(&["restore", "latest", "--to", &cluster.url(&copy), flag]).run();
        assert_eq!(run.status.success(), expected == "true", "{run}");
        assert_eq!(may(&copy), expected, "{run}");
    }
}

/// A statement may hold a password, and came in a variable so that nobody sees it.
#[test]
fn a_script_is_named_without_what_is_in_its_quotes() {
    let (cluster, place) = (Cluster::start(Major::Distribution), Place::folder());
    let database = cluster.create_database("quoted");
    cluster.psql(&database, "CREATE ROLE low; CREATE TABLE t AS SELECT 1 AS n");
    place.backup(&cluster.url(&database), &["--name", "app"]);
    let run = place
        .opens(&["restore", "latest", "--to", &cluster.url(&fresh("quoted"))])
        .env("PGSTOW_AFTER_SQL", "ALTER ROLE low PASSWORD 'hunter2'")
        .succeeds()
        .says("running ALTER ROLE low PASSWORD '…'");
    assert!(!run.stderr.contains("hunter2"), "{run}");
}

/// What was said of a database belongs to its name, and nothing of what was said of the other one.
#[test]
fn a_database_that_gets_a_name_loses_what_was_said_of_it() {
    let cluster = Cluster::start(Major::Distribution);
    let (live, other) = (cluster.create_database("live"), cluster.create_database("other"));
    cluster.psql(
        "postgres",
        &format!(
            "CREATE ROLE web; CREATE ROLE intern; GRANT CONNECT ON DATABASE {live} TO web;
             ALTER DATABASE {live} SET statement_timeout = '7s';
             GRANT ALL ON DATABASE {other} TO intern WITH GRANT OPTION; COMMENT ON DATABASE {other} IS 'on trial';
             ALTER DATABASE {other} SET work_mem = '1GB'; ALTER ROLE intern IN DATABASE {other} SET search_path = evil"
        ),
    );
    let said = |name: &str| {
        cluster.psql("postgres", &format!(
            "SELECT (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(d.datacl) a), shobj_description(d.oid, 'pg_database'),
                    (SELECT string_agg(setrole::text || setconfig::text, ' ') FROM pg_db_role_setting WHERE setdatabase = d.oid)
             FROM pg_database d WHERE datname = '{name}'"
        ))
    };
    let expected = said(&live);
    let swap = |with: &str| {
        pgstow(["swap", "--yes", "--to", &cluster.url(&live), "--with", with]).env("PATH", every_client())
    };
    swap(&other).succeeds();
    assert_eq!(said(&live), expected);
    swap("postgres").fails(Kind::Usage).says("is the database from which this run works");
}

/// Nothing but the old database has what the server refuses, or nobody has read.
#[test]
fn no_old_database_is_dropped_that_has_more() {
    let cluster = Cluster::start(Major::Distribution);
    let (place, url) = (Place::folder(), limited(&cluster, "dba"));
    cluster.psql("postgres", "CREATE DATABASE app OWNER dba");
    cluster.psql(
        "app",
        "CREATE TABLE t AS SELECT 1 AS n; ALTER TABLE t OWNER TO dba; CREATE PUBLICATION all_of_it FOR ALL TABLES",
    );
    place.backup(&cluster.url("app"), &["--name", "app"]);
    let swap = ["restore", "latest", "--swap", "--yes", "--to", &url("app"), "--keep-old", "0"];
    let run = place.opens(&swap).arg("--no-owner").succeeds();
    run.says("--keep-old 0 keeps the old database: only it is sure to have what did not come: PUBLICATION all_of_it");
    let there = "SELECT count(*) FROM pg_database WHERE datname LIKE 'app_before_%'";
    assert_eq!(cluster.psql("postgres", there), "1");
    // Nobody knows what is in a plain dump.
    let dump = tempfile::NamedTempFile::new().unwrap();
    let taken = cluster.client("pg_dump").args(["-s", "-f"]).arg(dump.path()).arg("app").status().unwrap();
    assert!(taken.success());
    place.opens(&["adopt", dump.path().to_str().unwrap(), "--name", "plain", "--no-encryption"]).succeeds();
    let run = place.opens(&swap).args(["--name", "plain"]).fails(Kind::Usage);
    run.says("has no inventory to be compared with");
}

/// Whoever logs in as one role and works as another must get into what the other has created.
#[test]
fn a_role_that_works_as_another_enters_a_closed_database() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, place) = (Cluster::start(major), Place::folder());
        let inherits = if major == Major::V18 { " WITH INHERIT FALSE, SET TRUE" } else { "" };
        cluster.psql(
            "postgres",
            &format!(
                "CREATE ROLE app_owner CREATEDB; CREATE ROLE dba LOGIN NOINHERIT PASSWORD 'limited-word';
                 GRANT app_owner TO dba{inherits}; ALTER ROLE dba SET role = 'app_owner'"
            ),
        );
        let database = cluster.create_database("works");
        cluster.psql(&database, "CREATE TABLE t AS SELECT 1 AS n");
        place.backup(&cluster.url(&database), &["--name", "app"]);
        let url = |copy: &str| format!("postgres://dba:limited-word@127.0.0.1:{}/{copy}", cluster.port);
        let copy = fresh("works");
        place.opens(&["restore", "latest", "--no-owner", "--to", &url(&copy)]).succeeds();
        let who = "SELECT count(*) FROM pg_database, aclexplode(datacl) WHERE datname = current_database() AND grantee = 'dba'::regrole";
        assert_eq!(cluster.psql(&copy, who), "0");
        place.opens(&["verify", "latest", "--restore", "--to", url("").trim_end_matches('/')]).succeeds();
    }
}
