//! What services do with schemas, extensions and event triggers that a role without all rights cannot change.

use super::managed::left_out;
use super::scene::limited;
use crate::harness::pgstow;
use crate::scene::{Place, every_client, fresh};
use crate::servers::give;
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

/// Who owns the table, and whether the role may create in the schema public.
fn owned(cluster: &Cluster, database: &str, role: &str) -> String {
    let question = "SELECT string_agg(c.relname || ' ' || pg_get_userbyid(c.relowner), ', ' ORDER BY c.relname) FROM pg_class c
         WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'app'::regnamespace)";
    let may = cluster.psql(database, &format!("SELECT has_schema_privilege('{role}', 'public', 'CREATE')"));
    format!("{}, {may}", cluster.psql(database, question))
}

/// Since PostgreSQL 15 only some may create in the schema public, and others own what is in it all the same.
#[test]
fn owners_get_what_is_theirs_and_no_right_that_they_did_not_have() {
    for major in [Major::V14, Major::V17] {
        let cluster = Cluster::shared(major);
        let [me, granted, other] = ["mover", "granted", "other"].map(fresh);
        let url = limited(cluster, &me);
        cluster.psql(
            "postgres",
            &format!("CREATE ROLE {granted}; CREATE ROLE {other}; GRANT {granted}, {other} TO {me}"),
        );
        let source = fresh("source");
        cluster.psql("postgres", &format!("CREATE DATABASE {source} OWNER {me} TEMPLATE template0"));
        cluster.psql(
            &source,
            &format!(
                "REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT CREATE ON SCHEMA public TO {granted};
                 CREATE SCHEMA app AUTHORIZATION {granted};
                 CREATE TABLE public.a AS SELECT 1 AS n; ALTER TABLE public.a OWNER TO {granted};
                 CREATE TABLE public.b AS SELECT 1 AS n; ALTER TABLE public.b OWNER TO {other};
                 CREATE TABLE app.c AS SELECT 1 AS n; ALTER TABLE app.c OWNER TO {other};
                 CREATE VIEW app.v AS SELECT * FROM app.c; ALTER VIEW app.v OWNER TO {other};
                 CREATE INDEX ON app.c (n); CREATE STATISTICS app.s ON n, (n + 1) FROM app.c; ALTER STATISTICS app.s OWNER TO {other}"
            ),
        );
        let place = Place::folder();
        place.backup(&cluster.url(&source), &["--name", "s"]);
        let all = format!("a {granted}, b {other}, c {other}");
        // Up to 14 nobody but the service takes away what everybody may in the schema public.
        let of_new = |may: &'static str| if major == Major::V14 { "t" } else { may };
        for words in [&["--jobs", "1"][..], &["--jobs", "2"], &["--jobs", "2", "--no-acl"]] {
            let copy = fresh("owned");
            place.opens(&["restore", "latest", "--to", &url(&copy)]).args(words).succeeds();
            let has = if words.contains(&"--no-acl") { "f" } else { "t" };
            assert_eq!(owned(cluster, &copy, &granted), format!("{all}, {}", of_new(has)), "{words:?}");
            assert_eq!(owned(cluster, &copy, &other), format!("{all}, {}", of_new("f")), "{words:?}");
            let in_app = format!("SELECT has_schema_privilege('{other}', 'app', 'CREATE')");
            assert_eq!(cluster.psql(&copy, &in_app), "f");
        }
        let copy = fresh("owned");
        pgstow(["clone", &url(&source), &copy]).env("PATH", every_client()).succeeds();
        assert_eq!(owned(cluster, &copy, &other), format!("{all}, {}", of_new("f")));
        place.opens(&["restore", "latest", "--swap", "--yes", "--to", &url(&copy)]).succeeds();
        assert_eq!(owned(cluster, &copy, &other), format!("{all}, {}", of_new("f")));
        // What somebody has granted in a database before the restore stays.
        let given = fresh("given");
        cluster.psql("postgres", &format!("CREATE DATABASE {given} OWNER {me} TEMPLATE template0"));
        cluster.psql(&given, &format!("GRANT CREATE ON SCHEMA public TO {other}"));
        place.opens(&["restore", "latest", "--to", &url(&given)]).succeeds();
        assert_eq!(owned(cluster, &given, &other), format!("{all}, t"));
    }
}

