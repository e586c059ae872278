//! Extensions come back where they are installed, and are missed aloud where they are not.

use super::scene::{restored, there_and_back};
use crate::harness::{Run, pgstow};
use crate::proof::scene::give_all;
use crate::scene::{Place, every_client, fresh, restore_fails};
use crate::servers::folder;
use crate::servers::postgres::{Cluster, Major};
use crate::skip;
use pgstow::error::Kind;
use serde_json::{Value, json};
use tempfile::TempDir;

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
    let there = "SELECT count(*) FROM pg_available_extensions WHERE name IN ('pg_cron', 'pgaudit')";
    if Cluster::shared(Major::Distribution).psql("postgres", there) != "2" {
        skip!("the distribution has no pg_cron or no pgaudit");
    }
    let settings = ["shared_preload_libraries=pg_cron,pgaudit", "cron.database_name=app"];
    let cluster = Cluster::start_with(Major::Distribution, &settings);
    cluster.psql("postgres", "CREATE DATABASE app");
    cluster.psql(
        "app",
        "CREATE EXTENSION pg_cron; CREATE EXTENSION pgaudit; CREATE TABLE t AS SELECT 1 AS n;
         SELECT cron.schedule('nightly', '0 3 * * *', 'DELETE FROM t');
         CREATE ROLE planner; GRANT USAGE ON SCHEMA cron TO planner; GRANT SELECT ON cron.job TO planner;
         GRANT EXECUTE ON FUNCTION cron.schedule(text, text) TO planner",
    );
    let place = Place::folder();
    place.backup(&cluster.url("app"), &["--name", "app"]);
    // The temporary cluster loads what must be loaded, and runs no jobs.
    place.opens(&["verify", "latest", "--restore"]).succeeds().says("proven: 2 rows in 3 tables");
    let left_out = "left out: EXTENSION pg_cron (the server has it in its database app alone";
    for jobs in ["1", "2"] {
        let copy = fresh("copy");
        let words = ["restore", "latest", "--to", &cluster.url(&copy), "--jobs", jobs, "--json"];
        let run = place.opens(&words).succeeds().says(left_out).says("proven: 1 row in 1 table");
        let job = "1 row of cron.job (they belong to the extension pg_cron)";
        assert_eq!(run.json()["left_out"].as_array().unwrap()[1..], [job], "{run}");
        assert_eq!(
            cluster.psql(&copy, "SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension"),
            "pgaudit plpgsql"
        );
    }
    place
        .opens(&["restore", "latest", "--to", &cluster.url(&fresh("plain")), "--target-profile", "plain"])
        .fails(Kind::Postgres)
        .says("can only create extension in database app");
    let clone = || pgstow(["clone", &cluster.url("app"), &fresh("clone")]).env("PATH", every_client());
    for jobs in ["1", "2"] {
        let run = clone().args(["--jobs", jobs, "--json"]).succeeds().says(left_out);
        let run = run.says("proven: 1 row in 1 table");
        assert_eq!(run.json()["left_out"].as_array().unwrap().len(), 2, "{run}");
    }
    let plain = ["--target-profile", "plain"];
    clone().args(plain).fails(Kind::Postgres).says("--exclude-extension pg_cron does without it");
    // A dump that somebody else took does not say what the extension has.
    let dump = std::env::temp_dir().join(fresh("cron.dump"));
    let taken = cluster.client("pg_dump").args(["-Fc", "-f"]).arg(&dump).arg("app").status().unwrap();
    assert!(taken.success());
    let adopt = ["adopt", dump.to_str().unwrap(), "--name", "adopted", "--no-encryption"];
    place.opens(&adopt).succeeds();
    std::fs::remove_file(&dump).unwrap();
    let words =
        ["restore", "latest", "--name", "adopted", "--no-acl", "--to", &cluster.url(&fresh("adopted"))];
    place.opens(&words).succeeds().says(left_out);
    // It is left out only if nothing else is lost.
    cluster.psql("app", "CREATE VIEW jobs AS SELECT jobid FROM cron.job");
    place.backup(&cluster.url("app"), &["--name", "viewed"]);
    let words = ["restore", "latest", "--name", "viewed", "--to", &cluster.url(&fresh("viewed"))];
    place.opens(&words).fails(Kind::Postgres).says("is needed by: VIEW public.jobs");
    place.opens(&words).args(["--exclude-extension", "pg_cron"]).succeeds().says("left out, as it needs");
    clone().fails(Kind::Postgres).says("is needed by: VIEW public.jobs");
    let run = clone().args(["--exclude-extension", "pg_cron"]).succeeds().says("left out, as it needs");
    run.says("proven: 1 row in 1 table");
    let words = ["verify", "latest", "--name", "viewed", "--restore", "--exclude-extension", "pg_cron"];
    place.opens(&words).succeeds().says("proven: 1 row in 1 table");
    place.opens(&words).args(["--record"]).fails(Kind::Usage).says("nothing to write a receipt of");
    // In its own database it comes back with its jobs, which may be taken back alone, too.
    let words = ["restore", "latest", "--name", "app", "--swap", "--yes", "--to", &cluster.url("app")];
    let run = place.opens(&words).args(["--keep-old", "0"]).succeeds().says(left_out);
    run.says("--keep-old 0 keeps the old database");
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

