//! Somebody without rights shares the database: what lies in wait there for a superuser's queries is never run.

use crate::scene::{Keys, Place, fresh};
use crate::servers::postgres::{Cluster, Major};

/// Operators and functions that a better match, or an earlier place in the search path, would choose; each notes
/// who has run it.
fn set_traps(cluster: &Cluster, database: &str) {
    let mut sql = String::from(
        "CREATE ROLE mallory LOGIN; CREATE SCHEMA caught; GRANT CREATE, USAGE ON SCHEMA public, caught TO mallory;
         SET ROLE mallory; CREATE TABLE caught.by (role text, what text); GRANT ALL ON caught.by TO PUBLIC;
         CREATE TABLE public.t AS SELECT 1 AS n;",
    );
    for (name, types, true_name) in [("=", "text, text", "texteq"), ("<>", "text, text", "textne")] {
        let function = format!("public.{true_name}({types})");
        sql.push_str(&trap(&function, "bool", &format!("pg_catalog.{true_name}($1, $2)")));
        sql.push_str(&format!(
            "CREATE OPERATOR public.{name} (LEFTARG = text, RIGHTARG = text, FUNCTION = public.{true_name});"
        ));
    }
    let shadows = [
        ("json_build_object(text, bool, text, text)", "json", "pg_catalog.json_build_object($1, $2, $3, $4)"),
        ("encode(bytea, text)", "text", "pg_catalog.encode($1, $2)"),
        ("convert_to(text, name)", "bytea", "pg_catalog.convert_to($1, $2)"),
        ("lower(text)", "text", "pg_catalog.lower($1)"),
        ("count(bigint)", "bigint", "1::bigint"),
        ("set_config(text, text, bool)", "text", "pg_catalog.set_config($1, $2, $3)"),
        ("current_setting(text)", "text", "pg_catalog.current_setting($1)"),
    ];
    for (function, returns, truth) in shadows {
        sql.push_str(&trap(&format!("public.{function}"), returns, truth));
    }
    cluster.psql(database, &sql);
    cluster.psql("postgres", &format!("ALTER DATABASE {database} SET search_path = public, pg_catalog"));
}

fn trap(function: &str, returns: &str, truth: &str) -> String {
    format!(
        "CREATE FUNCTION {function} RETURNS {returns} LANGUAGE plpgsql SET search_path = pg_catalog AS $trap$ BEGIN
           INSERT INTO caught.by VALUES (session_user, $name${function}$name$); RETURN {truth}; END $trap$;"
    )
}

/// What the traps have caught a superuser in.
fn caught(cluster: &Cluster, database: &str) -> String {
    let question = "SET search_path = pg_catalog; SELECT string_agg(DISTINCT what, ', ') FROM caught.by \
                    WHERE role <> 'mallory'";
    cluster.psql(database, question)
}

#[test]
fn what_shadows_the_systems_functions_is_not_run_by_a_backup() {
    for major in [Major::Distribution, Major::V18] {
        // Its own: a role is made on it.
        let cluster = Cluster::start(major);
        let database = cluster.create_database("shared");
        set_traps(&cluster, &database);
        let place = Place::folder();
        for words in [&["-t", "t"][..], &["-T", "public.nothing", "-N", "no*"], &[]] {
            let recipient = &Keys::shared().recipient;
            let run = place.pgstow(&["backup", "--name", "shared", "--recipient", recipient]);
            run.arg(cluster.url(&database)).args(words).succeeds();
            assert_eq!(caught(&cluster, &database), "", "{major:?} {words:?}");
        }
        let copy = fresh("shared");
        let words = ["restore", "latest", "--grant-read", "mallory", "--to", &cluster.url(&copy)];
        place.opens(&words).succeeds();
        assert_eq!(caught(&cluster, &copy), "", "{major:?}");
        // Nor where it was restored to, when that is backed up or swapped.
        place.opens(&["restore", "latest", "--swap", "--yes", "--to", &cluster.url(&copy)]).succeeds();
        place.pgstow(&["clone", &cluster.url(&copy), &cluster.url(&fresh("cloned"))]).succeeds();
        assert_eq!(caught(&cluster, &copy), "", "{major:?}");
    }
}

/// The traps are real: whoever asks without naming the schema falls into them.
#[test]
fn the_traps_would_be_sprung() {
    let cluster = Cluster::start(Major::Distribution);
    let database = cluster.create_database("shared");
    set_traps(&cluster, &database);
    cluster
        .psql(&database, "SELECT 'a'::text <> 'b', json_build_object('a'::text, true, 'b'::text, 'c'::text)");
    let caught = caught(&cluster, &database);
    assert!(caught.contains("textne") && caught.contains("json_build_object"), "{caught}");
}