/// Up to PostgreSQL 14 the schema public of every new database belongs to whoever made the cluster.
#[test]
fn the_schema_public_stays_with_its_owner() {
    let (old, new) = (Cluster::shared(Major::V14), Cluster::shared(Major::V17));
    let app = fresh("app");
    let place = Place::folder();
    let source = old.create_database("public_owned");
    old.psql("postgres", &format!("CREATE ROLE {app}"));
    let own = |owner: &str| {
        format!(
            "ALTER SCHEMA public OWNER TO {owner}; COMMENT ON SCHEMA public IS ''; CREATE TABLE t AS SELECT 1 AS n; ALTER TABLE t OWNER TO {owner}"
        )
    };
    old.psql(&source, &own(&app));
    place.backup(&old.url(&source), &["--name", "old"]);
    let (me, why) = (fresh("me"), "(the schema belongs to another role here)");
    let url = limited(old, &me);
    old.psql("postgres", &format!("GRANT {app} TO {me}"));
    let [schema, comment] = ["SCHEMA public", "COMMENT SCHEMA public"].map(|what| format!("{what} {why}"));
    let both = [schema, comment.clone()];
    for (words, expected) in
        [(&[][..], &both[..]), (&["--no-owner"], &both[1..]), (&["--owner", &app], &both[..])]
    {
        let to = url(&fresh("public"));
        let run = place.opens(&["restore", "latest", "--json", "--jobs", "1", "--to", &to]).args(words);
        let run = run.succeeds().says(&format!("warning: left out: {comment}"));
        assert_eq!(left_out(&run), expected, "{words:?}");
    }
    let given = fresh("public");
    old.psql("postgres", &format!("CREATE DATABASE {given} OWNER {me} TEMPLATE template0"));
    let run = place.opens(&["restore", "latest", "--json", "--to", &url(&given)]).succeeds();
    assert_eq!(left_out(&run), both);
    let run = place.opens(&["verify", "latest", "--restore", "--to", &url("")]).succeeds();
    run.says(&format!("left out: {comment}"));

    // Since 15 it belongs to the database's owner, so nothing is left out.
    let url = limited(new, &me);
    new.psql("postgres", &format!("CREATE ROLE {app}; GRANT {app} TO {me}"));
    let copy = fresh("public");
    let run = place.opens(&["restore", "latest", "--json", "--to", &url(&copy)]).succeeds();
    assert!(left_out(&run).is_empty(), "{run}");
    let owner = "SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'public'";
    assert_eq!(new.psql(&copy, owner), app);
    // Unless its owner was one that nothing can be given to.
    let source = new.create_database("public_owned");
    new.psql(&source, &own("postgres"));
    place.backup(&new.url(&source), &["--name", "new"]);
    let restore =
        || place.opens(&["restore", "latest", "--name", "new", "--json", "--to", &url(&fresh("public"))]);
    let run = restore().fails(Kind::Postgres);
    let run = run.says("not a member of roles which have to own objects: \"postgres\"");
    assert!(!run.stderr.contains("left out: COMMENT"), "{run}");
    new.psql(&source, &format!("ALTER TABLE t OWNER TO {app}"));
    place.backup(&new.url(&source), &["--name", "new"]);
    assert_eq!(left_out(&restore().succeeds()), ["SCHEMA public (it cannot be given to its owner here)"]);
}

#[test]
fn an_event_trigger_without_its_function_is_left_out() {
    for major in [Major::V14, Major::V17] {
        let cluster = Cluster::shared(major);
        let source = cluster.create_database("watched");
        cluster.psql(
            &source,
            "CREATE SCHEMA ops; CREATE FUNCTION ops.f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
             CREATE FUNCTION g() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
             CREATE EVENT TRIGGER lost ON ddl_command_start EXECUTE FUNCTION ops.f(); COMMENT ON EVENT TRIGGER lost IS 'x';
             CREATE EVENT TRIGGER kept ON ddl_command_start EXECUTE FUNCTION g(); CREATE TABLE t AS SELECT 1 AS n",
        );
        let place = Place::folder();
        let words = ["backup", &cluster.url(&source), "--exclude-schema", "ops", "--no-encryption"];
        let run = place.opens(&words).succeeds();
        run.says(
            "the functions of event triggers are not in the backup, so a restore leaves these out: lost\n",
        );
        let expected = ["EVENT TRIGGER lost", "COMMENT EVENT TRIGGER lost"]
            .map(|what| format!("{what} (its function is not in the backup)"));
        for words in [&["--jobs", "1"][..], &["--jobs", "2", "--target-profile", "plain"]] {
            let copy = fresh("watched");
            let run = place.opens(&["restore", "latest", "--json", "--to", &cluster.url(&copy)]).args(words);
            assert_eq!(left_out(&run.succeeds()), expected);
            assert_eq!(cluster.psql(&copy, "SELECT evtname FROM pg_event_trigger"), "kept");
        }
        place.opens(&["verify", "latest", "--restore"]).succeeds().says("left out: EVENT TRIGGER lost (");
    }
}

