//! What services do with schemas, extensions and event triggers that a role without all rights cannot change.

use super::scene::limited;
use crate::harness::pgstow;
use crate::scene::{Place, every_client, fresh};
use crate::servers::postgres::{Cluster, Major};

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
