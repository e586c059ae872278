//! Where the tests of the way there play: a database whose dump is known byte for byte, places to put
//! it, `pg_dump` with something in between, and the look at what is left.

use crate::harness::{Pgstow, eventually, pgstow};
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major};
use crate::servers::s3::{S3, wait};
use pgstow::archive::{Contents, Reader};
use pgstow::pipeline::keys::{ExposeSecret, keygen};
use pgstow::store::{self, Credentials, OpenOptions, Store};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use tempfile::TempDir;

/// The identity that opens what the tests store, and its recipient.
pub static KEYS: LazyLock<(String, String)> = LazyLock::new(|| {
    let (identity, recipient) = keygen();
    (identity.expose_secret().to_owned(), recipient)
});

/// How many parts of 5 MiB a backup of [`Source`] has; the last one is small.
pub const PARTS: u32 = 4;

/// A database, and its dump.
pub struct Source {
    pub cluster: &'static Cluster,
    pub database: String,
    /// The dump as `pg_dump` alone writes it.
    pub archive: Vec<u8>,
    /// What is in it.
    pub contents: Contents,
}

impl Source {
    /// The one that all tests read.
    pub fn shared() -> &'static Source {
        static SHARED: OnceLock<Source> = OnceLock::new();
        SHARED.get_or_init(Source::new)
    }

    /// One of the test's own, to look at its sessions.
    pub fn new() -> Source {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let cluster = Cluster::shared(Major::Distribution);
        let database = format!("there_copy_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        cluster.psql("postgres", &format!("CREATE DATABASE {database} TEMPLATE {}", template(cluster)));
        let mut pg_dump = cluster.client("pg_dump");
        let output = pg_dump.args(["-Fc", "-Z0", &database]).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success());
        let mut reader = Reader::new();
        reader.feed(&output.stdout).unwrap();
        Source { cluster, database, archive: output.stdout, contents: reader.finish().unwrap() }
    }

    /// Its URL, password included.
    pub fn url(&self) -> String {
        self.cluster.url(&self.database)
    }

    /// This share of its dump, in bytes.
    pub fn share(&self, percent: usize) -> usize {
        self.archive.len() / 100 * percent
    }

    /// The sessions in it that are not a test's own.
    pub fn sessions(&self) -> usize {
        let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", self.database);
        self.cluster.psql("postgres", &sql).parse().unwrap()
    }

    /// Expects that nobody dumps it any more, or soon nobody does.
    #[track_caller]
    pub fn is_left_alone(&self) {
        eventually("its sessions have ended", || self.sessions() == 0);
    }
}

/// Makes, once, the database that is copied: some 20 MB that do not compress well, an empty table amid.
fn template(cluster: &Cluster) -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let name = cluster.create_database("there");
        let noise = |seed: &str| format!("encode(decode(md5({seed} || i) || md5(i || {seed}), 'hex'), 'base64')");
        let text = ["'a'", "'b'", "'c'", "'d'"].map(noise).join(" || ");
        let mut sql = String::new();
        for (table, rows) in [("alpha", 30_000), ("beta", 60_000), ("gamma", 28_500), ("tail", 10)] {
            sql.push_str(&format!(
                "CREATE TABLE {table} (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, text text NOT NULL);
                 INSERT INTO {table} (text) SELECT {text} FROM generate_series(1, {rows}) i;"
            ));
        }
        cluster.psql(&name, &format!("{sql} CREATE TABLE empty (); CREATE INDEX ON beta (left(text, 9));"));
        name
    })
}

/// A store of a test's own.
pub enum Place {
    Folder(TempDir),
    Bucket(S3),
}

impl Place {
    /// A folder that is not there yet.
    pub fn folder() -> Place {
        Place::Folder(TempDir::new().unwrap())
    }

    /// A prefix of Garage's bucket.
    pub fn bucket(label: &str) -> Place {
        Place::Bucket(Garage::shared().place(label))
    }

    /// The folder's path.
    pub fn path(&self) -> PathBuf {
        match self {
            Place::Folder(folder) => folder.path().join("store"),
            Place::Bucket(_) => panic!("a bucket has no path"),
        }
    }

    /// The store's URL.
    pub fn url(&self) -> String {
        match self {
            Place::Folder(_) => format!("file://{}", self.path().display()),
            Place::Bucket(place) => place.url(),
        }
    }

    /// The variables that open it.
    pub fn env(&self) -> Vec<(&'static str, &str)> {
        match self {
            Place::Folder(_) => Vec::new(),
            Place::Bucket(place) => place.env().into(),
        }
    }

    /// It, as pgstow sees it.
    pub fn open(&self) -> Arc<dyn Store> {
        let mut options = OpenOptions::default();
        if let Place::Bucket(place) = self {
            options.credentials = Some(Credentials {
                access_key_id: place.access_key.clone(),
                secret_access_key: place.secret_key.clone(),
                session_token: None,
                variable: "a test",
            });
        }
        let url = self.url().parse().unwrap();
        wait(async { store::open(&url, options).await.unwrap() })
    }

