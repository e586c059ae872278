//! What several tests need on the stage: a database with a bit of everything, keys, stores of every
//! kind with one interface, and questions about what is left when a run has ended.

use crate::harness::{Pgstow, Run, pgstow};
use crate::servers::garage::Garage;
use crate::servers::gcs::{Account, Google};
use crate::servers::localstack::LocalStack;
use crate::servers::postgres::{Cluster, Major, PASSWORD};
use crate::servers::s3::S3;
use crate::servers::swift::Swift;
use pgstow::error::Kind;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// A table whose index a restore takes 14 seconds to make, in which nothing passes between client and server.
pub const SLOW_INDEX: &str = "CREATE FUNCTION slowly(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
           $$ BEGIN IF current_setting('application_name') LIKE 'pgstow%' THEN PERFORM pg_sleep(14); END IF;
              RETURN n; END $$;
         CREATE TABLE t AS SELECT 1 AS n; CREATE INDEX i ON t (slowly(n))";

/// Makes a database with a bit of everything.
pub fn motley(cluster: &Cluster, label: &str) -> String {
    let name = cluster.create_database(label);
    cluster.psql(&name, &for_major(cluster.major, include_str!("motley.sql")));
    name
}

/// SQL for a server of this major: `/*15+*/` begins a line that only 15 and newer understand, `/*-14*/` one for
/// 14 and older.
pub fn for_major(major: Major, sql: &str) -> String {
    let number = major.number();
    let is_for = |line: &&str| {
        let Some((mark, _)) = line.strip_prefix("/*").and_then(|line| line.split_once("*/")) else {
            return true;
        };
        match (mark.strip_suffix('+'), mark.strip_prefix('-')) {
            (Some(first), _) => number >= first.parse().unwrap(),
            (_, Some(last)) => number <= last.parse().unwrap(),
            _ => true,
        }
    };
    sql.lines().filter(is_for).collect::<Vec<_>>().join("\n")
}

/// Adds a table of about this many KiB that no compression makes smaller.
pub fn add_bulk(cluster: &Cluster, database: &str, kib: u32) {
    let row =
        "SELECT n, (SELECT string_agg(sha256((n * 100 + m)::text::bytea), '') FROM generate_series(1, 32) m)";
    cluster.psql(
        database,
        &format!("CREATE TABLE bulk AS {row} AS bytes FROM generate_series(1, {kib}) n; ALTER TABLE bulk ADD PRIMARY KEY (n);"),
    );
}

/// A role that logs in and sees nothing by itself, and one that it may become, which reads everything.
pub fn login_and_reader(cluster: &Cluster) -> (String, String) {
    let (login, reader) = (fresh("login"), fresh("reader"));
    cluster.psql(
        "postgres",
        &format!(
            "CREATE ROLE {reader} IN ROLE pg_read_all_data;
             CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}' NOINHERIT IN ROLE {reader}"
        ),
    );
    (login, reader)
}

/// A role that reads everything and may have this number of sessions.
pub fn reader_with_few(cluster: &Cluster, sessions: u32) -> String {
    let role = fresh("few");
    let limit = format!("LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT {sessions}");
    cluster.psql("postgres", &format!("CREATE ROLE {role} {limit} IN ROLE pg_read_all_data"));
    role
}

/// A name for a database that does not exist yet.
pub fn fresh(label: &str) -> String {
    // The prefix of a store is as unique as anything.
    S3::fresh_prefix(label).replace('-', "_")
}

/// The databases whose names begin like this: the one that was asked for, and the one it is filled under.
pub fn named(cluster: &Cluster, copy: &str) -> String {
    let names = format!("SELECT string_agg(datname, ' ') FROM pg_database WHERE datname LIKE '{copy}%'");
    cluster.psql("postgres", &names)
}

/// `PATH` with the client programs of every major there is.
pub fn every_client() -> OsString {
    let majors = [Major::V16, Major::V17, Major::V18].map(Major::bin);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(majors.into_iter().chain(std::env::split_paths(&path))).unwrap()
}

/// A key pair as `pgstow keygen` makes it.
#[derive(Debug, Clone)]
pub struct Keys {
    pub identity: String,
    pub recipient: String,
}

impl Keys {
    /// A new pair.
    pub fn make() -> Keys {
        let made = pgstow(["keygen", "--json"]).succeeds().json();
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        Keys { identity: text("identity"), recipient: text("recipient") }
    }

    /// The pair that tests use to which it does not matter.
    pub fn shared() -> &'static Keys {
        static SHARED: OnceLock<Keys> = OnceLock::new();
        SHARED.get_or_init(Keys::make)
    }

    /// A file with the identity.
    pub fn file(&self, folder: &Path) -> PathBuf {
        let path = folder.join("key.txt");
        std::fs::write(&path, &self.identity).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    }
}

