//! Servers that do not take everything: what a role with a service's limits gets of a superuser's dump.

use super::scene::limited;
use crate::harness::Run;
use crate::scene::{Place, fresh};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use serde_json::Value;

/// What a superuser makes, and nobody else may.
const OF_A_SUPERUSER: &str = "
    CREATE SCHEMA app;
    CREATE TABLE app.t AS SELECT n FROM generate_series(1, 100) n;
    CREATE TABLE app.far (n int) TABLESPACE fast; INSERT INTO app.far VALUES (1);
    CREATE FUNCTION app.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
    CREATE EVENT TRIGGER guard ON ddl_command_start EXECUTE FUNCTION app.watch();
    COMMENT ON EVENT TRIGGER guard IS 'watches';
    CREATE PUBLICATION everything FOR ALL TABLES;
    CREATE PUBLICATION one FOR TABLE app.t;
    GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO reader;
    ALTER DEFAULT PRIVILEGES FOR ROLE cloud_admin IN SCHEMA public GRANT ALL ON TABLES TO neon_superuser WITH GRANT OPTION;
";

/// A backup of such a database.
fn superusers_backup(major: Major) -> Place {
    let source = Cluster::start(major);
    let folder = source.socket_folder().join("fast");
    std::fs::create_dir(&folder).unwrap();
    crate::servers::give(&folder);
    source.psql("postgres", "CREATE ROLE reader; CREATE ROLE cloud_admin; CREATE ROLE neon_superuser");
    source.psql("postgres", &format!("CREATE TABLESPACE fast LOCATION '{}'", folder.display()));
    source.psql("postgres", "CREATE DATABASE shop");
    source.psql("shop", OF_A_SUPERUSER);
    if major == Major::Distribution {
        source.psql("shop", "CREATE EXTENSION pg_trgm SCHEMA app");
    }
    let place = Place::folder();
    place.backup(&source.url("shop"), &["--name", "shop"]);
    place
}