/// An extension of a service is on the server, and only the service may create it, or write into its tables.
#[test]
fn what_only_the_service_may_create_is_left_out() {
    let folder = crate::servers::folder("extensions");
    let files = folder.path().join("extension");
    std::fs::create_dir(&files).unwrap();
    for (name, control, sql) in [
        // It makes its own schema, which is no part of it.
        ("google_vacuum_mgmt", "schema = google_vacuum_mgmt", ""),
        (
            "supabase_vault",
            "trusted = true",
            "CREATE TABLE secrets (t text); SELECT pg_extension_config_dump('secrets', '');",
        ),
        ("aws_commons", "trusted = true", ""),
    ] {
        let write = |name: String, text: &str| std::fs::write(files.join(name), text).unwrap();
        write(format!("{name}.control"), &format!("default_version = '1'\nrelocatable = false\n{control}\n"));
        write(format!("{name}--1.sql"), sql);
    }
    give(folder.path());
    give(&files);
    let path = format!("extension_control_path=$system:{}", folder.path().display());
    let cluster = Cluster::start_with(Major::V18, &[&path]);
    let url = limited(&cluster, "me");
    cluster.psql("postgres", "CREATE ROLE cloudsqladmin");
    cluster.psql("postgres", "CREATE DATABASE shop OWNER me TEMPLATE template0");
    cluster.psql(
        "shop",
        "CREATE EXTENSION google_vacuum_mgmt; ALTER SCHEMA google_vacuum_mgmt OWNER TO cloudsqladmin;
         GRANT USAGE ON SCHEMA google_vacuum_mgmt TO me; CREATE EXTENSION supabase_vault; CREATE EXTENSION aws_commons;
         GRANT SELECT ON secrets TO me; INSERT INTO secrets VALUES ('a');
         CREATE TABLE t AS SELECT 1 AS n; ALTER TABLE t OWNER TO me",
    );
    let place = Place::folder();
    place.backup(&url("shop"), &["--name", "shop"]);
    let why = "(only the service itself may create and fill it)";
    let extensions =
        ["google_vacuum_mgmt", "supabase_vault"].map(|name| format!("left out: EXTENSION {name} {why}"));
    let schema =
        "left out: SCHEMA google_vacuum_mgmt (a service's own role has it, and nothing else is in it)";
    let restore = |copy: &str| place.opens(&["restore", "latest", "--to", &url(copy)]);
    let clone = |copy: &str| pgstow(["clone", &url("shop"), copy]).env("PATH", every_client());
    // Whether the database that is asked has it changes nothing.
    for made in ["", "CREATE EXTENSION google_vacuum_mgmt; CREATE EXTENSION supabase_vault"] {
        cluster.psql("postgres", &format!("SELECT 1; {made}"));
        for copy in [&restore as &dyn Fn(&str) -> _, &clone] {
            let name = fresh("copy");
            let run = copy(&name).succeeds().says(&extensions[0]).says(&extensions[1]).says(schema);
            run.says("proven: 1 row in 1 table");
            let there = "SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension";
            assert_eq!(cluster.psql(&name, there), "aws_commons plpgsql");
            assert_eq!(
                cluster.psql(&name, "SELECT count(*) FROM pg_namespace WHERE nspname ~ 'google'"),
                "0"
            );
        }
    }
    // A database that has it is given, and a superuser may do all.
    let words = ["restore", "latest", "--to", &cluster.url("whole")];
    let run = place.opens(&words).succeeds().says("proven: 2 rows in 2 tables");
    assert!(!run.stderr.contains("left out"), "{run}");
    // The message names the way out.
    restore("plain")
        .args(["--target-profile", "plain", "--no-owner"])
        .fails(Kind::Postgres)
        .says("--exclude-extension NAME");
}

/// Up to PostgreSQL 15 only a superuser may own a subscription; everything else goes to the role.
#[test]
fn one_owner_for_everything_takes_no_subscription() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("subscribed");
        cluster.psql(
            &database,
            "CREATE TABLE t AS SELECT 1 AS n;
             CREATE SUBSCRIPTION s CONNECTION 'host=/nowhere dbname=x' PUBLICATION p WITH (connect = false, slot_name = NONE)",
        );
        let (owner, copy) = (fresh("role"), fresh("owned"));
        cluster.psql("postgres", &format!("CREATE ROLE {owner}"));
        let clone = pgstow(["clone", &cluster.url(&database), &cluster.url(&copy), "--owner", &owner]);
        clone.env("PATH", every_client()).succeeds();
        assert_eq!(cluster.psql(&copy, "SELECT relowner::regrole FROM pg_class WHERE relname = 't'"), owner);
        let here = "SELECT count(*) FROM pg_subscription WHERE subname = 's' AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())";
        assert_eq!(cluster.psql(&copy, here), "1");
    }
}
