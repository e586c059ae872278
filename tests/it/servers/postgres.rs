//! Scratch PostgreSQL clusters of six majors, with passwords that are really checked.

use super::{Launch, Server, as_server_user, cluster_folder, fetched, folder, free_port, give, run};
use crate::harness::eventually;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// The superuser's name.
pub const USER: &str = "postgres";
/// The superuser's password; nothing but a connection's settings may ever contain it.
pub const PASSWORD: &str = "sesame-0c7b1f";
/// What the server keeps of it (RFC 5803), with one iteration instead of 4,096: every connection computes them, on both
/// sides, which was an eighth of the CPU of all tests.
const VERIFIER: &str = "SCRAM-SHA-256$1:cGdzdG93J3MgdGVzdHMgLg==\
                        $44hXb74AZnDVokhabpwqZxXgqgprlj3FqJOEWWecgEA=:jcp3L9ftmX/NnoX3kN7+in2qgFBEzspEnvDysoLBTdQ=";

/// The majors there are to test with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Major {
    /// A server only.
    V13,
    /// A server only.
    V14,
    /// Whatever the distribution has; the only one with compressed archives.
    Distribution,
    V16,
    V17,
    V18,
}

impl Major {
    /// Every major, oldest first.
    pub const ALL: [Major; 6] =
        [Major::V13, Major::V14, Major::Distribution, Major::V16, Major::V17, Major::V18];
    /// Those with client programs of their own.
    pub const CLIENTS: [Major; 4] = [Major::Distribution, Major::V16, Major::V17, Major::V18];

    /// The folder of its client programs; the distribution's if it has none.
    pub fn bin(self) -> PathBuf {
        match self {
            Major::V13 | Major::V14 => distribution_bin(),
            _ => self.server_bin(),
        }
    }

    /// The folder of its client programs that speak TLS: the distribution's and 18's.
    pub fn tls_bin(self) -> PathBuf {
        match self {
            Major::V18 => fetched("postgresql-18-tls/clients/pginstall18/bin"),
            _ => distribution_bin(),
        }
    }

    /// The folder of its server programs.
    fn server_bin(self) -> PathBuf {
        match self {
            Major::Distribution => distribution_bin(),
            Major::V13 => fetched("postgresql-13/bin"),
            Major::V14 => fetched("postgresql-14/bin"),
            Major::V16 => fetched("postgresql-16/bin"),
            Major::V17 => fetched("postgresql-17/bin"),
            Major::V18 => fetched("postgresql-18/bin"),
        }
    }

    /// Its exact version, such as `16.14`.
    pub fn version(self) -> String {
        let said = run(Command::new(self.server_bin().join("postgres")).arg("--version"));
        said.split_whitespace().nth(2).unwrap().to_owned()
    }

    /// Its number, such as 16.
    pub fn number(self) -> u32 {
        self.version().split('.').next().unwrap().parse().unwrap()
    }
}

/// The distribution's newest major that has a server.
fn distribution_bin() -> PathBuf {
    let majors = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is not installed: make setup");
    let bins = majors.map(|entry| entry.unwrap().path()).filter(|major| major.join("bin/postgres").exists());
    let number = |major: &PathBuf| major.file_name()?.to_str()?.parse::<u32>().ok();
    bins.max_by_key(number).expect("PostgreSQL is not installed: make setup").join("bin")
}

/// A running cluster.
pub struct Cluster {
    pub major: Major,
    pub port: u16,
    server: Server,
}

