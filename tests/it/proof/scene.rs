//! Where rehearsals are held, and the look at what they leave.

use crate::harness::{Pgstow, eventually};
use crate::scene::{Place, fresh};
use crate::servers::postgres::{Cluster, Major};
use crate::servers::{self, give, script};
use std::path::Path;
use tempfile::TempDir;

/// A database of the distribution's major, and a backup of it.
pub struct Play {
    pub cluster: &'static Cluster,
    pub database: String,
    pub place: Place,
    pub id: String,
    /// Where temporary clusters lie.
    pub scratch: TempDir,
}

impl Play {
    pub fn new(sql: &str) -> Play {
        let cluster = Cluster::shared(Major::Distribution);
        let database = cluster.create_database("play");
        cluster.psql(&database, sql);
        Play::of(cluster, database)
    }

    /// Backs a database up.
    pub fn of(cluster: &'static Cluster, database: String) -> Play {
        // Also for whom root gives its place to.
        let place = Place::Folder(servers::folder("play"));
        let id = place.backup(&cluster.url(&database), &["--name", "play"]);
        Play { cluster, database, place, id, scratch: servers::folder("scratch") }
    }

    /// A rehearsal in a temporary cluster.
    pub fn rehearse(&self, words: &[&str]) -> Pgstow {
        let scratch = self.scratch.path().to_str().unwrap();
        self.place.opens(&["verify", "latest", "--restore", "--scratch", scratch]).args(words)
    }

    /// A rehearsal on the database's own server.
    pub fn rehearse_there(&self, words: &[&str]) -> Pgstow {
        let url = self.cluster.url("");
        self.place.opens(&["verify", "latest", "--restore", "--to", &url]).args(words)
    }

    /// The database a rehearsal makes.
    pub fn generated(&self) -> String {
        format!("pgstow_verify_{}", self.id.to_lowercase().replace('-', "_"))
    }

    /// A restore that must succeed, into a database of its own.
    pub fn restore(&self, words: &[&str]) -> (String, Pgstow) {
        let copy = fresh("copy");
        let run = self.place.opens(&["restore", "latest", "--to", &self.cluster.url(&copy)]).args(words);
        (copy, run)
    }

    /// No folder, process, database or session is left of any rehearsal.
    #[track_caller]
    pub fn nothing_is_left(&self) {
        eventually("the scratch folder is empty", || {
            self.scratch.path().read_dir().unwrap().next().is_none()
        });
        eventually("no process is left", || processes(self.scratch.path()).is_empty());
        let left = format!("SELECT count(*) FROM pg_database WHERE datname LIKE '{}%'", self.generated());
        assert_eq!(self.cluster.psql("postgres", &left), "0", "{} is left", self.generated());
    }
}

/// The command lines of all processes in which a path occurs.
pub fn processes(path: &Path) -> Vec<String> {
    let lines = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    // pgstow itself names the folder too; what it started names one inside.
    let inside = format!("{}/pgstow-verify-", path.display());
    lines.filter(|line| line.contains(&inside)).collect()
}

/// A folder of client programs without a server, for `--pg-bin`.
pub fn clients_only(major: Major) -> TempDir {
    let folder = TempDir::new().unwrap();
    for program in ["pg_dump", "pg_restore", "psql"] {
        let path = folder.path().join(program);
        let real = major.bin().join(program);
        script(&path, &format!("#!/bin/sh\nexec {} \"$@\"\n", real.display()));
    }
    folder
}

/// Gives a folder with all that is in it to the user who runs the servers.
pub fn give_all(folder: &Path) {
    give(folder);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { give_all(&path) } else { give(&path) }
    }
}
