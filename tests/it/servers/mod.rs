//! Real servers on loopback, started by the tests and ended with them.
//!
//! Each server runs in a folder of its own below `/tmp` or in memory, under a user without rights when the tests
//! run as root, watched by `keep.sh`, so that nothing is left running however the tests end. Tests
//! that only use a server share one per process (`shared()`); tests that hurt it start their own.

pub mod cloud;
#[path = "../../../src/postgres/clients/fake.rs"]
mod fake;
pub mod fault;
pub mod garage;
pub mod gcs;
pub mod inbox;
pub mod localstack;
pub mod neon;
pub mod postgres;
pub mod proxy;
pub mod pushgateway;
pub mod s3;
pub mod swift;
pub mod tls;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub use fake::script;

/// How long a server may take to answer its first question; emulators are slow on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// The user and group called nobody: runs servers when the tests run as root, which PostgreSQL refuses.
const NOBODY: u32 = 65534;

/// The folder into which `scripts/servers.sh` fetches servers; both say where it is.
pub fn fetched(path: &str) -> PathBuf {
    let usual = || PathBuf::from(format!("/var/tmp/pgstow-servers-{}", rustix::process::getuid().as_raw()));
    let folder = std::env::var_os("PGSTOW_SERVERS").map_or_else(usual, PathBuf::from);
    folder.join(path)
}

/// A port on loopback that nobody listens on.
///
/// Taken from below the range that outgoing connections use, and never given twice by one process. Found by
/// knocking, not by listening for a moment: a child that another test starts in that moment keeps the port
/// until its program runs, and whoever asked for the port then finds it in use.
pub fn free_port() -> u16 {
    static NEXT: Mutex<Option<u16>> = Mutex::new(None);
    let mut next = NEXT.lock().unwrap();
    // Processes that run side by side begin far apart.
    let mut port = next.unwrap_or_else(|| 12_000 + (std::process::id() % 97 * 200) as u16);
    while ["127.0.0.1", "::1"].iter().any(|host| TcpStream::connect((*host, port)).is_ok()) {
        port += 1;
    }
    *next = Some(port + 1);
    port
}

/// Sends whatever is written at once. A second write would wait until the other side says that it has the first, which
/// takes it 40 ms if it has nothing else to say.
pub fn at_once(stream: TcpStream) -> std::io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Listens on a free port that no outgoing connection gets, so that it can be had again after it was left.
pub fn listen() -> (TcpListener, u16) {
    loop {
        let port = free_port();
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return (listener, port);
        }
    }
}

/// Listens again on a port that was left: a child that was started meanwhile may still keep it for a moment.
pub fn listen_again(port: u16) -> TcpListener {
    let began = Instant::now();
    loop {
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => return listener,
            Err(error) => assert!(began.elapsed() < PATIENCE, "port {port}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Makes a folder that the servers' user owns, with a path short enough for a socket's address.
pub fn folder(label: &str) -> TempDir {
    let folder = tempfile::Builder::new().prefix(&format!("pgstow-{label}-")).tempdir_in("/tmp").unwrap();
    give(folder.path());
    folder
}

/// The same for a cluster of databases: where `scripts/test.sh` says.
///
/// Databases come and go in every test, a few hundred files each. ext4 passes over the inodes of files that were deleted
/// in the last seconds, one by one, which was a twelfth of the CPU of all tests.
pub fn cluster_folder() -> TempDir {
    let place = std::env::var_os("PGSTOW_CLUSTERS").unwrap_or("/tmp".into());
    let folder = tempfile::Builder::new().prefix("pgstow-pg-").tempdir_in(place).unwrap();
    give(folder.path());
    folder
}

/// Gives a file or folder to the user who runs the servers.
pub fn give(path: &Path) {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// A command that runs as the servers' user, in a clean environment.
pub fn as_server_user(program: impl AsRef<Path>) -> Command {
    let words = server_user_words(program.as_ref());
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8");
    command
}

fn server_user_words(program: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    if rustix::process::geteuid().is_root() {
        let nobody = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
        words.push("setpriv".into());
        words.extend(nobody.map(OsString::from));
        words.extend(["--clear-groups", "--"].map(OsString::from));
    }
    words.push(program.into());
    words
}

/// Runs a command to its end; its stdout. Panics with its stderr when it fails.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// How to start a server.
pub struct Launch {
    /// The folder it lives in; removed with it.
    pub folder: TempDir,
    /// What asks it to end.
    pub signal: &'static str,
    pub program: PathBuf,
    pub args: Vec<OsString>,
    pub env: BTreeMap<&'static str, OsString>,
}

/// A running server; ended, and its folder removed, on drop or with the test process.
pub struct Server {
    folder: PathBuf,
    keeper: Child,
}

impl Server {
    /// Starts a server and waits until it is ready; panics with its log when it is not.
    pub fn start(launch: Launch, ready: impl Fn() -> bool) -> Self {
        let folder = launch.folder.path();
        let keeper = Command::new("/bin/bash")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/servers/keep.sh"))
            .arg(launch.signal)
            .arg(folder)
            .args(server_user_words(&launch.program))
            .args(launch.args)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", folder)
            .envs(launch.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // An interrupt from the keyboard is for the tests; the keeper follows when they are gone.
            .process_group(0)
            .spawn()
            .unwrap();
        // From here on the keeper removes it.
        let server = Self { folder: launch.folder.keep(), keeper };
        let deadline = Instant::now() + PATIENCE;
        while !ready() {
            let gone = server.folder.join("ended").exists() || Instant::now() > deadline;
            assert!(!gone, "{} did not start:\n{}", launch.program.display(), server.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// The folder it lives in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