impl Cluster {
    /// The cluster of this major that all tests of this process use.
    pub fn shared(major: Major) -> &'static Cluster {
        static SHARED: [OnceLock<Cluster>; 6] = [const { OnceLock::new() }; 6];
        SHARED[major as usize].get_or_init(|| Cluster::start(major))
    }

    /// A cluster of one's own.
    pub fn start(major: Major) -> Cluster {
        Self::start_with(major, &[])
    }

    /// A cluster of one's own with settings such as `max_connections=5`.
    pub fn start_with(major: Major, settings: &[&str]) -> Cluster {
        let folder = cluster_folder();
        run(Command::new("cp").arg("-a").arg(template(major)).arg(folder.path().join("data")));
        Self::start_in(folder, major, settings, BTreeMap::new())
    }

    /// A cluster of one's own, of the distribution's major or of 18, whose server was built with TLS.
    pub fn start_with_tls(major: Major, settings: &[&str]) -> Cluster {
        let Major::V18 = major else { return Self::start_with(Major::Distribution, settings) };
        let folder = cluster_folder();
        run(Command::new("cp").arg("-a").arg(template(major)).arg(folder.path().join("data")));
        // Of the same version as the other 18, so its folder fits.
        let program = fetched("postgresql-18-tls/bin/postgres");
        Self::start_program(program, folder, major, settings, BTreeMap::new())
    }

    /// A cluster of the distribution's that says everything in German, or why there can be none.
    pub fn start_in_german() -> Result<Cluster, String> {
        let folder = cluster_folder();
        let locale = folder.path().join("de_DE.UTF-8");
        let made = Command::new("localedef").args(["-i", "de_DE", "-f", "UTF-8"]).arg(&locale).output();
        if !made.is_ok_and(|made| made.status.success()) {
            return Err("localedef cannot make a German locale here".to_owned());
        }
        run(Command::new("cp").arg("-a").arg(template(Major::Distribution)).arg(folder.path().join("data")));
        let locales = [("LOCPATH", folder.path().into())].into();
        let cluster = Self::start_in(folder, Major::Distribution, &["lc_messages=de_DE.UTF-8"], locales);
        match cluster.try_psql("postgres", "SELECT nothing") {
            Err(said) if said.contains("FEHLER") => Ok(cluster),
            other => Err(format!("this PostgreSQL has no German messages: {other:?}")),
        }
    }

    /// A hot standby of this cluster.
    pub fn standby(&self) -> Cluster {
        let folder = cluster_folder();
        let mut copy = as_server_user(self.major.bin().join("pg_basebackup"));
        copy.env("PGPASSWORD", PASSWORD).args(["-R", "-h", "127.0.0.1", "-U", USER, "-c", "fast", "-D"]);
        run(copy
            .arg(folder.path().join("data"))
            .arg("-p")
            .arg(self.port.to_string())
            .current_dir(folder.path()));
        Self::start_in(folder, self.major, &[], BTreeMap::new())
    }

    /// Starts what lies in a folder.
    fn start_in(
        folder: TempDir,
        major: Major,
        settings: &[&str],
        env: BTreeMap<&'static str, OsString>,
    ) -> Cluster {
        Self::start_program(major.server_bin().join("postgres"), folder, major, settings, env)
    }

    /// The same with this program.
    fn start_program(
        program: PathBuf,
        folder: TempDir,
        major: Major,
        settings: &[&str],
        env: BTreeMap<&'static str, OsString>,
    ) -> Cluster {
        let port = free_port();
        let data = folder.path().join("data");
        // Durability is not under test here, and costs most of the time there is.
        let quick = ["fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_wal_size=2GB"];
        let network = ["listen_addresses=127.0.0.1", "max_connections=200"];
        // Shared memory in /dev/shm would outlive a server that is killed.
        let memory = ["dynamic_shared_memory_type=mmap", "shared_buffers=64MB"];
        let sockets = format!("unix_socket_directories={}", folder.path().display());
        let mut args: Vec<_> = ["-D".into(), data.into(), "-p".into(), port.to_string().into()].into();
        for setting in quick.iter().chain(&network).chain(&memory).chain(&[&*sockets]).chain(settings) {
            args.extend(["-c".into(), setting.into()]);
        }
        let launch = Launch { folder, signal: "QUIT", program, args, env };
        let ready = || {
            let mut ask = Command::new(major.bin().join("pg_isready"));
            ask.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).status().unwrap().success()
        };
        Cluster { major, port, server: Server::start(launch, ready) }
    }

    /// A connection URL, password included, for a database.
    pub fn url(&self, database: &str) -> String {
        self.url_of(USER, database)
    }

    /// The same for another role that has this password.
    pub fn url_of(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// The folder of this major's client programs, for `--pg-bin`.
    pub fn bin(&self) -> PathBuf {
        self.major.bin()
    }

    /// The folder of the server's socket: a host name for connections that use no network.
    pub fn socket_folder(&self) -> &Path {
        self.server.folder()
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// One of this major's client programs, with the environment set to reach this cluster.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.major.bin().join(program));
        command
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string());
        command.env("PGUSER", USER).env("PGPASSWORD", PASSWORD).env("PGTZ", "UTC");
        command
    }

    /// Runs SQL in a database; the rows, columns parted by `|`. Panics when it fails.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        run(&mut self.psql_command(database, sql)).trim_end().to_owned()
    }

    /// Runs SQL that may fail; what `psql` said then.
    pub fn try_psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let output = self.psql_command(database, sql).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    fn psql_command(&self, database: &str, sql: &str) -> Command {
        let mut psql = self.client("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]);
        psql
    }

    /// Waits until the answer to this question is true.
    #[track_caller]
    pub fn eventually(&self, database: &str, question: &str) {
        eventually(question, || self.psql(database, question) == "t");
    }

    /// Makes an empty database whose name begins with the label, and is nobody else's.
    pub fn create_database(&self, label: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!("{label}_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE \"{name}\" TEMPLATE template0"));
        name
    }

    /// Whether a database exists.
    pub fn has_database(&self, name: &str) -> bool {
        !self.psql("postgres", &format!("SELECT 1 FROM pg_database WHERE datname = '{name}'")).is_empty()
    }

    /// A database as `pg_dump`'s plain text, without what differs from run to run: equal texts, equal databases.
    pub fn text_of(&self, database: &str) -> String {
        let text = run(self.client("pg_dump").args(["--no-password", database]));
        let varies = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
        text.lines().filter(|line| !varies(line)).collect::<Vec<_>>().join("\n")
    }
}

