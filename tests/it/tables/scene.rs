//! A backup of tables that need, own and refer to each other.

use crate::harness::Run;
use crate::scene::{Place, fresh};
use crate::servers::postgres::{Cluster, Major};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use tempfile::TempDir;

pub const RELATED: &str = include_str!("../../data/related.sql");

/// A database, and a backup of it in a folder.
pub struct Scene {
    pub cluster: &'static Cluster,
    pub database: String,
    pub place: Place,
}

impl Scene {
    pub fn new(major: Major, sql: &str) -> Scene {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("tables");
        cluster.psql(&database, sql);
        let place = Place::folder();
        place.backup(&cluster.url(&database), &["--name", "tables"]);
        Scene { cluster, database, place }
    }

    /// Fetches into a file in an empty folder; what was said, and the file's bytes.
    #[track_caller]
    pub fn fetch(&self, words: &[&str]) -> (Run, Vec<u8>) {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("out");
        let run = self.place.opens(&["fetch", "latest", "--json", "-o", file.to_str().unwrap()]);
        let run = run.args(words).succeeds();
        assert_eq!(crate::scene::files_below(folder.path()), ["out"], "{run}");
        (run, std::fs::read(file).unwrap())
    }
}

/// Gives `input` to a command and expects it to end well; what it printed.
#[track_caller]
pub fn feed(command: &mut Command, input: &[u8]) -> String {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Restores an archive with nothing but stock `pg_restore`, into a database of its own.
#[track_caller]
pub fn stock_restore(cluster: &Cluster, archive: &[u8]) -> String {
    let copy = cluster.create_database(&fresh("stock"));
    feed(cluster.client("pg_restore").args(["-1", "-e", "-d", &copy]), archive);
    copy
}

/// Two databases tell the same of these tables; in which order depends on what else there is.
#[track_caller]
pub fn same(cluster: &Cluster, one: &str, other: &str, tables: &[&str]) {
    let told = |database: &str| -> BTreeSet<String> {
        let tables = tables.iter().map(|table| format!("--table={table}"));
        let text = crate::servers::run(cluster.client("pg_dump").args(tables).arg(database));
        let varies = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
        let text = text.lines().filter(|line| !varies(line)).collect::<Vec<_>>().join("\n");
        text.split("\n--\n-- ").map(|entry| entry.trim().to_owned()).collect()
    };
    let (one, other) = (told(one), told(other));
    let differing: Vec<_> = one.symmetric_difference(&other).collect();
    assert!(differing.is_empty() && !one.is_empty(), "{tables:?}: {differing:#?}");
}

/// The tables, views and sequences of a database, as `app.orders`.
pub fn relations(cluster: &Cluster, database: &str) -> Vec<String> {
    let sql = "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname !~ '^pg_|^information' ORDER BY 1";
    cluster.psql(database, sql).lines().map(str::to_owned).collect()
}
