//! The server's roles come along where they can be read, and where not it is said and recorded.

use crate::harness::Run;
use crate::scene::{Keys, Place, fresh};
use crate::servers::postgres::{Cluster, Major, PASSWORD};
use pgstow::error::Kind;
use tempfile::TempDir;

/// A small database that belongs to a role of its own; the role's name is the database's.
fn owned(cluster: &Cluster) -> String {
    let name = fresh("owned");
    cluster.psql("postgres", &format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'"));
    cluster.psql("postgres", &format!("CREATE DATABASE {name} OWNER {name}"));
    cluster.psql(&name, &format!("SET ROLE {name}; CREATE SCHEMA s; CREATE TABLE s.t (n int)"));
    name
}

/// The URL of the database for its owner.
fn as_owner(cluster: &Cluster, name: &str) -> String {
    format!("postgres://{name}:{PASSWORD}@127.0.0.1:{}/{name}", cluster.port)
}

#[track_caller]
fn backup(place: &Place, url: &str, words: &[&str]) -> Run {
    place.pgstow(&["backup", url, "--recipient", &Keys::shared().recipient]).args(words).succeeds()
}

fn manifest(place: &Place) -> serde_json::Value {
    place.pgstow(&["show", "latest", "--json"]).succeeds().json()
}

fn globals(place: &Place) -> String {
    place.opens(&["fetch", "latest", "--globals", "-o", "-"]).succeeds().text()
}

#[test]
fn any_name_of_a_database_leads_to_the_roles() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, place, name) = (Cluster::shared(major), Place::folder(), fresh("a=b'c"));
        cluster.psql("postgres", &format!("CREATE DATABASE \"{name}\" TEMPLATE template0"));
        backup(&place, &cluster.url(&name.replace('=', "%3D").replace('\'', "%27")), &["--name", "odd"]);
        assert_eq!(manifest(&place)["globals"], "stored");
    }
}

#[test]
fn roles_come_along_and_passwords_only_when_asked_for() {
    for major in Major::ALL {
        let cluster = Cluster::shared(major);
        let (name, place) = (owned(cluster), Place::folder());
        backup(&place, &cluster.url(&name), &[]);
        assert_eq!(manifest(&place)["globals"], "stored");
        assert!(place.keys().iter().any(|key| key.ends_with("/globals.sql.zst.age")));
        let sql = globals(&place);
        assert!(sql.contains(&format!("CREATE ROLE {name};")) && !sql.contains("PASSWORD"), "{sql}");
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("roles.sql");
        let words = ["fetch", "latest", "--globals", "--json", "-o", file.to_str().unwrap()];
        let (fetched, objects) = (place.opens(&words).succeeds().json(), manifest(&place)["objects"].clone());
        let key = |object: &&serde_json::Value| object["key"].as_str().unwrap().starts_with("globals");
        let stored = &objects.as_array().unwrap().iter().find(key).unwrap()["stored_bytes"];
        assert_eq!((&fetched["stored_bytes"], &fetched["fetched_bytes"]), (stored, stored));

        let place = Place::folder();
        backup(&place, &cluster.url(&name), &["--role-passwords"]);
        let sql = globals(&place);
        assert!(sql.contains("PASSWORD 'SCRAM-SHA-256$"), "{sql}");
        place.opens(&["verify", "latest"]).succeeds();
    }
}

#[test]
fn damage_to_them_is_found() {
    let cluster = Cluster::shared(Major::Distribution);
    let (name, place) = (owned(cluster), Place::folder());
    backup(&place, &cluster.url(&name), &[]);
    let key = place.key("globals.sql.zst.age");
    let mut bytes = place.get(&key);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    place.put(&key, bytes);
    place.opens(&["verify", "latest"]).fails(Kind::Verify).says("globals");
    place.opens(&["fetch", "latest", "--globals", "-o", "-"]).fails(Kind::Verify);
    place.delete(&key);
    place.pgstow(&["verify", "latest", "--quick"]).fails(Kind::Verify).says("globals");
}