/// A cluster's data folder, fresh from `initdb`, to be copied; made once and kept next to the servers.
fn template(major: Major) -> PathBuf {
    // Part of the name: whatever decides what initdb writes. The number counts changes below.
    let uid = rustix::process::geteuid().as_raw();
    let template = fetched(&format!("template-3-{}-{uid}", major.version()));
    if template.exists() {
        return template;
    }
    let scratch = folder("initdb");
    let password_file = scratch.path().join("password");
    std::fs::write(&password_file, PASSWORD).unwrap();
    give(&password_file);
    let mut initdb = as_server_user(major.server_bin().join("initdb"));
    initdb.args(["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "-N", "-D"]);
    initdb.arg(scratch.path().join("data")).arg("--pwfile").arg(&password_file);
    run(initdb.current_dir(scratch.path()));
    // initdb of 13 cuts what it is given after 99 bytes.
    let statement = scratch.path().join("statement");
    std::fs::write(&statement, format!("ALTER ROLE {USER} PASSWORD '{VERIFIER}';\n")).unwrap();
    let mut alone = as_server_user(major.server_bin().join("postgres"));
    alone.arg("--single").arg("-D").arg(scratch.path().join("data")).arg("postgres");
    run(alone.stdin(std::fs::File::open(statement).unwrap()));
    // Two tests, of one process or two, may both get here; the second one's is as good, and is thrown away.
    let scratch_name = scratch.path().file_name().unwrap().to_str().unwrap();
    let beside = fetched(&format!("template-making-{scratch_name}"));
    run(Command::new("cp").arg("-a").arg(scratch.path().join("data")).arg(&beside));
    if std::fs::rename(&beside, &template).is_err() {
        std::fs::remove_dir_all(&beside).unwrap();
    }
    template
}

#[test]
fn every_major_answers_and_checks_the_password() {
    for major in Major::ALL {
        let cluster = Cluster::shared(major);
        let version = cluster.psql("postgres", "SHOW server_version");
        assert!(version.starts_with(&major.version()), "{version}");
        let refused =
            cluster.client("psql").env("PGPASSWORD", "wrong").args(["-c", "SELECT 1"]).output().unwrap();
        assert!(String::from_utf8_lossy(&refused.stderr).contains("password authentication failed"));
    }
}

#[test]
fn a_dropped_cluster_leaves_nothing() {
    let cluster = Cluster::start(Major::Distribution);
    let (folder, url) = (cluster.socket_folder().to_owned(), cluster.url("postgres"));
    let name = cluster.create_database("scratch");
    assert!(cluster.has_database(&name));
    assert!(cluster.text_of(&name).contains("PostgreSQL database dump complete"));
    assert!(cluster.try_psql("postgres", "SELECT nothing").is_err());
    drop(cluster);
    assert!(!folder.exists());
    assert!(
        !Command::new(Major::V17.bin().join("psql"))
            .args(["-c", "SELECT 1", &url])
            .output()
            .unwrap()
            .status
            .success()
    );
}