/// TimescaleDB is in no package of the distribution: whoever has it sees its tables come back.
#[test]
fn hypertables_come_back_as_such_and_their_jobs_wait() {
    let settings = [
        "shared_preload_libraries=timescaledb",
        "timescaledb.telemetry_level=off",
        // One for each database, and one for each job.
        "max_worker_processes=64",
        "timescaledb.max_background_workers=60",
    ];
    if Cluster::shared(Major::Distribution)
        .psql("postgres", "SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'")
        == "0"
    {
        skip!("TimescaleDB is not installed");
    }
    let cluster = Cluster::start_with(Major::Distribution, &settings);
    let database = cluster.create_database("measured");
    let first = include_str!("../../data/timescale.sql");
    cluster.psql(&database, &format!("{first} CREATE TABLE ran (at timestamptz, db name)"));
    cluster.psql(
        &database,
        "CREATE TABLE log (time timestamptz NOT NULL, n int); SELECT create_hypertable('log', 'time');
         INSERT INTO log SELECT '2026-01-01'::timestamptz + n * interval '1 hour', n FROM generate_series(1, 500) n;
         ALTER TABLE log SET (timescaledb.compress); SELECT compress_chunk(show_chunks('log', older_than => '2026-01-15'::timestamptz));
         CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS rows, sum(n) AS n FROM log;
         CREATE PROCEDURE run(job_id int, config jsonb) LANGUAGE sql AS 'INSERT INTO ran VALUES (now(), current_database())';
         SELECT add_job('run', '1s', initial_start => now())",
    );
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    let seen = "SELECT (SELECT md5(string_agg(m::text, ',' ORDER BY time, device)) FROM metric m), (SELECT n FROM sums), (SELECT count(*) FROM log),
        (SELECT string_agg(num_chunks::text, ',' ORDER BY hypertable_name) FROM timescaledb_information.hypertables),
        (SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed),
        (SELECT count(*) FROM pg_constraint WHERE conrelid = 'alarm'::regclass AND contype = 'f'),
        current_setting('timescaledb.restoring')";
    let is_back = |copy: &str| {
        assert_eq!(cluster.psql(copy, seen), cluster.psql(&database, seen));
        cluster.psql(
            copy,
            "INSERT INTO metric VALUES ('2027-01-01', 1, 8); INSERT INTO log VALUES ('2026-01-01', 0)",
        );
        // The jobs run again, and none has run before.
        let runs = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_type ~ 'Scheduler'";
        cluster.eventually(copy, runs);
    };
    for jobs in ["1", "2"] {
        let copy = fresh("copy");
        let words = ["restore", "latest", "--to", &cluster.url(&copy), "--jobs", jobs, "--proof", "digests"];
        let run = place.opens(&words).succeeds().says("proven: ");
        assert!(!run.stderr.contains("warning"), "{run}");
        is_back(&copy);
        let words = ["restore", "latest", "--swap", "--yes", "--to", &cluster.url(&copy), "--jobs", jobs];
        place.opens(&words).succeeds();
        is_back(&copy);
    }
    let clone = fresh("clone");
    pgstow(["clone", &cluster.url(&database), &cluster.url(&clone)]).env("PATH", every_client()).succeeds();
    is_back(&clone);
    // One that was killed leaves the setting.
    let existing = cluster.create_database("existing");
    cluster.psql("postgres", &format!("ALTER DATABASE {existing} SET timescaledb.restoring = 'on'"));
    place.opens(&["restore", "latest", "--to", &cluster.url(&existing)]).succeeds();
    is_back(&existing);
    place.opens(&["verify", "latest", "--restore", "--check", "SELECT count(*) = 500 FROM log"]).succeeds();
    // A script sees all rows.
    let masked = fresh("masked");
    let words = ["restore", "latest", "--to", &cluster.url(&masked), "--after-sql", "UPDATE log SET n = -1"];
    place.opens(&words).succeeds();
    assert_eq!(cluster.psql(&masked, "SELECT count(*) FROM log WHERE n <> -1"), "0");
    // A part of it is none.
    let target = cluster.url(&fresh("part"));
    for part in [
        ["--table=metric"],
        ["--exclude-table=metric"],
        ["--exclude-table-data=metric"],
        ["--schema-only"],
        ["--exclude-extension=timescaledb"],
    ] {
        let words = ["restore", "latest", "--to", &target];
        place
            .opens(&words)
            .args(part)
            .fails(Kind::Usage)
            .says("public.metric is a hypertable of TimescaleDB");
    }
}