#[test]
fn a_role_without_rights_gets_what_it_may_read() {
    let cluster = Cluster::shared(Major::Distribution);
    let (name, place) = (owned(cluster), Place::folder());
    let run = backup(&place, &as_owner(cluster, &name), &["--role-passwords"]);
    run.says("the roles are stored without their passwords").says("permission denied");
    assert_eq!(manifest(&place)["globals"], "stored");
    assert!(!globals(&place).contains("PASSWORD"));
}

#[test]
fn roles_that_may_not_be_read_are_said_and_recorded() {
    let cluster = Cluster::shared(Major::Distribution);
    let (name, place) = (owned(cluster), Place::folder());
    cluster.psql(&name, "REVOKE SELECT ON pg_catalog.pg_auth_members FROM PUBLIC");
    let url = as_owner(cluster, &name);
    backup(&place, &url, &[]).says("goes on without the server's roles").says("permission denied");
    assert_eq!(manifest(&place)["globals"], "not-readable");
    place.pgstow(&["show", "latest"]).succeeds();
    place.opens(&["verify", "latest"]).succeeds();
    let none = place.opens(&["fetch", "latest", "--globals", "-o", "-"]).fails(Kind::NotFound);
    none.says("holds no roles: they could not be read");
}

/// The distribution's programs, but for one that first does this.
fn client(cluster: &Cluster, programs: &[&str], special: &str, before: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    for program in programs {
        let before = if *program == special { before } else { "" };
        let text = format!("#!/bin/sh\n{before}\nexec {}/{program} \"$@\"\n", cluster.bin().display());
        crate::servers::script(&folder.path().join(program), &text);
    }
    folder
}

const PROGRAMS: [&str; 4] = ["pg_dump", "pg_dumpall", "pg_restore", "psql"];

#[test]
fn a_missing_pg_dumpall_is_said_and_recorded() {
    let cluster = Cluster::shared(Major::Distribution);
    let (name, place) = (owned(cluster), Place::folder());
    let folder = client(cluster, &["pg_dump", "pg_restore", "psql"], "", "");
    let run = backup(&place, &cluster.url(&name), &["--pg-bin", folder.path().to_str().unwrap()]);
    run.says("goes on without the server's roles").says("pg_dumpall");
    assert_eq!(manifest(&place)["globals"], "not-taken");
}

#[test]
fn roles_that_could_not_be_read_next_to_the_rows_are_read_after_them() {
    let cluster = Cluster::shared(Major::Distribution);
    let (name, place) = (owned(cluster), Place::folder());
    let once = r#"case "$*" in *--version*) ;; *) mkdir "$0.failed" 2>/dev/null && echo broken >&2 && exit 1 ;; esac"#;
    let folder = client(cluster, &PROGRAMS, "pg_dumpall", once);
    let run = backup(&place, &cluster.url(&name), &["--pg-bin", folder.path().to_str().unwrap()]);
    assert!(!run.stderr.contains("roles"), "{run}");
    assert!(folder.path().join("pg_dumpall.failed").exists());
    assert!(globals(&place).contains(&name));
}

#[test]
fn every_database_has_the_roles_of_its_own_time() {
    let (cluster, place) = (Cluster::start(Major::Distribution), Place::folder());
    for database in ["first", "second"] {
        cluster.psql("postgres", &format!("CREATE DATABASE {database}"));
    }
    // When the second one is dumped.
    let create = format!(
        "case \"$*\" in *--version*) ;; *) mkdir \"$0.first\" 2>/dev/null || \
         {}/psql -qXc 'CREATE ROLE late' '{}' ;; esac",
        cluster.bin().display(),
        cluster.url("postgres")
    );
    let folder = client(&cluster, &PROGRAMS, "pg_dump", &create);
    let every = ["--all-databases", "--exclude", "postgres", "--pg-bin", folder.path().to_str().unwrap()];
    backup(&place, &cluster.url("postgres"), &every);
    let of = |name| {
        let words = ["fetch", "latest", "--name", name, "--globals", "-o", "-"];
        place.opens(&words).succeeds().text().contains("CREATE ROLE late")
    };
    assert!(!of("first") && of("second"));
}
