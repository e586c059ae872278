//! What is there already stays, and what is missing there is said.

use super::scene::DUMP;
use crate::scene::{Place, Sample, fetch, files_below, fresh, restore_fails};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use tempfile::TempDir;

#[test]
fn nothing_is_overwritten() {
    let sample = Sample::shared();
    let cluster = sample.cluster;
    let target = cluster.create_database("taken");
    cluster.psql(&target, "CREATE TABLE mine (n int); INSERT INTO mine VALUES (7)");
    sample
        .place
        .opens(&["restore", "latest", "--to", &cluster.url(&target)])
        .fails(Kind::TargetExists)
        .says("is not empty: table mine");
    assert_eq!(cluster.psql(&target, "SELECT n FROM mine"), "7");
    // A large object, and nothing else, is content too.
    let target = cluster.create_database("taken");
    cluster.psql(&target, "SELECT lo_create(99)");
    let restore = sample.place.opens(&["restore", "latest", "--to", &cluster.url(&target)]);
    restore.fails(Kind::TargetExists).says("large object 99");
    // So are default privileges, which would be granted on all that is restored.
    let target = cluster.create_database("taken");
    cluster.psql(&target, "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC");
    let restore = sample.place.opens(&["restore", "latest", "--to", &cluster.url(&target)]);
    restore.fails(Kind::TargetExists).says("default privileges of postgres");
    // So is what no table is made of.
    let operator = "CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = int4, RIGHTARG = int4)";
    for (made, said) in [
        ("CREATE COLLATION plain (locale = 'C')", "collation plain"),
        (operator, "operator ==="),
        ("CREATE TEXT SEARCH CONFIGURATION words (COPY = english)", "text search configuration words"),
        ("CREATE TEXT SEARCH DICTIONARY few (TEMPLATE = simple)", "text search dictionary few"),
        ("CREATE CAST (int4 AS uuid) WITH INOUT", "cast (integer AS uuid)"),
        ("CREATE FOREIGN DATA WRAPPER far", "foreign-data wrapper far"),
        ("CREATE CONVERSION back FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8", "conversion back"),
        ("CREATE OPERATOR FAMILY few USING btree", "operator family few"),
        ("CREATE ACCESS METHOD heaps TYPE TABLE HANDLER heap_tableam_handler", "access method heaps"),
    ] {
        let target = cluster.create_database("taken");
        cluster.psql(&target, made);
        let restore = sample.place.opens(&["restore", "latest", "--to", &cluster.url(&target)]);
        restore.fails(Kind::TargetExists).says(&format!("is not empty: {said}"));
    }
    // What an extension has made is not, nor is its schema: not every role may create one.
    let target = cluster.create_database("extended");
    let extensions = "CREATE EXTENSION pg_stat_statements; CREATE SCHEMA \"of seg\"; CREATE EXTENSION seg SCHEMA \"of seg\"; CREATE EXTENSION file_fdw";
    cluster.psql(&target, &format!("{extensions}; CREATE TABLE \"of seg\".mine (n int)"));
    let restore = || sample.place.opens(&["restore", "latest", "--to", &cluster.url(&target)]);
    restore().fails(Kind::TargetExists).says("is not empty: table \"of seg\".mine");
    cluster.psql(&target, "DROP TABLE \"of seg\".mine");
    restore().succeeds();
    // A backup that has such a schema goes into a database that has it, too.
    let [source, again] = ["of_seg", "again"].map(|label| cluster.create_database(label));
    cluster.psql(&source, &format!("{extensions}; CREATE TABLE t AS SELECT '1 .. 2'::\"of seg\".seg AS s"));
    cluster.psql(&again, extensions);
    let place = Place::folder();
    place.backup(&cluster.url(&source), &[]);
    place.opens(&["restore", "latest", "--to", &cluster.url(&again)]).succeeds().says("proven: 1 row");

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("app.dump");
    let words = ["fetch", "latest", "-o", file.to_str().unwrap()];
    std::fs::write(&file, "mine").unwrap();
    sample.place.opens(&words).fails(Kind::TargetExists).says("--force replaces it");
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    // A forced fetch that fails leaves the old one.
    let damaged = sample.place.copy();
    let mut bytes = damaged.get(&damaged.key(DUMP));
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    damaged.put(&damaged.key(DUMP), bytes);
    damaged.opens(&words).args(["--force"]).fails(Kind::Verify);
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    assert_eq!(files_below(folder.path()), ["app.dump"]);
    sample.place.opens(&words).args(["--force"]).succeeds();
    assert!(std::fs::read(&file).unwrap() == fetch(&sample.place, &["latest"]));
    assert_eq!(files_below(folder.path()), ["app.dump"]);

    sample
        .place
        .opens(&["fetch", "latest", "-o", folder.path().to_str().unwrap()])
        .fails(Kind::Usage)
        .says("folder");
    sample.place.opens(&["fetch", "latest", "-o", "/no/such/folder/x"]).fails(Kind::LocalFile);
}

