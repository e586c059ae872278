//! A database that has everything, the way there and back, and what must be equal then.

use crate::inventory::{COUNTS, counts, sorted};
use crate::scene::{Place, for_major, fresh, motley};
use crate::servers::postgres::{Cluster, Major};
use std::io::Write;
use std::process::Stdio;

/// A database with everything in it; its roles are made in every cluster it may be restored into.
pub fn everything(cluster: &Cluster, label: &str) -> String {
    roles(cluster);
    let database = motley(cluster, label);
    cluster.psql(&database, &for_major(cluster.major, include_str!("everything.sql")));
    database
}

/// The roles that own what is in [`everything`].
pub fn roles(cluster: &Cluster) {
    let make = |role: &str| {
        format!(
            "DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$;"
        )
    };
    cluster.psql("postgres", &[make("tried_owner"), make("tried_reader")].concat());
}

/// Restores the latest backup, which must prove itself; the new database.
#[track_caller]
pub fn restored(place: &Place, target: &Cluster, words: &[&str]) -> String {
    let copy = fresh("tried");
    let restore = place.opens(&["restore", "latest", "--to", &target.url(&copy), "--json"]).args(words);
    let run = restore.patience(std::time::Duration::from_secs(900)).succeeds().says("proven: ");
    let proof = &run.json()["proof"];
    assert_eq!(proof["differences"], serde_json::json!([]), "{run}");
    assert_eq!(proof["not_compared"], serde_json::json!([]), "{run}");
    assert_eq!(proof["rows"], run.json()["rows"], "{run}");
    copy
}

/// Backs a database up and restores it, by one stream and by several workers: afterwards the plain dumps
/// are equal, and the server counts in each table what the backup says.
#[track_caller]
pub fn there_and_back(cluster: &Cluster, database: &str, words: &[&str]) -> Place {
    let place = Place::folder();
    place.backup(&cluster.url(database), words);
    let shown = place.opens(&["show", "latest", "--tables", "--json"]).succeeds().json();
    assert_eq!(counts(&shown), sorted(&cluster.psql(database, COUNTS)));
    for jobs in ["1", "3"] {
        let copy = restored(&place, cluster, &["--jobs", jobs]);
        same(&cluster.text_of(&copy), &cluster.text_of(database));
        assert_eq!(sorted(&cluster.psql(&copy, COUNTS)), counts(&shown));
        cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
    }
    place
}

/// Says where two texts begin to differ, rather than both from end to end.
#[track_caller]
pub fn same(restored: &str, source: &str) {
    let first = restored.lines().zip(source.lines()).position(|(restored, source)| restored != source);
    let around = |text: &str, line: usize| {
        text.lines().skip(line.saturating_sub(5)).take(10).collect::<Vec<_>>().join("\n")
    };
    if let Some(line) = first {
        panic!("line {line}: restored\n{}\n\nsource\n{}", around(restored, line), around(source, line));
    }
    assert_eq!(restored.len(), source.len());
}

/// Copies a database the old way, `pg_dump | psql`: what any restore is measured by. A newer server
/// may tell the same view in other words, so only copies on the same server can be compared; and a newer
/// client may tell the same right in other words, so it must be the same client.
pub fn copied_plainly(client: Major, source: &Cluster, database: &str, target: &Cluster) -> String {
    let copy = fresh("plain");
    let of = Cluster::shared(client);
    let text = of.client("pg_dump").env("PGPORT", source.port.to_string()).arg(database).output().unwrap();
    assert!(text.status.success());
    // What a server notes for itself, and an older pg_dump takes for an option.
    let mut text = text.stdout;
    let noted =
        |line: &[u8]| line.ends_with(b");") && memchr::memmem::find(line, b" SET (pg_attver=").is_some();
    text = text.split(|byte| *byte == b'\n').filter(|line| !noted(line)).collect::<Vec<_>>().join(&b'\n');
    target.psql("postgres", &format!("CREATE DATABASE {copy} TEMPLATE template0"));
    let mut psql = of.client("psql");
    psql.env("PGPORT", target.port.to_string()).args(["-Xq", "-v", "ON_ERROR_STOP=1", "-d", &copy]);
    psql.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut psql = psql.spawn().unwrap();
    psql.stdin.take().unwrap().write_all(&text).unwrap();
    let done = psql.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    copy
}
