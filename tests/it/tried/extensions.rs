//! Extensions come back where they are installed, and are missed aloud where they are not.

use super::scene::{restored, there_and_back};
use crate::harness::pgstow;
use crate::scene::{Place, every_client, fresh, restore_fails};
use crate::servers::postgres::{Cluster, Major};
use crate::skip;
use pgstow::error::Kind;

#[test]
fn extensions_come_back_with_their_columns_and_indexes() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("extended");
    cluster.psql(
        &database,
        "CREATE SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext; CREATE EXTENSION citext; CREATE EXTENSION btree_gist;
         CREATE EXTENSION pg_trgm; COMMENT ON EXTENSION citext IS 'ours';
         CREATE TABLE t (k citext PRIMARY KEY, v ext.hstore DEFAULT 'a=>1', r int4range, n int,
             EXCLUDE USING gist (n WITH =, r WITH &&));
         CREATE INDEX ON t USING gin (k gin_trgm_ops);
         INSERT INTO t VALUES ('Ab', NULL, '[1,2)', 1), ('ac', 'x=>\"\\\\ \\\" \n\"', '[1,2)', 2);",
    );
    let place = there_and_back(cluster, &database, &[]);

    // A server without them: said, and nothing is left.
    let other = Cluster::shared(Major::V16);
    restore_fails(&place, other, &[], Kind::Postgres).says("extension").says("--exclude-extension");
    // It can do without, and without what needs them.
    let copy = fresh("without");
    let run = place.opens(&["restore", "latest", "--to", &other.url(&copy)]);
    let run = run.args(
        ["hstore", "citext", "btree_gist", "pg_trgm"].map(|name| format!("--exclude-extension={name}")),
    );
    let run = run.succeeds().says("left out, as it needs what is left out: TABLE public.t");
    assert_eq!(other.psql(&copy, "SELECT count(*) FROM pg_class WHERE relname = 't'"), "0", "{run}");
    assert_eq!(other.psql(&copy, "SELECT string_agg(extname, ' ') FROM pg_extension"), "plpgsql");
}

#[test]
fn vectors_come_back_in_the_next_major() {
    let (source, target) = (Cluster::shared(Major::V16), Cluster::shared(Major::V18));
    let database = source.create_database("vectors");
    source.psql(
        &database,
        "CREATE EXTENSION vector; CREATE TABLE t (id int PRIMARY KEY, v vector(3));
         INSERT INTO t SELECT n, format('[%s,0.5,-1e-3]', n)::vector FROM generate_series(1, 500) n;
         CREATE INDEX ON t USING hnsw (v vector_l2_ops);",
    );
    let place = Place::folder();
    place.backup(&source.url(&database), &[]);
    for jobs in ["1", "2"] {
        let copy = restored(&place, target, &["--jobs", jobs]);
        let digest = "SELECT count(*), md5(string_agg(v::text, ',' ORDER BY id)) FROM t";
        assert_eq!(target.psql(&copy, digest), source.psql(&database, digest));
    }
}

/// A server has pg_cron in one database, and not while that has another name.
#[test]
fn a_scheduler_keeps_no_database_from_being_restored() {
    let settings = ["shared_preload_libraries=pg_cron,pgaudit", "cron.database_name=app"];
    let cluster = Cluster::start_with(Major::Distribution, &settings);
    if cluster
        .psql("postgres", "SELECT count(*) FROM pg_available_extensions WHERE name IN ('pg_cron', 'pgaudit')")
        != "2"
    {
        skip!("the distribution has no pg_cron or no pgaudit");
    }
    cluster.psql("postgres", "CREATE DATABASE app");
    cluster.psql(
        "app",
        "CREATE EXTENSION pg_cron; CREATE EXTENSION pgaudit; CREATE TABLE t AS SELECT 1 AS n;
         SELECT cron.schedule('nightly', '0 3 * * *', 'DELETE FROM t')",
    );
    let place = Place::folder();
    place.backup(&cluster.url("app"), &["--name", "app"]);
    // The throw-away cluster loads what must be loaded, and runs no jobs.
    place.opens(&["verify", "latest", "--restore"]).succeeds().says("proven: 2 rows in 3 tables");
    let left_out = "left out: EXTENSION pg_cron (the server has it in its database app alone";
    for jobs in ["1", "2"] {
        let copy = fresh("copy");
        let words = ["restore", "latest", "--to", &cluster.url(&copy), "--jobs", jobs, "--json"];
        let run = place.opens(&words).succeeds().says(left_out).says("proven: 1 row in 1 table");
        assert_eq!(run.json()["left_out"].as_array().unwrap().len(), 1, "{run}");
        assert_eq!(
            cluster.psql(&copy, "SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension"),
            "pgaudit plpgsql"
        );
    }
    place
        .opens(&["restore", "latest", "--to", &cluster.url(&fresh("plain")), "--target-profile", "plain"])
        .fails(Kind::Postgres)
        .says("can only create extension in database app");
    pgstow(["clone", &cluster.url("app"), &cluster.url(&fresh("clone"))])
        .env("PATH", every_client())
        .fails(Kind::Postgres)
        .says("instead of clone, back up and restore");
    // It is left out only if nothing else is lost.
    cluster.psql("app", "CREATE VIEW jobs AS SELECT jobid FROM cron.job");
    place.backup(&cluster.url("app"), &["--name", "viewed"]);
    let words = ["restore", "latest", "--name", "viewed", "--to", &cluster.url(&fresh("viewed"))];
    place.opens(&words).fails(Kind::Postgres).says("is needed by: VIEW public.jobs");
    place.opens(&words).args(["--exclude-extension", "pg_cron"]).succeeds().says("left out, as it needs");
    let words = ["verify", "latest", "--name", "viewed", "--restore", "--exclude-extension", "pg_cron"];
    place.opens(&words).succeeds().says("proven: 1 row in 1 table");
    place.opens(&words).args(["--record"]).fails(Kind::Usage).says("nothing to write a receipt of");
    // In its own database it comes back with its jobs, which may be taken back alone, too.
    place
        .opens(&["restore", "latest", "--name", "app", "--swap", "--yes", "--to", &cluster.url("app")])
        .succeeds()
        .says(left_out);
    cluster.psql("app", "CREATE EXTENSION pg_cron");
    place
        .opens(&["restore", "latest", "--name", "app", "--into", &cluster.url("app"), "--table", "cron.job"])
        .succeeds();
    assert_eq!(cluster.psql("app", "SELECT jobname FROM cron.job"), "nightly");
    cluster.psql("postgres", "ALTER DATABASE app RENAME TO other");
    cluster.psql("postgres", "CREATE DATABASE app");
    place
        .opens(&["restore", "latest", "--name", "app", "--to", &cluster.url("app")])
        .succeeds()
        .says("proven: 2 rows in 3 tables");
    assert_eq!(cluster.psql("app", "SELECT jobname FROM cron.job"), "nightly");
}