pub fn left_out(run: &Run) -> Vec<String> {
    run.json()["left_out"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// As on Neon: no superuser; databases and roles may be made; the service has a role of its own.
#[test]
fn a_service_gets_what_it_takes_and_every_line_left_out_is_told() {
    for (major, mark, name) in [
        (Major::Distribution, "neon_superuser", "Neon"),
        (Major::Distribution, "rds_superuser", "Amazon RDS"),
        (Major::Distribution, "nobody_in_particular", "a server without superuser rights"),
        (Major::V18, "neon_superuser", "Neon"),
        (Major::V18, "cloudsqlsuperuser", "Google Cloud SQL"),
    ] {
        let place = superusers_backup(major);
        let target = Cluster::start(major);
        target.psql("postgres", &format!("CREATE ROLE {mark}; CREATE ROLE reader"));
        let url = limited(&target, "me");
        target.psql("postgres", &format!("GRANT {mark} TO me"));
        for jobs in ["1", "2"] {
            let copy = fresh("managed");
            let run = place
                .opens(&["restore", "latest", "--json", "--to", &url(&copy), "--no-owner", "--jobs", jobs])
                .run();
            let run = run.assert_success().says(&format!("left out for {name}")).says("proven: 101 rows");
            let left_out = left_out(&run);
            let all = left_out.join("\n");
            for what in [
                "EVENT TRIGGER guard (",
                "COMMENT EVENT TRIGGER guard (",
                "PUBLICATION everything (",
                "PUBLICATION one (",
                "PUBLICATION TABLE app.one t (",
                "ACL pg_catalog.FUNCTION pg_ls_dir(",
                "DEFAULT ACL public.DEFAULT PRIVILEGES FOR TABLES (default privileges of a service's own role)",
                "the tablespace of 1 object",
            ] {
                assert!(all.contains(what), "{what}: {run}");
            }
            assert_eq!(all.contains("COMMENT EXTENSION pg_trgm ("), major == Major::Distribution, "{run}");
            for line in &left_out {
                assert!(run.stderr.contains(&format!("warning: left out: {line}")), "{line}: {run}");
            }
            assert!(run.stderr.contains(&format!("{} left out for", left_out.len())), "{run}");
            assert_eq!(target.psql(&copy, "SELECT count(*) FROM app.t"), "100");
            assert_eq!(target.psql(&copy, "SELECT count(*) FROM pg_event_trigger"), "0");
        }
    }
}

#[test]
fn a_plain_server_gets_everything() {
    let place = superusers_backup(Major::Distribution);
    let target = Cluster::start(Major::Distribution);
    target.psql("postgres", "CREATE ROLE reader; CREATE ROLE cloud_admin; CREATE ROLE neon_superuser");
    let copy = fresh("plain");
    let run = place.opens(&["restore", "latest", "--json", "--to", &target.url(&copy)]).succeeds();
    // Only where it would lie is not there, and is reported.
    assert_eq!(left_out(&run), ["the tablespace of 1 object (the default one is used)"]);
    assert_eq!(target.psql(&copy, "SELECT evtname FROM pg_event_trigger"), "guard");
    assert_eq!(target.psql(&copy, "SELECT count(*) FROM pg_publication"), "2");
    assert_eq!(target.psql(&copy, "SELECT count(*) FROM pg_default_acl"), "1");

    // Nothing is left out where that is asked for: then the server says it.
    let words = ["restore", "latest", "--to", &target.url("x"), "--target-profile", "plain"];
    place.opens(&words).fails(Kind::Postgres).says("Tablespace \"fast\" does not exist");
    assert!(!target.has_database("x"));
    // And what a service refuses is left out even for a superuser where that is asked for.
    let words = ["restore", "latest", "--json", "--to", &target.url("x"), "--target-profile", "managed"];
    let run = place.opens(&words).succeeds().says("left out for ");
    assert!(left_out(&run).len() > 4, "{run}");
    // Whether event triggers are taken is asked, not guessed.
    assert_eq!(target.psql("x", "SELECT evtname FROM pg_event_trigger"), "guard");
    assert_eq!(target.psql("postgres", "SELECT count(*) FROM pg_event_trigger"), "0");
}

#[test]
fn a_services_own_things_stay_with_it() {
    let source = Cluster::start(Major::V17);
    source.psql("postgres", "CREATE ROLE cloud_admin; CREATE ROLE neon_superuser; CREATE ROLE heroku_admin");
    let database = source.create_database("from_neon");
    source.psql(&database, "CREATE TABLE t AS SELECT 1 AS n; CREATE SCHEMA heroku_ext AUTHORIZATION heroku_admin;
        CREATE SCHEMA _heroku; CREATE FUNCTION _heroku.f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
        ALTER FUNCTION _heroku.f() OWNER TO heroku_admin; CREATE EVENT TRIGGER theirs ON sql_drop EXECUTE FUNCTION _heroku.f();
        ALTER DEFAULT PRIVILEGES FOR ROLE cloud_admin IN SCHEMA public GRANT ALL ON TABLES TO neon_superuser WITH GRANT OPTION;
        ALTER DEFAULT PRIVILEGES FOR ROLE cloud_admin IN SCHEMA public GRANT ALL ON SEQUENCES TO neon_superuser WITH GRANT OPTION");
    let place = Place::folder();
    place.backup(&source.url(&database), &["--name", "n"]);
    // A superuser's server that has never heard of them.
    let target = Cluster::start(Major::V17);
    let copy = fresh("from_neon");
    let words = ["restore", "latest", "--json", "--to", &target.url(&copy), "--no-owner"];
    let run = place.opens(&words).succeeds();
    let left_out = left_out(&run);
    assert_eq!(left_out.len(), 4, "{run}");
    assert_eq!(left_out[0], "SCHEMA heroku_ext (a service's own role has it, and nothing else is in it)");
    assert_eq!(left_out[3], "EVENT TRIGGER theirs (a service's own role has its function)");
    assert_eq!(target.psql(&copy, "SELECT count(*) FROM pg_event_trigger"), "0");
    assert_eq!(target.psql(&copy, "SELECT count(*) FROM t"), "1");
}

/// Before anything is made; and both ways on that need no superuser for the restore itself.
#[test]
fn extensions_that_the_role_may_not_create_are_named_together() {
    let cluster = Cluster::start(Major::Distribution);
    let database = cluster.create_database("trusted");
    cluster.psql(
        &database,
        "CREATE TABLE t AS SELECT 1 AS n; CREATE EXTENSION hstore; COMMENT ON EXTENSION hstore IS 'x';
         CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pg_buffercache",
    );
    let place = Place::folder();
    place.backup(&cluster.url(&database), &["--name", "n"]);
    let url = limited(&cluster, "me");
    let copy = fresh("trusted");
    let words = ["restore", "latest", "--json", "--no-owner", "--to", &url(&copy)];
    let run = place.opens(&words).fails(Kind::Postgres);
    let run = run.says("the role me may not create extensions that the backup needs: ");
    run.says("pg_buffercache").says("pg_stat_statements").says("--exclude-extension NAME");
    assert!(!cluster.has_database(&copy));
    let without = ["--exclude-extension", "pg_stat_statements", "--exclude-extension", "pg_buffercache"];
    let run = place.opens(&words).args(without).succeeds();
    assert!(!run.stderr.contains("belongs to the service"), "{run}");

    let copy = fresh("trusted_given");
    cluster.psql("postgres", &format!("CREATE DATABASE {copy} OWNER me"));
    cluster.psql(&copy, "CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pg_buffercache");
    // What a role is set to for applications is not asked.
    cluster.psql("postgres", "ALTER ROLE me SET default_transaction_read_only = on");
    let words = ["restore", "latest", "--json", "--no-owner", "--to", &url(&copy)];
    let run = place.opens(&words).succeeds().says("COMMENT EXTENSION pg_stat_statements");
    assert!(!run.stderr.contains("transaction in progress"), "{run}");
    assert_eq!(run.stderr.matches("COMMENT EXTENSION").count(), 3, "{run}");
    assert_eq!(run.stderr.matches("left out: COMMENT EXTENSION").count(), 1, "{run}");
}

#[test]
fn extensions_that_are_missing_are_told_before_data_moves() {
    let source = Cluster::start(Major::Distribution);
    let database = source.create_database("extended");
    // Of all the servers here only this one has it; one in pg_catalog is of no interest.
    source.psql(
        &database,
        "CREATE EXTENSION pgcrypto; CREATE EXTENSION hstore; CREATE TABLE t AS SELECT 1 AS n;
         CREATE ROLE \"the boss\"; ALTER TABLE t OWNER TO \"the boss\"",
    );
    let place = Place::folder();
    place.backup(&source.url(&database), &["--name", "extended"]);
    for (major, here) in [(Major::Distribution, true), (Major::V17, false)] {
        let target = Cluster::start(major);
        let available = target.psql(
            "postgres",
            "SELECT count(*) FROM pg_available_extensions WHERE name IN ('pgcrypto', 'hstore')",
        );
        assert_eq!(available == "2", here, "the servers have changed: {available}");
        let copy = fresh("extended");
        let restore = ["restore", "latest", "--json", "--to", &target.url(&copy)];
        if here {
            let run = place.opens(&restore).fails(Kind::Postgres).says("lacks roles that the backup needs");
            run.says("--map-role 'the boss=NEW' uses role NEW instead of the boss");
            target.psql("postgres", "CREATE ROLE \"the boss\"");
        }
        let run = place.opens(&restore).run();
        if here {
            assert_eq!(run.assert_success().json()["left_out"], Value::Array(vec![]));
        } else {
            run.assert_failure(Kind::Postgres)
                .says("the target server lacks extensions that the backup needs: ")
                .says("pgcrypto");
            assert!(!target.has_database(&copy));
            // What can be restored is, if that is asked for.
            let run = place.opens(&restore).args(["--on-error", "keep"]).fails(Kind::Verify);
            let run = run
                .says("warning: the target server lacks extensions that the backup needs: ")
                .says("warning: the target server lacks roles that the backup needs: \"the boss\"")
                .says("hint: --roles restore creates them as they were on the source")
                .says("not restored: ");
            assert!(!run.stderr.contains("is not a member of roles"), "{run}");
            assert_eq!(target.psql(&format!("{copy}_incomplete"), "SELECT n FROM t"), "1");
        }
    }
}

/// What pgcrypto makes has the names of functions that the system has too, since version 13.
#[test]
fn the_owner_of_an_empty_database_gets_every_extension_that_is_trusted() {
    let source = Cluster::start(Major::Distribution);
    let database = source.create_database("trusting");
    let names = source.psql(
        &database,
        "SELECT name FROM pg_available_extension_versions v JOIN pg_available_extensions a USING (name)
         WHERE v.trusted AND v.version = a.default_version AND name NOT LIKE '%pl%' AND name <> 'plpgsql' ORDER BY 1",
    );
    assert!(names.lines().any(|name| name == "pgcrypto") && names.lines().count() > 10, "{names}");
    let create: Vec<String> =
        names.lines().map(|name| format!("CREATE EXTENSION \"{name}\" CASCADE;")).collect();
    source.psql(&database, &create.join("\n"));
    let place = Place::folder();
    place.backup(&source.url(&database), &["--name", "trusting"]);
    let target = Cluster::start(Major::Distribution);
    let url = limited(&target, "me");
    target.psql("postgres", "CREATE DATABASE empty OWNER me");
    place.opens(&["restore", "latest", "--no-owner", "--to", &url("empty")]).succeeds();
    assert_eq!(
        target.psql("empty", "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"),
        names
    );
    assert_eq!(target.psql("empty", "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgstow_try'"), "0");
}