    /// Every object, by its key.
    pub fn keys(&self) -> Vec<String> {
        match self {
            Place::Folder(_) => files(&self.path(), false),
            Place::Bucket(place) => place.keys(),
        }
    }

    /// What was begun and has not ended.
    pub fn unfinished(&self) -> Vec<String> {
        match self {
            Place::Folder(_) => files(&self.path(), true),
            Place::Bucket(place) => place.unfinished_uploads(),
        }
    }

    /// The ids that `list` shows.
    #[track_caller]
    pub fn listed(&self) -> Vec<String> {
        if matches!(self, Place::Folder(_)) && !self.path().exists() {
            return Vec::new();
        }
        let list = pgstow(["list", "--json", "--store", &self.url()]).envs(self.env()).succeeds().json();
        list.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// The files below a folder: the hidden ones, or the others.
fn files(folder: &Path, hidden: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.map(Result::unwrap) {
            let is_hidden = entry.file_name().to_str().unwrap().starts_with('.');
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false if is_hidden == hidden => found.push(entry.path()),
                false => {}
            }
        }
    }
    let mut keys: Vec<_> =
        found.iter().map(|path| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()).collect();
    keys.sort();
    keys
}

/// A backup about to begin.
pub fn backup(source: &Source, place: &Place) -> Pgstow {
    backup_of(&source.url(), place)
}

/// A backup of any database, in the smallest parts that a bucket takes.
pub fn backup_of(url: &str, place: &Place) -> Pgstow {
    pgstow(["backup", url, "--store", &place.url(), "--recipient", &KEYS.1, "--part-size", "5MiB"])
        .envs(place.env())
}

/// Expects that a failed backup left nothing, and that the next one is whole.
#[track_caller]
pub fn aftermath(source: &Source, place: &Place) {
    assert!(place.listed().is_empty(), "a backup is listed that is none: {:?}", place.keys());
    assert_eq!(place.keys(), Vec::<String>::new(), "objects are left");
    assert_eq!(place.unfinished(), Vec::<String>::new(), "unfinished uploads are left");
    next_is_whole(source, place);
}

/// Expects that the next backup works, is whole, and is the only new one.
#[track_caller]
pub fn next_is_whole(source: &Source, place: &Place) {
    let mut expected = place.listed();
    let id = backup(source, place).succeeds().text().trim().to_owned();
    is_whole(source, place, &id);
    expected.push(id);
    assert_eq!(place.listed(), expected);
}

/// Expects that this backup comes back as `pg_dump` wrote it, but for the time in its header.
#[track_caller]
pub fn is_whole(source: &Source, place: &Place, id: &str) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("back.dump");
    pgstow(["fetch", id, "--store", &place.url(), "-o", file.to_str().unwrap()])
        .envs(place.env())
        .env("PGSTOW_IDENTITY", &KEYS.0)
        .succeeds();
    let behind_the_header = source.contents.header.raw().len()..;
    let back = std::fs::read(file).unwrap();
    assert!(
        back[behind_the_header.clone()] == source.archive[behind_the_header],
        "{id}: {} bytes came back that are not the {} of the dump",
        back.len(),
        source.archive.len()
    );
}

/// A folder for `--pg-bin` whose `pg_dump` is the real one, with something between it and pgstow.
///
/// The process that pgstow starts becomes the real `pg_dump`: its exit is a real one, too.
pub struct Between {
    folder: TempDir,
}

impl Between {
    /// Passes the archive through shell commands; in them `$$` is `pg_dump`'s process id.
    pub fn new(cluster: &Cluster, commands: &str) -> Between {
        let folder = TempDir::new().unwrap();
        let bin = cluster.major.bin();
        for program in ["pg_restore", "psql"] {
            std::os::unix::fs::symlink(bin.join(program), folder.path().join(program)).unwrap();
        }
        let script = format!(
            "#!/bin/bash\nreal={}/pg_dump folder={}\n[ \"$1\" = --version ] && exec \"$real\" \"$@\"\n\
             exec \"$real\" \"$@\" > >(exec 2>/dev/null; {commands})\n",
            bin.display(),
            folder.path().display()
        );
        let pg_dump = folder.path().join("pg_dump");
        crate::servers::script(&pg_dump, &script);
        Between { folder }
    }

    /// Lets this many bytes pass, and the others when [`Between::go`] says so.
    pub fn gate(cluster: &Cluster, bytes: usize) -> Between {
        let wait = "for _ in {1..3000}; do [ -e $folder/go ] && break; sleep 0.02; done";
        Between::new(cluster, &format!("head -c {bytes}; touch $folder/reached; {wait}; cat"))
    }

    /// Waits until the bytes before the gate have passed.
    #[track_caller]
    pub fn is_reached(&self) {
        eventually("the gate is reached", || self.folder.path().join("reached").exists());
    }

    /// Opens the gate.
    pub fn go(&self) {
        std::fs::write(self.folder.path().join("go"), "").unwrap();
    }

    /// The words that make pgstow use it.
    pub fn words(&self) -> [&str; 2] {
        ["--pg-bin", self.folder.path().to_str().unwrap()]
    }
}