/// A signing key pair as `pgstow keygen --signing` makes it: the secret file's text, the public line.
pub fn signing_keys() -> (String, String) {
    let made = pgstow(["keygen", "--signing", "--json"]).succeeds().json();
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (text("signing_key"), text("verify_key"))
}

/// A library that sets the clock of the program it is loaded into: `SKEW` says by how many seconds.
pub fn skewed_clock() -> &'static Path {
    const SOURCE: &str = "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stdlib.h>\n#include <time.h>\n\
        int clock_gettime(clockid_t id, struct timespec *now) {\n\
          int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, \"clock_gettime\");\n\
          int failed = real(id, now);\n\
          const char *skew = getenv(\"SKEW\");\n\
          if (id == CLOCK_REALTIME && skew) now->tv_sec += atol(skew);\n\
          return failed;\n\
        }\n";
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let (source, made) = (folder.path().join("skew.c"), folder.path().join("skew.so"));
        std::fs::write(&source, SOURCE).unwrap();
        let mut compiler = Command::new("cc");
        crate::servers::run(compiler.args(["-shared", "-fPIC", "-o"]).args([&made, &source]).arg("-ldl"));
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("skew-{}.so", std::process::id()));
        std::fs::copy(made, &library).unwrap();
        library
    })
}

/// A store of one's own, of any kind.
pub enum Place {
    Folder(TempDir),
    S3(S3),
    /// A prefix of Google Cloud Storage's imitation, which keeps its objects in a real server.
    Google(Google, &'static str),
}

impl Place {
    pub fn folder() -> Place {
        Place::Folder(TempDir::new().unwrap())
    }

    pub fn garage(label: &str) -> Place {
        Place::S3(Garage::shared().place(label))
    }

    pub fn google() -> Place {
        Place::Google(Google::in_front_of_garage(), "a/prefix")
    }

    /// One of every kind there is on this machine.
    pub fn every(label: &str) -> Vec<(&'static str, Place)> {
        let mut all = vec![
            ("folder", Place::folder()),
            ("garage", Place::garage(label)),
            ("swift", Place::S3(Swift::shared().place(label))),
            ("google", Place::google()),
        ];
        match LocalStack::shared() {
            Ok(localstack) => all.push(("localstack", Place::S3(localstack.place(label)))),
            Err(why) => crate::harness::note_skipped(why),
        }
        all
    }

    /// A folder with the same content, to be damaged.
    pub fn copy(&self) -> Place {
        let copy = TempDir::new().unwrap();
        for key in self.keys() {
            let path = copy.path().join(&key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, self.get(&key)).unwrap();
        }
        Place::Folder(copy)
    }

    pub fn url(&self) -> String {
        match self {
            Place::Folder(folder) => format!("file://{}", folder.path().display()),
            Place::S3(s3) => s3.url(),
            Place::Google(google, prefix) => google.plain_url(prefix),
        }
    }

    /// Every key, sorted.
    pub fn keys(&self) -> Vec<String> {
        match self {
            Place::Folder(folder) => files_below(folder.path()),
            Place::S3(s3) => s3.keys(),
            Place::Google(google, prefix) => {
                let below = format!("{prefix}/");
                google.keys(&below).into_iter().map(|key| key[below.len()..].to_owned()).collect()
            }
        }
    }

    /// The one key that ends so.
    #[track_caller]
    pub fn key(&self, end: &str) -> String {
        let mut keys = self.keys();
        keys.retain(|key| key.ends_with(end));
        assert_eq!(keys.len(), 1, "keys that end with {end}: {keys:?}");
        keys.remove(0)
    }

    pub fn get(&self, key: &str) -> Vec<u8> {
        match self {
            Place::Folder(folder) => std::fs::read(folder.path().join(key)).unwrap(),
            Place::S3(s3) => s3.get(key),
            Place::Google(google, prefix) => google.object(&format!("{prefix}/{key}")).unwrap().bytes.into(),
        }
    }

