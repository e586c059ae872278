//! Restores as people have to do them, from their own words to their application's first query.

use super::scene::Scene;
use crate::harness::Pgstow;
use crate::scene::{Keys, Place, fresh};
use crate::servers::postgres::{Cluster, Major};
use std::process::Command;

/// What somebody who logs in gets, or is told.
fn logged_in(
    cluster: &Cluster,
    role: &str,
    password: &str,
    database: &str,
    sql: &str,
) -> Result<String, String> {
    let mut psql: Command = cluster.client("psql");
    psql.env("PGUSER", role).env("PGPASSWORD", password);
    psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]);
    let output = psql.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A Kubernetes cluster is gone; the new one has a PostgreSQL with nothing in it. Nobody edits a dump.
#[test]
fn an_empty_server_gets_its_roles_and_its_database_back() {
    let scene = Scene::new(Major::V17);
    let place = Place::folder();
    place.backup(&scene.source.url("shop"), &["--name", "shop", "--role-passwords"]);
    drop(scene);
    let target = Cluster::start(Major::V17);
    // As a Job has it: everything in the environment.
    let job: Pgstow = place.opens(&["restore", "latest"]).env("PGSTOW_TO", target.url("shop"));
    let run = job.env("PGSTOW_ROLES", "restore").env("PGSTOW_NAME", "shop").succeeds();
    let run = run.says("created the roles ").says("proven: 100 rows in 2 tables");
    // The application logs in with the password it has always had, by its membership in the owner.
    let asked = logged_in(&target, "web", "web-word", "shop", "SELECT count(*) FROM app.t");
    assert_eq!(asked.unwrap_or_else(|e| panic!("{e}: {run}")), "100");
    logged_in(
        &target,
        "web",
        "web-word",
        "shop",
        "SET ROLE boss; INSERT INTO app.t VALUES (1000, 'new'); CREATE TABLE app.more ()",
    )
    .unwrap();
    assert!(
        logged_in(&target, "web", "wrong", "shop", "SELECT 1")
            .unwrap_err()
            .contains("password authentication failed")
    );
}

/// Drop, create, grant, look at the tables: of today's four steps one is left, and nothing is dropped first.
#[test]
fn a_database_comes_back_with_its_grants() {
    let cluster = Cluster::shared(Major::V16);
    let (app, report) = (fresh("application"), fresh("report"));
    for role in [&app, &report] {
        cluster.psql("postgres", &format!("CREATE ROLE {role} LOGIN PASSWORD 'word'"));
    }
    let database = cluster.create_database("production");
    cluster.psql(
        &database,
        "CREATE TABLE requests (id serial PRIMARY KEY, what text);
         INSERT INTO requests (what) SELECT 'request ' || n FROM generate_series(1, 250) n;
         CREATE VIEW open_requests AS SELECT * FROM requests WHERE id > 200",
    );
    let place = Place::folder();
    let backup =
        ["backup", "--recipient", &Keys::shared().recipient, &cluster.url(&database), "--name", "production"];
    place.pgstow(&backup).succeeds();
    // Then somebody deletes too much.
    cluster.psql(&database, "DELETE FROM requests");
    let back = format!("{database}_back");
    let to = cluster.url(&back);
    let words = ["restore", "latest", "--to", &to, "--grant-all", &app, "--grant-read", &report];
    place.opens(&words).succeeds().says("proven: 250 rows in 1 table");

    let asked = |role: &str, sql: &str| logged_in(cluster, role, "word", &back, sql);
    assert_eq!(asked(&report, "SELECT count(*) FROM open_requests").unwrap(), "50");
    assert!(asked(&report, "DELETE FROM requests").unwrap_err().contains("permission denied"));
    assert_eq!(asked(&app, "INSERT INTO requests (what) VALUES ('new') RETURNING id").unwrap(), "251");
    // What the backup says is there, and what is.
    let shown = place.opens(&["show", "latest", "--tables", "--json"]).succeeds().json();
    assert_eq!(shown["tables"][0]["rows"], 250);
    // The damaged one is still there to be looked into.
    assert_eq!(cluster.psql(&database, "SELECT count(*) FROM requests"), "0");
}
