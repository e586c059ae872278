//! What services do with schemas, extensions and event triggers that a role without all rights cannot change.

use super::managed::left_out;
use super::scene::limited;
use crate::harness::pgstow;
use crate::scene::{Place, every_client, fresh};
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
    let run = run.says("not a member of roles which have to own objects: postgres");
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