    pub fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        match self {
            Place::Folder(folder) => {
                let path = folder.path().join(key);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes.into()).unwrap();
            }
            Place::S3(s3) => s3.put(key, bytes),
            Place::Google(google, prefix) => google.put(&format!("{prefix}/{key}"), bytes.into()),
        }
    }

    pub fn delete(&self, key: &str) {
        match self {
            Place::Folder(folder) => std::fs::remove_file(folder.path().join(key)).unwrap(),
            Place::S3(s3) => s3.delete(key),
            Place::Google(google, prefix) => google.delete(&format!("{prefix}/{key}")),
        }
    }

    /// A `pgstow` command on this store, with the shared identity in reach.
    pub fn pgstow(&self, words: &[&str]) -> Pgstow {
        let command = pgstow(words).env("PGSTOW_STORE", self.url()).env("PATH", every_client());
        match self {
            Place::Folder(_) => command,
            Place::S3(s3) => command.envs(s3.env()),
            Place::Google(google, _) => {
                command.env("GOOGLE_APPLICATION_CREDENTIALS", google.federated(Account::Owner))
            }
        }
    }

    /// The same with the shared identity, to open what was made for it, or is not encrypted.
    pub fn opens(&self, words: &[&str]) -> Pgstow {
        let command = self.pgstow(words).env("PGSTOW_IDENTITY", &Keys::shared().identity);
        command.env("PGSTOW_ALLOW_UNENCRYPTED", "1")
    }

    /// Backs a database up for the shared recipient, or fails to.
    pub fn try_backup(&self, url: &str) -> Run {
        self.pgstow(&["backup", "--recipient", &Keys::shared().recipient, url]).run()
    }

    /// Backs a database up for the shared recipient.
    #[track_caller]
    pub fn backup_run(&self, url: &str) -> Run {
        self.try_backup(url).assert_success()
    }

    /// Backs a database up for the shared recipient; its id.
    #[track_caller]
    pub fn backup(&self, url: &str, words: &[&str]) -> String {
        let command = self.pgstow(&["backup", "--json", "--recipient", &Keys::shared().recipient, url]);
        let id = command.args(words).succeeds().json()["id"].as_str().unwrap().to_owned();
        assert!(self.keys().iter().any(|key| key.ends_with(&format!("{id}/manifest.json"))));
        id
    }
}

/// The paths of all files below a folder, sorted.
pub fn files_below(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = match std::fs::read_dir(&next) {
            // A run that is watched removes folders.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && next != folder => continue,
            entries => entries.unwrap(),
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// A small backup of a database with a bit of everything, signed; to be copied, and then damaged.
pub struct Sample {
    pub place: Place,
    pub cluster: &'static Cluster,
    pub database: String,
    pub id: String,
    pub verify_key: String,
}

impl Sample {
    pub fn shared() -> &'static Sample {
        static SHARED: OnceLock<Sample> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Cluster::shared(Major::Distribution);
            let database = motley(cluster, "sample");
            add_bulk(cluster, &database, 600);
            let (signing_key, verify_key) = signing_keys();
            // Outlives the process, as nothing static is dropped; so it lies where builds are thrown away.
            let place = Place::Folder(TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
            let run = place
                .pgstow(&["backup", "--json", "--name", "app", "--recipient", &Keys::shared().recipient])
                .args([cluster.url(&database)])
                .env("PGSTOW_SIGNING_KEY", signing_key)
                .succeeds();
            let id = run.json()["id"].as_str().unwrap().to_owned();
            Sample { place, cluster, database, id, verify_key }
        })
    }

    /// Restores the good backup into a database of its own, to show that nothing is wrong with it.
    #[track_caller]
    pub fn still_restores(&self) {
        let copy = fresh("again");
        self.place.opens(&["restore", "latest", "--to", &self.cluster.url(&copy)]).succeeds();
        assert_eq!(self.cluster.text_of(&copy), self.cluster.text_of(&self.database));
        self.cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
    }
}

/// A restore that must fail: which kind, and that it leaves no database behind.
#[track_caller]
pub fn restore_fails(place: &Place, cluster: &Cluster, words: &[&str], kind: Kind) -> Run {
    let copy = fresh("never");
    let run = place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).args(words).fails(kind);
    assert!(!cluster.has_database(&copy), "{copy} is left: {run}");
    run
}

/// A fetch that must fail: which kind, and that it leaves nothing behind.
#[track_caller]
pub fn fetch_fails(place: &Place, words: &[&str], kind: Kind) -> Run {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("app.dump");
    let run = place.opens(&["fetch", "latest", "-o", file.to_str().unwrap()]).args(words).fails(kind);
    assert!(files_below(folder.path()).is_empty(), "files are left: {:?}: {run}", files_below(folder.path()));
    run
}

/// A fetch that must succeed; the archive's bytes.
#[track_caller]
pub fn fetch(place: &Place, words: &[&str]) -> Vec<u8> {
    place.opens(&["fetch", "-o", "-"]).args(words).succeeds().stdout
}

/// What this major's `pg_restore` lists of an archive.
pub fn listing(major: Major, archive: &[u8]) -> String {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("archive");
    std::fs::write(&file, archive).unwrap();
    crate::servers::run(Command::new(major.bin().join("pg_restore")).arg("--list").arg(file))
}