/// `pg_dump` writes user mappings without their server, and constraints without what only their indexes depend on.
#[test]
fn what_needs_an_extension_goes_with_it_although_the_dump_does_not_say_so() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("unsaid");
    cluster.psql(
        &database,
        "CREATE EXTENSION postgres_fdw; CREATE SERVER \"Far away\" FOREIGN DATA WRAPPER postgres_fdw;
         CREATE USER MAPPING FOR PUBLIC SERVER \"Far away\" OPTIONS (user 'u'); CREATE EXTENSION btree_gist;
         CREATE EXTENSION file_fdw; CREATE SERVER near FOREIGN DATA WRAPPER file_fdw;
         CREATE USER MAPPING FOR PUBLIC SERVER near;
         CREATE TABLE t (id int PRIMARY KEY, r int4range, s int4range, EXCLUDE USING gist (id WITH =, r WITH &&),
             CONSTRAINT apart EXCLUDE USING gist (s WITH &&));
         INSERT INTO t VALUES (1, '[1,2)', '[1,2)')",
    );
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    let copy = fresh("unsaid");
    let words = ["restore", "latest", "--to", &cluster.url(&copy), "--exclude-extension", "postgres_fdw"];
    let run = place.opens(&words).args(["--exclude-extension", "btree_gist"]).succeeds();
    let run = run
        .says("left out, as it needs what is left out: SERVER Far away")
        .says("left out, as it needs what is left out: CONSTRAINT public.t t_id_r_excl")
        .says("proven: 1 row in 1 table");
    assert!(!run.stderr.contains("USER MAPPING") && !run.stderr.contains("apart"), "{run}");
    assert_eq!(cluster.psql(&copy, "SELECT string_agg(srvname, ' ') FROM pg_user_mappings"), "near");
    let left =
        "SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE conrelid = 't'::regclass";
    assert_eq!(cluster.psql(&copy, left), "apart t_pkey");
}

/// A server that has these extensions too: name, what its file of control says, SQL.
fn with_extensions(extensions: &[(&str, &str, &str)]) -> (Cluster, TempDir) {
    let folder = folder("extensions");
    let files = folder.path().join("extension");
    std::fs::create_dir(&files).unwrap();
    for (name, control, sql) in extensions {
        let control = format!("default_version = '1.0'\n{control}\n");
        std::fs::write(files.join(format!("{name}.control")), control).unwrap();
        std::fs::write(files.join(format!("{name}--1.0.sql")), sql).unwrap();
    }
    give_all(folder.path());
    let path = format!("extension_control_path=$system:{}", folder.path().display());
    let cluster = Cluster::start_with(Major::V18, &[&path]);
    cluster.psql("postgres", "CREATE DATABASE app");
    (cluster, folder)
}

