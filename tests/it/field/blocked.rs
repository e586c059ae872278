//! People who could not go on: no name for their user, one session only, an older server, values that are too large.

use crate::harness::Pgstow;
use crate::scene::{Keys, Place, fresh, reader_with_few};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use std::path::Path;
use std::process::Command;

/// A user of this number has no name on this machine; OpenShift runs containers so.
const NAMELESS: [&str; 5] = ["setpriv", "--reuid=1000660000", "--regid=0", "--clear-groups", "--"];

fn has_wrapper() -> bool {
    let folders = [
        "/lib",
        "/usr/lib",
        "/lib64",
        "/usr/lib64",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
    ];
    folders.iter().any(|folder| Path::new(folder).join("libnss_wrapper.so").exists())
}

#[test]
fn a_user_without_a_name_rehearses_or_is_told_what_is_missing() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("nameless");
        cluster.psql(&database, "CREATE TABLE t AS SELECT generate_series(1, 10) AS n");
        let place = Place::folder();
        place.backup(&cluster.url(&database), &["--name", "app"]);
        let Place::Folder(folder) = &place else { panic!("a folder") };
        assert!(Command::new("chmod").args(["-R", "a+rX"]).arg(folder.path()).status().unwrap().success());
        let nameless = |words: &[&str]| -> Pgstow { place.opens(words).under(NAMELESS) };
        nameless(&["verify", "latest"]).succeeds();
        let rehearsal = nameless(&["verify", "latest", "--restore"]);
        if has_wrapper() {
            rehearsal.succeeds().says("10 rows");
        } else {
            let run = rehearsal.fails(Kind::Postgres);
            run.says("install libnss-wrapper, or verify on a server with --to");
        }
        nameless(&["verify", "latest", "--restore", "--to", &cluster.url("")]).succeeds();
    }
}

#[test]
fn a_role_with_few_sessions_backs_up() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("alone");
        cluster.psql(&database, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS n");
        for limit in [1, 2] {
            let url = cluster.url_of(&reader_with_few(cluster, limit), &database);
            let place = Place::folder();
            let backup = ["backup", "--name", "app", "-r", &Keys::shared().recipient, &url];
            let run = place.pgstow(&backup).succeeds().says("no lock that keeps another run away");
            assert_eq!(run.stderr.contains("may have only one session"), limit == 1, "{run}");
            place.opens(&["verify", "latest", "--restore"]).succeeds();
        }
    }
}

#[test]
fn an_older_server_is_named_with_what_can_be_done() {
    for (new, old) in [(Major::V18, Major::Distribution), (Major::V17, Major::V16), (Major::V18, Major::V13)]
    {
        let (new, old) = (Cluster::shared(new), Cluster::shared(old));
        let database = new.create_database("newer");
        new.psql(&database, "CREATE TABLE t AS SELECT 1 AS n");
        let place = Place::folder();
        place.backup(&new.url(&database), &["--name", "app"]);
        let copy = fresh("older");
        let run = place.opens(&["restore", "latest", "--to", &old.url(&copy)]).fails(Kind::Postgres);
        run.says("restores into PostgreSQL 17 or newer only")
            .says("only if the source's server is 16 or older");
        assert!(!old.has_database(&copy));
    }
}

/// As text, a bytea takes twice its bytes and more.
#[test]
fn a_value_that_no_copy_can_hold_is_explained() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("vast");
        cluster
            .psql(&database, "CREATE TABLE vast AS SELECT convert_to(repeat('x', 600000000), 'UTF8') AS b");
        let place = Place::folder();
        let backup = ["backup", "--name", "app", "-r", &Keys::shared().recipient, &cluster.url(&database)];
        let run = place.pgstow(&backup).fails(Kind::Postgres);
        run.says("a value becomes more than 1 GB of text").says("--exclude-table-data");
        place.pgstow(&backup).args(["--exclude-table-data", "vast"]).succeeds();
        cluster.psql("postgres", &format!("DROP DATABASE {database}"));
    }
}
