//! Databases of every major, of other encodings, and with nothing in them.

use super::scene::{backup, path};
use crate::scene::{Keys, Place, Sample, fresh, motley};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use std::io::Write;
use std::process::Stdio;

#[test]
fn an_empty_database_that_exists_is_used_as_it_is() {
    let sample = Sample::shared();
    let cluster = sample.cluster;
    let target = cluster.create_database("waiting");
    let restored =
        sample.place.opens(&["restore", "latest", "--to", &cluster.url(&target), "--json"]).succeeds();
    assert_eq!(restored.json()["created"], false);
    assert_eq!(cluster.text_of(&target), cluster.text_of(&sample.database));
}

#[test]
fn a_backup_restores_into_its_own_major_and_the_next() {
    let majors = [Major::Distribution, Major::V16, Major::V17, Major::V18];
    std::thread::scope(|scope| {
        for (at, major) in majors.into_iter().enumerate() {
            scope.spawn(move || {
                let source = Cluster::shared(major);
                let database = motley(source, "majors");
                let place = Place::folder();
                place.backup(&source.url(&database), &[]);
                for target in majors.into_iter().skip(at).take(2).map(Cluster::shared) {
                    let (copy, plain) = (fresh("majors"), fresh("plain"));
                    place.opens(&["restore", "latest", "--to", &target.url(&copy)]).succeeds();
                    copied_plainly(source, &database, target, &plain);
                    let into = target.major;
                    assert_eq!(target.text_of(&copy), target.text_of(&plain), "{major:?} into {into:?}");
                }
            });
        }
    });
}

/// Copies a database the old way, `pg_dump | psql`: what any restore is measured by. A newer server
/// may tell the same view in other words, so only copies on the same server can be compared.
fn copied_plainly(source: &Cluster, database: &str, target: &Cluster, copy: &str) {
    let text = source.client("pg_dump").arg(database).output().unwrap();
    assert!(text.status.success());
    target.psql("postgres", &format!("CREATE DATABASE {copy} TEMPLATE template0"));
    let mut psql = source.client("psql");
    psql.env("PGPORT", target.port.to_string()).args(["-Xq", "-v", "ON_ERROR_STOP=1", "-d", copy]);
    let mut psql = psql.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    psql.stdin.take().unwrap().write_all(&text.stdout).unwrap();
    assert!(psql.wait().unwrap().success());
}

#[test]
fn what_a_server_is_too_old_for_is_refused_before_anything_moves() {
    let (new, old) = (Cluster::shared(Major::V18), Cluster::shared(Major::Distribution));
    let database = new.create_database("toonew");
    new.psql(&database, "CREATE TABLE t (n int)");
    let place = Place::folder();
    place.backup(&new.url(&database), &[]);
    let copy = fresh("tooold");
    place
        .opens(&["restore", "latest", "--to", &old.url(&copy)])
        .fails(Kind::Postgres)
        .says("older than the archive allows");
    assert!(!old.has_database(&copy));
    // No client for the server: said on the way there, with what to install.
    place
        .pgstow(&["backup", &new.url(&database), "--recipient", &Keys::shared().recipient])
        .args(["--pg-bin", path(&Major::V17.bin())])
        .fails(Kind::Settings)
        .says("an older pg_dump cannot dump it")
        .says("postgresql-client-18");
    // One client only, and it fits.
    let words = ["--pg-bin", path(&Major::V18.bin())].map(str::to_owned);
    place.backup(&new.url(&database), &words.each_ref().map(String::as_str));
}

#[test]
fn an_empty_database_comes_back_empty() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("void");
    let place = Place::folder();
    let made = backup(&place, &[&cluster.url(&database)]).succeeds().json();
    assert_eq!((&made["tables"], &made["rows"]), (&0.into(), &0.into()));
    let copy = fresh("void");
    place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
    assert_eq!(cluster.text_of(&copy), cluster.text_of(&database));
}

#[test]
fn encoding_and_locale_come_along() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = fresh("latin");
    cluster.psql(
        "postgres",
        &format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"),
    );
    cluster.psql(&database, "CREATE TABLE t (s text); INSERT INTO t VALUES (U&'\\00e4')");
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    let copy = fresh("latin");
    place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
    let facts = |name: &str| {
        let query =
            "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname =";
        cluster.psql("postgres", &format!("{query} '{name}'"))
    };
    assert_eq!(facts(&copy), "LATIN1|C|C");
    assert_eq!(cluster.psql(&copy, "SELECT s::bytea, ascii(s) FROM t"), "\\xe4|228");
}