/// A server that has two extensions of services, one with a table whose rows are the user's; and a database with both.
fn service() -> (Cluster, TempDir) {
    let vault = "CREATE TABLE vault.secrets (n int); SELECT pg_catalog.pg_extension_config_dump('vault.secrets', '');";
    let (cluster, folder) =
        with_extensions(&[("supabase_vault", "schema = vault", vault), ("google_vacuum_mgmt", "", "")]);
    cluster.psql(
        "app",
        "CREATE EXTENSION supabase_vault; CREATE EXTENSION google_vacuum_mgmt;
         INSERT INTO vault.secrets SELECT generate_series(1, 3); CREATE TABLE t AS SELECT generate_series(1, 5) AS n",
    );
    (cluster, folder)
}

const OF_VAULT: &str = "3 rows of vault.secrets (they belong to the extension supabase_vault)";

/// What only a service has is left out by itself, wherever it is restored, and rows that go with it are counted.
#[test]
fn rows_that_go_with_an_extension_are_reported() {
    let (cluster, _files) = service();
    let (other, place) = (Cluster::shared(Major::V18), Place::folder());
    place.backup(&cluster.url("app"), &["--name", "app"]);
    let expected = [
        "EXTENSION google_vacuum_mgmt (only the service that was dumped has it)",
        "EXTENSION supabase_vault (only the service that was dumped has it)",
        OF_VAULT,
    ];
    let is_said = |run: &Run, left_out: &Value| {
        let mut said: Vec<&str> =
            left_out.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        said.sort_by_key(|one| (one.starts_with('3'), *one));
        assert_eq!(said, expected, "{run}");
        assert!(run.stderr.contains(&format!("warning: left out: {OF_VAULT}")), "{run}");
    };
    for jobs in ["1", "2"] {
        let run =
            place.opens(&["restore", "latest", "--to", &other.url(&fresh("copy")), "--jobs", jobs, "--json"]);
        let run = run.succeeds().says("5 rows in 1 table");
        is_said(&run, &run.json()["left_out"]);
    }
    let run = pgstow(["clone", &cluster.url("app"), &other.url(&fresh("clone")), "--json"]);
    let run = run.env("PATH", every_client()).succeeds();
    is_said(&run, &run.json()["left_out"]);
    // On a server that has it, if it is not wanted.
    let words =
        ["restore", "latest", "--to", &cluster.url(&fresh("without")), "--exclude-extension=supabase_vault"];
    let run = place.opens(&words).args(["--json"]).succeeds();
    assert_eq!(run.json()["left_out"], json!([OF_VAULT]), "{run}");
    run.says(&format!("left out: {OF_VAULT}"));

    // A trial goes as a restore would go here, in a cluster of its own and elsewhere.
    let verify = |words: &[&str]| place.opens(&["verify", "latest", "--restore"]).args(words);
    for words in [&["--json"][..], &["--json", "--to", &other.url("")]] {
        let run = verify(words).succeeds().says("5 rows in 1 table").says("; 3 left out");
        is_said(&run, &run.json()[0]["restored"]["left_out"]);
        assert_eq!(run.json()[0]["rows"], 8, "the backup's: {run}");
    }
    // Nobody has seen that these rows come back.
    let run = verify(&["--record", "--json"])
        .fails(Kind::Settings)
        .says("not all rows were restored")
        .says(OF_VAULT);
    assert_eq!(run.json()[0]["verified"], false, "{run}");
    assert!(!place.keys().iter().any(|key| key.contains("/receipt-")), "{run}");
}

