//! What is said when PostgreSQL refuses a restore: the whole error, where it happened, and what helps, in
//! whatever language the server speaks.

use crate::harness::{Run, eventually};
use crate::scene::{Place, fresh, restore_fails};
use crate::servers::postgres::{Cluster, Major};
use crate::skip;
use pgstow::error::Kind;
use std::process::Stdio;

/// A database whose index needs a function that needs another one, which only the search path finds.
const SLUGS: &str = "
    CREATE TABLE posts (id serial PRIMARY KEY, title text); INSERT INTO posts (title) VALUES ('One two');
    CREATE FUNCTION normalise(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
    CREATE FUNCTION slug(text) RETURNS text LANGUAGE sql IMMUTABLE AS
      'SELECT replace(normalise($1), '' '', ''s3same'')';
    CREATE INDEX slug_idx ON posts (slug(title));";

fn backup(cluster: &Cluster, sql: &str) -> Place {
    let database = cluster.create_database("explained");
    cluster.psql(&database, sql);
    let place = Place::folder();
    place.backup(&cluster.url(&database), &["--name", "blog"]);
    place
}

#[track_caller]
fn names_index_function_and_search_path(run: Run) {
    let run =
        run.says("ERROR:  function normalise(text) does not exist (at CREATE INDEX slug_idx ON public.posts");
    let run = run.says("INDEX slug_idx").says("query: SELECT replace(normalise($1), '…', '…')");
    let run = run.says("context: SQL function \"slug\" during inlining");
    let run = run.says("statement: CREATE INDEX slug_idx ON public.posts USING btree (public.slug(title))");
    let run = run.says("hint: a restore runs with an empty search_path").says("hint: No function matches");
    let message = run.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(!message.contains("search_path") && !run.stderr.contains("s3same"), "{run}");
}

#[test]
fn an_index_whose_function_needs_a_search_path() {
    // Since PostgreSQL 17 such an index cannot even be made; from before, there may be one.
    let place = backup(Cluster::shared(Major::Distribution), SLUGS);
    for major in [Major::Distribution, Major::V18] {
        for jobs in ["1", "2"] {
            let to = Cluster::shared(major).url(&fresh("explained"));
            let run = place.opens(&["restore", "latest", "--jobs", jobs, "--to", &to]).fails(Kind::Postgres);
            names_index_function_and_search_path(run);
        }
    }
    let run = place.opens(&["verify", "latest", "--restore"]).fails(Kind::Verify);
    names_index_function_and_search_path(run.says("it cannot be restored"));
}

#[test]
fn a_row_that_breaks_a_rule() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let place = backup(
        cluster,
        "CREATE FUNCTION fine(int) RETURNS bool LANGUAGE sql AS $$ SELECT current_setting('application_name') <> 'pgstow' $$;
         CREATE TABLE t (n int CONSTRAINT rule CHECK (public.fine(n))); INSERT INTO t VALUES (7);",
    );
        let to = cluster.url(&fresh("explained"));
        let run = place.opens(&["restore", "latest", "--to", &to]).fails(Kind::Postgres);
        let run = run.says("new row for relation \"t\" violates check constraint \"rule\"");
        run.says("TABLE DATA t postgres")
            .says("detail: Failing row contains (7).")
            .says("context: COPY t, line 1");
    }
}

#[test]
fn a_user_mappings_password_is_not_shown() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let place = backup(
            cluster,
            "CREATE FUNCTION valid(text[], oid) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
           IF current_setting('application_name') = 'pgstow' AND $2 = 'pg_user_mapping'::regclass THEN
             RAISE 'not here';
           END IF; END $$;
         CREATE FOREIGN DATA WRAPPER w VALIDATOR valid; CREATE SERVER s FOREIGN DATA WRAPPER w;
         CREATE USER MAPPING FOR postgres SERVER s OPTIONS (user 'me', password 's3same-word');",
        );
        let to = cluster.url(&fresh("explained"));
        let run = place.opens(&["restore", "latest", "-vv", "--to", &to]).fails(Kind::Postgres);
        assert!(!run.stderr.contains("s3same-word"), "{run}");
        let run = run.says("ERROR:  not here (at CREATE USER MAPPING FOR postgres SERVER s OPTIONS)");
        run.says("OPTIONS ( password '…', \"user\" '…' )");
    }
}