#[test]
fn a_role_that_is_missing_is_no_obstacle_with_no_owner() {
    let (source, target) = (Cluster::shared(Major::Distribution), Cluster::shared(Major::V16));
    let role = fresh("owner");
    source.psql("postgres", &format!("CREATE ROLE {role}"));
    let database = source.create_database("owned");
    source.psql(
        &database,
        &format!("CREATE TABLE t (n int); ALTER TABLE t OWNER TO {role}; GRANT SELECT ON t TO {role}"),
    );
    let place = Place::folder();
    place.backup(&source.url(&database), &[]);
    restore_fails(&place, target, &[], Kind::Postgres)
        .says(&format!("lacks roles that the backup needs: \"{role}\" (owns 1 object)"))
        .says("--no-owner");
    let copy = fresh("owned");
    let restore = place.opens(&["restore", "latest", "--to", &target.url(&copy), "--no-owner", "--no-acl"]);
    restore.succeeds();
    assert_eq!(target.psql(&copy, "SELECT tableowner FROM pg_tables WHERE tablename = 't'"), "postgres");
}

/// A name may hold what would end the quotes of a block.
#[test]
fn any_name_will_do() {
    let (sample, cluster) = (Sample::shared(), Cluster::shared(Major::Distribution));
    let name = format!("{}$$b'", fresh("dollars"));
    let restore = |words: &[&str]| {
        let url = cluster.url(&name.replace('$', "%24"));
        sample.place.opens(&["restore", "latest", "--to", &url]).args(words)
    };
    let is_there = || {
        let like = name.replace('\'', "''");
        cluster.psql(
            "postgres",
            &format!("SELECT count(*) FROM pg_database WHERE starts_with(datname, '{like}')"),
        )
    };
    let run = restore(&["--after-sql", "SELECT 1/0"]).fails(Kind::Postgres).says("division by zero");
    run.says("hint: correct the script, and restore again");
    // It is refused together with scripts.
    let violated = "CREATE TEMP TABLE k (n int PRIMARY KEY); INSERT INTO k VALUES (1), (1)";
    let run = restore(&["--after-sql", violated]).fails(Kind::Postgres).says("duplicate key");
    assert!(!run.stderr.contains("--on-error keep"), "{run}");
    assert_eq!(is_there(), "0");
    let run = restore(&["-v"]).succeeds();
    let lines = run.stderr.matches("debug: ").count();
    assert!((1..40).contains(&lines), "{lines}: {run}");
    restore(&[]).fails(Kind::TargetExists).says("keep this one under another name: --swap");
    // What takes no database's place is not advised to.
    let run =
        restore(&["-t", "*"]).fails(Kind::TargetExists).says("--into instead of --to appends their rows");
    assert!(!run.stderr.contains("--swap"), "{run}");
    let run = restore(&["--schema-only"]).fails(Kind::TargetExists);
    assert!(!run.stderr.contains("--swap"), "{run}");
    restore(&["--swap", "--yes", "--keep-old", "0"]).succeeds();
    assert_eq!(is_there(), "1");
}

#[test]
fn others_may_create_databases_while_a_restore_holds_its_lock() {
    // As on Aiven and DigitalOcean.
    let cluster = Cluster::start(Major::Distribution);
    cluster.psql("template1", "ALTER DATABASE postgres RENAME TO defaultdb");
    let in_use =
        "SELECT FROM pg_stat_activity WHERE datname = 'template1' AND backend_type = 'client backend'";
    let check = format!("DO $$ BEGIN IF EXISTS ({in_use}) THEN RAISE 'template1 is in use'; END IF; END $$");
    let (sample, url) = (Sample::shared(), cluster.url("copy"));
    sample
        .place
        .opens(&["restore", "latest", "--to", &url, "--after-sql", &check])
        .succeeds()
        .says("copy is ready, after 1 script");
}