#[test]
fn a_receipt_names_the_extensions_that_were_left_out() {
    let ((cluster, _files), place) = (service(), Place::folder());
    cluster.psql("app", "DELETE FROM vault.secrets");
    place.backup(&cluster.url("app"), &["--name", "app"]);
    let folder = folder("receipt");
    let receipt = folder.path().join("receipt.json").to_str().unwrap().to_owned();
    place.opens(&["verify", "latest", "--restore", "--record", "--receipt", &receipt]).succeeds();
    let text = place.pgstow(&["receipts", "verify", &receipt]).succeeds().text();
    assert!(text.contains("left out   extensions google_vacuum_mgmt, supabase_vault\n"), "{text}");
    let listed = place.opens(&["list", "--json"]).succeeds().json();
    assert!(listed[0]["proven_at"].is_string(), "{listed}");
}

/// The archive does not define what an extension makes, and what is tied to that is not lost for it.
#[test]
fn ties_to_what_an_extension_makes_are_restored() {
    let made = "CREATE TABLE kinds (id int PRIMARY KEY); INSERT INTO kinds VALUES (1);
        CREATE TABLE events (id int) PARTITION BY LIST (id);
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';";
    let (cluster, _files) = with_extensions(&[("linked", "schema = linked", made), ("elsewhere", "", "")]);
    cluster.psql(
        "app",
        "CREATE SCHEMA ext; CREATE EXTENSION elsewhere SCHEMA ext; CREATE EXTENSION linked; CREATE SCHEMA app;
         CREATE TABLE app.q (id int PRIMARY KEY); INSERT INTO app.q VALUES (1);
         CREATE TABLE app.t (kind int CONSTRAINT of_kind REFERENCES linked.kinds, q int CONSTRAINT of_q REFERENCES app.q);
         INSERT INTO app.t VALUES (1, 1);
         CREATE TRIGGER touch BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION linked.touch();
         CREATE TABLE app.e PARTITION OF linked.events FOR VALUES IN (1); INSERT INTO app.e VALUES (1)",
    );
    let ties = "SELECT concat_ws(' ', (SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE contype = 'f'),
        (SELECT tgname FROM pg_trigger WHERE NOT tgisinternal), (SELECT count(*) FROM linked.events))";
    let all = "of_kind of_q touch 1";
    assert_eq!(cluster.psql("app", ties), all);
    let place = |words: &[&str]| {
        let place = Place::folder();
        place.backup(&cluster.url("app"), words);
        place
    };
    let restored = |place: &Place, words: &[&str]| {
        let copy = fresh("linked");
        let run = place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).args(words).succeeds();
        (copy, run)
    };
    let whole = place(&[]);
    for words in [&["--jobs", "1"][..], &["--jobs", "3", "--no-owner"]] {
        let (copy, run) = restored(&whole, words);
        assert_eq!(cluster.psql(&copy, ties), all, "{run}");
        assert!(!run.stderr.contains("left out"), "{run}");
    }
    whole.opens(&["verify", "latest", "--restore", "--to", &cluster.url("")]).succeeds();
    let copy = fresh("linked");
    let clone = pgstow(["clone", &cluster.url("app"), &cluster.url(&copy)]).env("PATH", every_client());
    clone.succeeds();
    assert_eq!(cluster.psql(&copy, ties), all);
    // A part of it, with the extension and without.
    let (copy, run) = restored(&place(&["--exclude-table", "app.q", "--exclude-schema", "ext"]), &[]);
    assert_eq!(cluster.psql(&copy, ties), "of_kind touch 1");
    run.says("left out: FK CONSTRAINT app.t of_q (needs app.q, ").says("does not have the schema ext");
    let alone = place(&["--table", "app.t"]);
    let (copy, run) = restored(&alone, &[]);
    assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM app.t"), "1");
    run.says("TRIGGER app.t touch (needs linked.touch").says("app.t of_kind (needs linked.kinds");
    cluster.psql("app", "DROP TABLE app.t");
    let words = ["restore", "latest", "--into", &cluster.url("app"), "--table", "app.t", "--create-tables"];
    alone.opens(&words).succeeds();
    assert_eq!(cluster.psql("app", ties), all);
}
