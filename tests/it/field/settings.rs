//! Settings of a role, a database or a server that are meant for an application, and would be in the way.

use super::as_script;
use crate::harness::pgstow;
use crate::scene::{Place, every_client, fresh, reader_with_few};
use crate::servers::postgres::{Cluster, Major, PASSWORD};

/// Arrays in which a word and its absence look alike, and a view that could mean something else.
const VALUES: &str = "CREATE TABLE arrays (a text[], i interval);
    INSERT INTO arrays VALUES (ARRAY[NULL, 'NULL', 'x'], '-1 year -2 days +03:04:05');
    CREATE TABLE bytes AS SELECT '\\x00c3ff5c'::bytea AS b, 'arrays'::regclass AS c, 0.1::float8 + 0.2 AS f;
    CREATE TYPE mood AS ENUM ('fine'); CREATE FUNCTION of_mood(mood) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE VIEW nothing AS SELECT 1 AS n WHERE (NULL::int = NULL);
    CREATE TABLE many AS SELECT generate_series(1, 200000) AS n;
    ALTER TABLE many ADD CHECK (n > 0); CREATE INDEX ON many (n);";

/// What no session of ours may be stopped by, nor read by another meaning.
fn settings(major: Major) -> Vec<&'static str> {
    let mut all = vec![
        "array_nulls = off",
        "transform_null_equals = on",
        "IntervalStyle = 'sql_standard'",
        "DateStyle = 'SQL, DMY'",
        "default_transaction_read_only = on",
        "statement_timeout = '200ms'",
        "lock_timeout = '1s'",
        // pg_restore begins a transaction before it says that it has time.
        "idle_in_transaction_session_timeout = '200ms'",
        "default_transaction_isolation = 'serializable'",
        "bytea_output = 'escape'",
        "quote_all_identifiers = on",
        "extra_float_digits = -3",
    ];
    if major.number() >= 17 {
        all.push("transaction_timeout = '400ms'");
    }
    all
}

fn every_way_works(major: Major) {
    let cluster = Cluster::start(major);
    let database = cluster.create_database("values");
    cluster.psql(&database, VALUES);
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    let scripts = as_script(&place);
    let text = cluster.text_of(&database);

    cluster
        .psql("postgres", "CREATE ROLE hasty SUPERUSER LOGIN PASSWORD 'sesame-0c7b1f'; CREATE ROLE reader");
    for setting in settings(major) {
        cluster.psql("postgres", &format!("ALTER ROLE hasty SET {setting}"));
    }
    let url = |name: &str| cluster.url_of("hasty", name);
    let after = [
        "--no-owner",
        "--grant-read",
        "reader",
        "--after-sql",
        "SELECT pg_sleep(0.5); CREATE TABLE made (n int)",
    ];
    let ways: [(&Place, &[&str]); 4] = [
        (&place, &["--jobs", "1"]),
        (&place, &["--jobs", "3"]),
        (&place, &["--jobs", "2", "--proof", "digests"]),
        (&scripts, &[]),
    ];
    for (from, words) in ways {
        let copy = fresh("values");
        from.opens(&["restore", "latest", "--to", &url(&copy)]).args(words).succeeds();
        // Everything belongs to who restored it, if it was a script.
        let is = cluster.text_of(&copy);
        assert_eq!(
            is.replace("Owner: hasty", "Owner: postgres").replace("OWNER TO hasty", "OWNER TO postgres"),
            text,
            "{words:?}"
        );
    }
    let copy = fresh("after");
    place.opens(&["restore", "latest", "--to", &url(&copy)]).args(after).succeeds();
    assert_eq!(cluster.psql(&copy, "SELECT has_table_privilege('reader', 'made', 'SELECT')"), "t");
    let existing = cluster.create_database("existing");
    place.opens(&["restore", "latest", "--to", &url(&existing)]).succeeds();
    assert_eq!(cluster.text_of(&existing), text);
    let clone = fresh("clone");
    pgstow(["clone", &url(&database), &url(&clone)]).env("PATH", every_client()).succeeds();
    assert_eq!(cluster.text_of(&clone), text);
    place.opens(&["restore", "latest", "--swap", "--yes", "--to", &url(&clone)]).succeeds();
    place.opens(&["verify", "latest", "--restore", "--to", &url("")]).succeeds();
    // What it dumps is what others dump.
    let (hers, copy) = (Place::folder(), fresh("hers"));
    hers.backup(&url(&database), &[]);
    let words = ["restore", "latest", "--proof", "digests", "--no-owner", "--to", &cluster.url(&copy)];
    hers.opens(&words).succeeds().says("digest by digest");
    hers.opens(&["verify", "latest", "--restore", "--to", &cluster.url("")]).succeeds();
    a_service_keeps_its_options(&cluster, &database);
}

/// What is set for the run does not take the place of what the file says.
fn a_service_keeps_its_options(cluster: &Cluster, database: &str) {
    cluster.psql(database, "CREATE SCHEMA apart; CREATE TABLE apart.hidden AS SELECT 1 AS n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("services");
    let service = format!(
        "[here]\nhost=127.0.0.1\nport={}\nuser=hasty\npassword={PASSWORD}\ndbname={database}\noptions=-c search_path=apart\n",
        cluster.port
    );
    std::fs::write(&file, service).unwrap();
    let (place, words) =
        (Place::folder(), ["backup", "--no-encryption", "--table", "hidden", "service=here"]);
    for role in [None, Some("--pg-dump-arg=--role=postgres")] {
        place.pgstow(&words).args(role).env("PGSERVICEFILE", &file).succeeds();
    }
    // Nor does what the file says take the place of what is set.
    let (place, copy) = (Place::folder(), fresh("by_service"));
    place.pgstow(&["backup", "--no-encryption", "service=here"]).env("PGSERVICEFILE", &file).succeeds();
    let words = ["restore", "latest", "--proof", "digests", "--no-owner", "--to", &cluster.url(&copy)];
    place.opens(&words).succeeds().says("digest by digest");
}

#[test]
fn settings_for_applications_are_not_in_the_way_on_the_distribution_s_major() {
    every_way_works(Major::Distribution);
}

#[test]
fn settings_for_applications_are_not_in_the_way_on_13() {
    every_way_works(Major::V13);
}

#[test]
fn settings_for_applications_are_not_in_the_way_on_18() {
    every_way_works(Major::V18);
}

/// A hardened server lets few roles use PL/pgSQL, and a database may be without it.
#[test]
fn a_database_without_procedural_languages() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, place) = (Cluster::shared(major), Place::folder());
        for sql in ["REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC", "DROP EXTENSION plpgsql"] {
            let database = cluster.create_database("without");
            cluster.psql(&database, &format!("CREATE TABLE t AS SELECT generate_series(1, 20000) n; {sql}"));
            let role = reader_with_few(cluster, 10);
            let words = ["--name", "without", "--readers", "2", "--reader-range", "64KiB"];
            place.backup(&cluster.url_of(&role, &database), &words);
            let copy = fresh("without");
            place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
            assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM t"), "20000");
        }
    }
}