#[test]
fn a_server_that_speaks_german_is_understood() {
    let cluster = match Cluster::start_in_german() {
        Ok(cluster) => cluster,
        Err(why) => skip!("{why}"),
    };
    let place = backup(&cluster, SLUGS);
    // A superuser may ask for English.
    let to = cluster.url(&fresh("deutsch"));
    names_index_function_and_search_path(
        place.opens(&["restore", "latest", "--to", &to]).fails(Kind::Postgres),
    );
    // Others may not, and what happened is known by its code.
    cluster.psql("postgres", "CREATE ROLE weak LOGIN PASSWORD 'weak-word'");
    let weak = format!("postgres://weak:weak-word@127.0.0.1:{}/{}", cluster.port, fresh("deutsch"));
    let run = place.opens(&["restore", "latest", "--no-owner", "--to", &weak]).fails(Kind::Postgres);
    run.says("FEHLER:  keine Berechtigung").says("hint: the role needs CREATEDB");
    let plain = backup(&cluster, "CREATE TABLE t AS SELECT 1 AS n;");
    let there = ["verify", "latest", "--restore", "--to", &cluster.url(""), "--check", "SELCT true"];
    plain.opens(&there).fails(Kind::Usage).says("nothing was found wrong with the backup");
    // Who keeps a database from being swapped is named.
    let database = cluster.create_database("held");
    let mover =
        format!("CREATE ROLE mover LOGIN CREATEDB PASSWORD 'm'; ALTER DATABASE {database} OWNER TO mover");
    cluster.psql("postgres", &mover);
    let mut holder = cluster.client("psql");
    holder.env("PGAPPNAME", "stubborn").args(["-X", "-d", &database, "-c", "SELECT pg_sleep(600)"]);
    let mut holder = holder.stdout(Stdio::null()).spawn().unwrap();
    let is_there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stubborn'";
    eventually("it is there", || cluster.psql("postgres", is_there) == "1");
    let to = format!("postgres://mover:m@127.0.0.1:{}/{database}", cluster.port);
    let swap = ["restore", "latest", "--swap", "--yes", "--no-owner", "--no-acl", "--to", &to];
    let run = plain.opens(&swap).run();
    holder.kill().unwrap();
    holder.wait().unwrap();
    run.assert_failure(Kind::Postgres).says("postgres (stubborn)");
}

/// No dump says how money is written on the source's server.
#[test]
fn money_that_is_written_otherwise_here_is_no_fault_of_the_backup() {
    let cluster = match Cluster::start_in_german() {
        Ok(cluster) => cluster,
        Err(why) => skip!("{why}"),
    };
    let database = cluster.create_database("prices");
    cluster.psql("postgres", &format!("ALTER DATABASE {database} SET lc_monetary = 'de_DE.UTF-8'"));
    cluster.psql(&database, "CREATE TABLE prices (price money); INSERT INTO prices VALUES ('1234,56');");
    assert!(cluster.psql(&database, "SELECT price FROM prices").contains("1.234,56"));
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    let run = place.opens(&["verify", "latest", "--restore"]).fails(Kind::Settings);
    run.says("for type money").says("lc_monetary differs from the one here");
}

#[test]
fn a_name_that_is_a_keyword_in_the_newer_server() {
    let place = backup(
        Cluster::shared(Major::Distribution),
        "CREATE FUNCTION j(json json) RETURNS json LANGUAGE sql IMMUTABLE AS 'SELECT $1'; CREATE TABLE t (n int)",
    );
    let run = restore_fails(&place, Cluster::shared(Major::V18), &[], Kind::Postgres).says("syntax error");
    run.says("--pg-dump-arg=--quote-all-identifiers").says("--on-error keep");
}

#[test]
fn a_view_that_reads_one_that_is_filled_later() {
    let cluster = Cluster::shared(Major::Distribution);
    let place = backup(
        cluster,
        "CREATE TABLE l AS SELECT 1 AS id, 'a' AS n; CREATE MATERIALIZED VIEW mvz AS SELECT * FROM l;
         CREATE FUNCTION via(i int) RETURNS text LANGUAGE sql STABLE AS 'SELECT n FROM public.mvz WHERE id = i';
         CREATE MATERIALIZED VIEW amv AS SELECT id, via(id) FROM l",
    );
    restore_fails(&place, cluster, &[], Kind::Postgres).says("has not been populated").says("--skip-refresh");
    let words = ["restore", "latest", "--to", &cluster.url(&fresh("empty")), "--skip-refresh"];
    place.opens(&words).succeeds();
}
