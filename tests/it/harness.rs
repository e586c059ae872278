//! Runs the built `pgstow` the way a user would: its words, its environment, what it said, how it ended.

use pgstow::error::Kind;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a command may take before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(120);

/// A mebibyte.
pub const MIB: usize = 1 << 20;

/// Leaves a test that cannot run on this machine, saying so where `make test` repeats it.
#[macro_export]
macro_rules! skip {
    ($($why:tt)*) => {{
        $crate::harness::note_skipped(&format!($($why)*));
        return;
    }};
}

/// Notes that the test of this thread was skipped, and why.
pub fn note_skipped(why: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {why}\n", thread.name().unwrap_or("a test"));
    eprint!("SKIPPED: {line}");
    if let Some(file) = std::env::var_os("PGSTOW_SKIPPED") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
        file.unwrap().write_all(line.as_bytes()).unwrap();
    }
}

/// Waits until something holds, for as long as for a command.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A `pgstow` command in a clean environment: of this process's, it sees only `PATH`.
pub fn pgstow<Word: AsRef<OsStr>>(words: impl IntoIterator<Item = Word>) -> Pgstow {
    let home = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgstow"));
    command
        .args(words)
        .env_clear()
        .env("HOME", home.path())
        .env("LC_ALL", "C.UTF-8")
        .env("RUST_BACKTRACE", "1");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(home.path());
    // What never succeeds is given up while a test waits. `config` prints what is set, and asks no store.
    if command.get_args().next() != Some(OsStr::new("config")) {
        command.env("PGSTOW_RETRY_FOR", "20s");
    }
    Pgstow { command, stdin: Vec::new(), patience: PATIENCE, home }
}

/// A command about to run.
pub struct Pgstow {
    command: Command,
    stdin: Vec<u8>,
    patience: Duration,
    home: TempDir,
}

impl Pgstow {
    /// Adds words.
    pub fn args<Word: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = Word>) -> Self {
        self.command.args(words);
        self
    }

    /// Adds a word.
    pub fn arg(self, word: impl AsRef<OsStr>) -> Self {
        self.args([word])
    }

    /// Runs it by another command, whose last words are then pgstow's: one that limits what it may do.
    pub fn under<Word: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = Word>) -> Self {
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg(self.reachable()).args(self.command.get_args()).env_clear();
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.home.path());
        self.command = command;
        self
    }

    /// The program, where every user of the machine can start it: a checkout may be in a private folder.
    fn reachable(&self) -> PathBuf {
        let program = PathBuf::from(self.command.get_program());
        let open = |folder: &Path| folder.metadata().unwrap().permissions().mode() & 0o001 != 0;
        if program.ancestors().skip(1).all(open) {
            return program;
        }
        let copy = self.home.path().join("pgstow");
        std::fs::copy(&program, &copy).unwrap();
        std::fs::set_permissions(self.home.path(), Permissions::from_mode(0o711)).unwrap();
        copy
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets variables, such as `S3::env`.
    pub fn envs<'a>(mut self, variables: impl IntoIterator<Item = (&'static str, &'a str)>) -> Self {
        self.command.envs(variables);
        self
    }

    /// Runs in this folder; else in the empty home.
    pub fn in_folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Gives it this to read; else nothing.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets how long it may take before it counts as hung.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Run {
        self.spawn().wait()
    }

    /// Runs it and expects success.
    pub fn succeeds(self) -> Run {
        self.run().assert_success()
    }

    /// Runs it and expects a failure of this kind.
    pub fn fails(self, kind: Kind) -> Run {
        self.run().assert_failure(kind)
    }

    /// Runs it and expects success; the highest memory that it was seen to have, in bytes.
    pub fn peak(self) -> usize {
        let running = self.spawn();
        let (pid, mut highest) = (running.pid(), 0);
        std::thread::scope(|scope| {
            let ended = scope.spawn(|| running.wait().assert_success());
            while !ended.is_finished() {
                highest = highest.max(peak(pid));
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        highest
    }

    /// Starts it.
    pub fn spawn(mut self) -> Running {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = self.stdin;
        // It may end without having read it all.
        std::thread::spawn(move || stdin.write_all(&bytes));
        let stdout = Some(drain(child.stdout.take().unwrap()));
        let stderr = Some(drain(child.stderr.take().unwrap()));
        let words = format!("{:?}", self.command);
        let deadline = Instant::now() + self.patience;
        Running { child, words, stdout, stderr, deadline, _home: self.home }
    }
}

/// The highest memory that a running process had so far, in bytes.
fn peak(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

/// A command that is running; killed on drop.
pub struct Running {
    child: Child,
    words: String,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    deadline: Instant,
    _home: TempDir,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills it after this time, and waits. It may have ended before.
    pub fn kill_after(self, time: Duration) -> Run {
        std::thread::sleep(time);
        self.signal(Signal::KILL);
        self.wait()
    }

    /// Whether it has ended.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Kills it as soon as this is true, and waits. It may end before.
    pub fn kill_when(mut self, is_so: impl Fn() -> bool) -> Run {
        while !self.is_over() {
            if is_so() {
                self.child.kill().unwrap();
                break;
            }
        }
        self.wait()
    }

    /// Waits for its end; panics when it takes longer than its patience.
    pub fn wait(mut self) -> Run {
        let mut hung = false;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > self.deadline && !hung {
                hung = true;
                self.child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let text = |pipe: Option<JoinHandle<Vec<u8>>>| pipe.unwrap().join().unwrap();
        let (stdout, stderr) = (text(self.stdout.take()), text(self.stderr.take()));
        let run = Run { words: std::mem::take(&mut self.words), status, stdout, stderr: lossy(&stderr) };
        assert!(!hung, "hung, and was killed: {run}");
        run
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that has ended.
pub struct Run {
    words: String,
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Run {
    #[track_caller]
    pub fn assert_success(self) -> Self {
        assert!(self.status.success(), "should have succeeded: {self}");
        self
    }

    #[track_caller]
    pub fn assert_failure(self, kind: Kind) -> Self {
        let code = i32::from(kind.exit_code());
        assert_eq!(self.status.code(), Some(code), "should have failed as {kind:?}: {self}");
        self
    }

    /// Expects these words among what was said to people.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "should have said {words:?}: {self}");
        self
    }

    /// Stdout as text.
    pub fn text(&self) -> String {
        lossy(&self.stdout)
    }

    /// Stdout as the one JSON document that `--json` prints.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|e| panic!("stdout is not one JSON document: {e}: {self}"))
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (out, more) = self.stdout.split_at(self.stdout.len().min(4096));
        let more = if more.is_empty() { "" } else { "…" };
        let Run { words, status, stderr, .. } = self;
        write!(f, "{words}: {status}\n--- stderr\n{stderr}\n--- stdout\n{}{more}", lossy(out))
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn runs_the_built_program() {
    let run = pgstow(["--version"]).succeeds();
    assert!(run.stderr.is_empty(), "{run}");
}
