//! What to start: a program, its arguments and its environment.
//!
//! Arguments can be read by everybody on the machine, the environment cannot: secrets go there, and
//! are scrubbed from what the child says.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::error::{Error, Kind, Result};

use super::attendance::Watcher;
use super::child::Running;
use super::environment::is_of_libpq;
use super::pipes::{ChildInput, ChildOutput};
use super::secret::Secret;
use super::stderr::{Manner, Reports};
use super::user::User;
use crate::postgres::failure::Failure;

/// No honest answer is longer, in bytes; the longest are a server's roles. What a hostile server says must not fill
/// the memory.
const LONGEST_ANSWER: u64 = 300 << 20;

/// What to start: a program, its arguments and its environment.
#[derive(Clone)]
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    secrets: Vec<Secret>,
    name: Option<&'static str>,
    user: Option<User>,
    folder: Option<PathBuf>,
    manner: Manner,
    watcher: Option<Watcher>,
    reports: Reports,
    /// Whether it is the user's own command.
    own: bool,
}

impl Program {
    /// The program at this path, with no arguments yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            args: Vec::new(),
            env: Vec::new(),
            secrets: Vec::new(),
            name: None,
            user: None,
            folder: None,
            manner: Manner::Silent,
            watcher: None,
            reports: Reports::default(),
            own: false,
        }
    }

    /// Another program of the same folder, with the same environment and no arguments.
    pub fn next_to(&self, name: &str) -> Self {
        Self { env: self.env.clone(), ..Self::new(self.path.with_file_name(name)) }
    }

    /// Has somebody watch over it while it is waited for.
    #[must_use]
    pub fn watched(mut self, watcher: Watcher) -> Self {
        self.watcher = Some(watcher);
        self
    }

    /// Has nobody watch over it: it may do other things than wait for a server.
    #[must_use]
    pub fn unwatched(mut self) -> Self {
        self.watcher = None;
        self
    }

    /// Adds an argument; everybody on the machine can read it.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable; it has no others than those that were set.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets variables.
    #[must_use]
    pub fn envs(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        self.env.extend(variables);
        self
    }

    /// Removes the variables that would lead libpq to a server that is not meant.
    #[must_use]
    pub fn without_libpq(mut self) -> Self {
        self.env.retain(|(name, _)| !is_of_libpq(name));
        self
    }

    /// Removes these variables.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        self.env.retain(|(name, _)| !names.iter().any(|other| name == *other));
        self
    }

    /// Sets a variable to a secret, and scrubs it from whatever the child says.
    #[must_use]
    pub fn secret_env(self, name: &str, secret: Secret) -> Self {
        let value = secret.reveal().to_string();
        self.env(name, value).secret(secret)
    }

    /// Scrubs a secret, inherited or ours, from whatever the child says.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Sets what messages call it, where that is not its file's name.
    #[must_use]
    pub fn called(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Runs as somebody else, which only root may ask for.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.user = Some(user);
        self
    }

    /// Runs in this folder.
    #[must_use]
    pub fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Expects reports of its progress on stderr, which are no warnings.
    #[must_use]
    pub fn verbose(mut self) -> Self {
        self.manner = Manner::Verbose;
        self
    }

    /// Collects there what our own SQL reports.
    #[must_use]
    pub fn reports(mut self, reports: Reports) -> Self {
        self.reports = reports;
        self
    }

    /// Takes an error that it reports for a failure, although it went on and succeeded.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.manner = Manner::Strict;
        self
    }

    /// Treats it as the user's own command: it speaks to people itself, its arguments are told to nobody,
    /// and when it fails that is `Kind::Command`.
    #[must_use]
    pub fn of_the_user(mut self) -> Self {
        self.own = true;
        self
    }

    /// By which messages call it: its file's name, unless another was given.
    pub fn name(&self) -> String {
        if let Some(name) = self.name {
            return name.to_owned();
        }
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// Starts it and reads its stdout.
    pub fn read(self) -> Result<ChildOutput> {
        ChildOutput::of(self.start(Stdio::null(), Stdio::piped())?)
    }

    /// Starts it and writes to its stdin; what it prints goes nowhere.
    pub fn write(self) -> Result<ChildInput> {
        ChildInput::of(self.start(Stdio::piped(), Stdio::null())?)
    }

    /// Starts it and writes to its stdin; what it prints goes there.
    pub fn write_into(self, stdout: Stdio) -> Result<ChildInput> {
        ChildInput::of(self.start(Stdio::piped(), stdout)?)
    }

    /// Starts it with this stdin, and waits for its end; what it prints goes nowhere.
    pub async fn run_on(self, stdin: Stdio) -> Result<(), Failure> {
        self.start(stdin, Stdio::null()).map_err(Failure::NotStarted)?.ended().await
    }

    /// Starts it, gives it `input`, and returns all it printed (meant for small answers).
    pub async fn run(self, input: &[u8]) -> Result<Vec<u8>, Failure> {
        let pipes = |mut running: Box<Running>| Ok((running.stdin()?, running.stdout()?, running));
        let name = self.name();
        let (mut stdin, stdout, mut running) =
            self.start(Stdio::piped(), Stdio::piped()).and_then(pipes).map_err(Failure::NotStarted)?;
        let mut answer = Vec::new();
        let give = async move {
            // A child that ended early says itself why.
            let _ = stdin.write_all(input).await;
        };
        let mut stdout = stdout.take(LONGEST_ANSWER);
        let talk = async { tokio::join!(give, stdout.read_to_end(&mut answer)) };
        let (_, taken) = tokio::select! {
            done = talk => done,
            error = running.given_up() => return Err(Failure::NotStarted(error)),
        };
        if stdout.limit() == 0 {
            let what =
                format!("{name} printed more than {} MiB, which no server has to say", LONGEST_ANSWER >> 20);
            return Err(Failure::NotStarted(Error::postgres(what)));
        }
        running.ended().await?;
        let what = "read a child's answer";
        taken.map_err(|error| Failure::NotStarted(Error::from_io(error, Kind::Unexpected, what)))?;
        Ok(answer)
    }

    /// Starts it with these pipes.
    pub(in crate::postgres) fn start(self, stdin: Stdio, stdout: Stdio) -> Result<Box<Running>> {
        let name = self.name();
        let arguments = if self.own { "…".into() } else { self.args.join(OsStr::new(" ")) };
        // Hundreds of them run for one restore, with whole scripts as arguments.
        tracing::debug!(target: "pgstow::postgres::once", "{} is used", self.path.display());
        tracing::trace!("start {} {}", self.path.display(), arguments.to_string_lossy());
        let mut command = Command::new(&self.path);
        command.args(&self.args).env_clear().envs(self.env).stdin(stdin).stdout(stdout);
        command.stderr(if self.own { Stdio::inherit() } else { Stdio::piped() });
        if let Some(user) = &self.user {
            // Its other groups are given up too.
            command.uid(user.uid).gid(user.gid);
            // It may not enter the folder that this runs in, and psql would warn about that.
            if self.path.is_absolute() {
                command.current_dir("/");
            }
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let running = Running::start(command, name, self.manner, self.secrets, self.watcher, self.reports);
        running.map_err(|error| {
            let kind = if self.own { Kind::Command } else { Kind::Settings };
            Error::new(kind, format!("cannot start {}: {error}", self.path.display())).because(error)
        })
    }
}
