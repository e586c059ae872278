//! Child processes as readers and writers whose end is checked.
//!
//! End of file is not success: [`ChildOutput`] ends well only when the child exited with 0, and
//! [`ChildInput`] only through `finish`. A bad exit becomes an error with the child's own words.
//! Children run in a process group of their own, so that Ctrl-C reaches pgstow alone and pgstow
//! decides; whoever drops one kills it.

use std::future::Future;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_util::task::TaskTracker;

use crate::error::{Error, Kind, Result};

use super::secret::Secret;
use super::stderr::{Words, gist};
use crate::postgres::failure::advice;

/// How long a child may take to end once it was told to; `pg_dump` cancels its query in that time.
pub(super) const GRACE: Duration = Duration::from_millis(if cfg!(test) { 1500 } else { 5000 });

/// How a child failed, before it becomes an error.
#[derive(Debug)]
pub enum Failure {
    /// It could not be started.
    NotStarted(Error),
    /// It ended badly.
    Ended {
        /// The program's file name.
        name: String,
        /// Its exit status.
        status: ExitStatus,
        /// The last lines of its stderr, scrubbed; `None` where it spoke to people itself.
        lines: Option<Vec<String>>,
    },
}

impl Failure {
    /// Says whether one of these words is in what the child said.
    pub fn says(&self, words: &[&str]) -> bool {
        match self {
            Failure::NotStarted(_) => false,
            Failure::Ended { lines, .. } => {
                lines.iter().flatten().any(|line| words.iter().any(|word| line.contains(word)))
            }
        }
    }

    /// The exit code, where it exited by itself.
    pub fn code(&self) -> Option<i32> {
        match self {
            Failure::NotStarted(_) => None,
            Failure::Ended { status, .. } => status.code(),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let (name, status, lines) = match failure {
            Failure::NotStarted(error) => return error,
            Failure::Ended { name, status, lines } => (name, status, lines),
        };
        // Who speaks to people itself is the user's, and no part of PostgreSQL.
        let kind = if lines.is_some() { Kind::Postgres } else { Kind::Command };
        if let Some(signal) = status.signal() {
            let error = Error::new(kind, format!("{name} was killed by signal {signal}"));
            return if signal == 9 { error.hint("signal 9 often means that memory ran out") } else { error };
        }
        let code = status.code().unwrap_or_default();
        let Some(lines) = lines else {
            return Error::new(kind, format!("{name} failed (exit status {code})"));
        };
        let error = Error::postgres(format!("{name} failed (exit status {code}): {}", gist(&name, &lines)));
        match advice::on(&lines) {
            Some(advice) => error.hint(advice),
            None => error,
        }
    }
}

/// A child that runs; dropping it ends it.
pub struct Running {
    /// `None` only once the child has been handed to its undertaker.
    child: Option<Child>,
    group: Option<Pid>,
    name: String,
    /// `None` where it speaks to people itself.
    words: Option<Words>,
}

impl Running {
    /// Starts it in a process group of its own, and drains its stderr where that is piped.
    pub fn start(mut command: Command, name: String, secrets: Vec<Secret>) -> std::io::Result<Box<Self>> {
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let words = child.stderr.take().map(|stderr| Words::drain(stderr, &name, secrets));
        Ok(Box::new(Self { child: Some(child), group, name, words }))
    }

    /// Its stdin, once.
    pub fn stdin(&mut self) -> Result<ChildStdin> {
        let stdin = self.child.as_mut().and_then(|child| child.stdin.take()).ok_or_else(no_pipe)?;
        widen(&stdin);
        Ok(stdin)
    }

    /// Its stdout, once.
    pub fn stdout(&mut self) -> Result<ChildStdout> {
        let stdout = self.child.as_mut().and_then(|child| child.stdout.take()).ok_or_else(no_pipe)?;
        widen(&stdout);
        Ok(stdout)
    }

    /// Waits for the exit; anything but 0 is a failure in the child's own words.
    pub async fn ended(mut self: Box<Self>) -> Result<(), Failure> {
        let Some(child) = &mut self.child else { return Err(Failure::NotStarted(no_pipe())) };
        let status = child.wait().await.map_err(|error| {
            let what = format!("wait for {}: {error}", self.name);
            Failure::NotStarted(Error::new(Kind::Unexpected, what).because(error))
        })?;
        if let Some(words) = &mut self.words {
            words.ended().await;
        }
        let words = self.words.as_ref();
        if status.success() {
            words.inspect(|words| words.pass_on());
            Ok(())
        } else {
            Err(Failure::Ended { name: self.name.clone(), status, lines: words.map(Words::lines) })
        }
    }

    /// Ends it now, and waits until it is gone.
    async fn stop(mut self: Box<Self>) {
        if let Some(child) = self.child.take() {
            tell(&child, self.group, &self.name);
            reap(child, self.group, self.words.take()).await;
        }
    }
}

fn no_pipe() -> Error {
    Error::unexpected("a child was used without its pipe")
}

/// Asks for a 1 MiB pipe, so that a hiccup downstream does not stop the COPY; a refusal is no harm.
fn widen(pipe: &impl AsFd) {
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20);
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
}

/// Children that were dropped, and are not gone yet.
static REAPING: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);

/// Waits until every child that was dropped is gone.
///
/// A process that exits sooner kills them before they have cancelled their queries, and the server
/// would go on working for nobody.
pub async fn all_reaped() {
    REAPING.close();
    REAPING.wait().await;
}

/// Tells a child to cancel its query and end; `psql` does so at SIGINT only.
fn tell(child: &Child, group: Option<Pid>, name: &str) {
    // Once reaped the number may belong to somebody else.
    if let (Some(group), Some(_)) = (group, child.id()) {
        let _ = kill_process_group(group, if name == "psql" { Signal::INT } else { Signal::TERM });
    }
}

/// A grace for a child that was told to end, then SIGKILL; takes its exit status.
///
/// Its stderr is drained until then: a closed pipe would kill it over its last word, before it has
/// cancelled its query.
async fn reap(mut child: Child, group: Option<Pid>, words: Option<Words>) {
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        if let (Some(group), Some(_)) = (group, child.id()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = tokio::time::timeout(GRACE, child.wait()).await;
    }
    drop(words);
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(child) = self.child.take().filter(|child| child.id().is_some()) else { return };
        // At once, not when the task below first runs: a pipe is about to close, and the child
        // must not take that for the end of its input.
        tell(&child, self.group, &self.name);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            REAPING.spawn_on(reap(child, self.group, self.words.take()), &runtime);
        }
        // Without a runtime the child is dropped here, and `kill_on_drop` kills it.
    }
}

type Ending = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// A child's stdout: at its end the exit status is waited for, and a bad one is a read error.
///
/// The error is an `io::Error` around [`Error`]; `Error::from_io` takes it out again.
pub struct ChildOutput {
    state: Reading,
}

enum Reading {
    Open(Box<Running>, ChildStdout),
    Ending(Ending),
    Ended,
    Failed,
}

impl ChildOutput {
    /// The process group it runs in.
    #[cfg(test)]
    pub(super) fn group(&self) -> Option<Pid> {
        match &self.state {
            Reading::Open(running, _) => running.group,
            _ => None,
        }
    }

    /// The stdout of a child that was started with a pipe there.
    pub(super) fn of(mut running: Box<Running>) -> Result<Self> {
        let stdout = running.stdout()?;
        Ok(Self { state: Reading::Open(running, stdout) })
    }

    /// Ends the child now and waits until it is gone.
    pub async fn stop(self) {
        if let Reading::Open(running, _) = self.state {
            running.stop().await;
        }
    }
}

impl AsyncRead for ChildOutput {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        loop {
            match &mut self.state {
                Reading::Open(_, stdout) => {
                    let before = buf.remaining();
                    ready!(Pin::new(stdout).poll_read(cx, buf))?;
                    if buf.remaining() < before || before == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    if let Reading::Open(running, _) = std::mem::replace(&mut self.state, Reading::Failed) {
                        self.state = Reading::Ending(Box::pin(running.ended()));
                    }
                }
                Reading::Ending(ending) => {
                    let end = ready!(ending.as_mut().poll(cx));
                    self.state = if end.is_ok() { Reading::Ended } else { Reading::Failed };
                    return Poll::Ready(end.map_err(|failure| Error::from(failure).into_io()));
                }
                Reading::Ended => return Poll::Ready(Ok(())),
                Reading::Failed => return Poll::Ready(Err(already_failed())),
            }
        }
    }
}

fn already_failed() -> std::io::Error {
    Error::unexpected("a child's pipe was used after it had failed").into_io()
}

/// A child's stdin: it must be ended by `finish`; dropping it kills the child.
///
/// When the child ends while it is written to, the write fails with the child's own error, not
/// with "broken pipe". A child that exits with 0 before it has read everything (`pg_restore` stops
/// after the last block it wants) has the rest thrown away; `finish` tells how much that was.
pub struct ChildInput {
    state: Writing,
    unread: u64,
}

enum Writing {
    Open(Box<Running>, ChildStdin),
    Ending(Ending),
    Ended,
    /// What `finish` will say, however often a write has said it already.
    Failed(Error),
}

impl ChildInput {
    /// The process group it runs in.
    #[cfg(test)]
    pub(super) fn group(&self) -> Option<Pid> {
        match &self.state {
            Writing::Open(running, _) => running.group,
            _ => None,
        }
    }

    /// The stdin of a child that was started with a pipe there.
    pub(super) fn of(mut running: Box<Running>) -> Result<Self> {
        let stdin = running.stdin()?;
        Ok(Self { state: Writing::Open(running, stdin), unread: 0 })
    }

    /// Closes stdin, waits for the exit, and fails if it was a bad one.
    ///
    /// Returns how many bytes the child did not want.
    pub async fn finish(self) -> Result<u64> {
        match self.state {
            Writing::Open(running, stdin) => {
                drop(stdin);
                running.ended().await?;
            }
            Writing::Ending(ending) => ending.await?,
            Writing::Ended => {}
            Writing::Failed(error) => return Err(error),
        }
        Ok(self.unread)
    }

    /// Ends the child now and waits until it is gone; it never sees the end of its input.
    pub async fn stop(self) {
        if let Writing::Open(running, stdin) = self.state {
            running.stop().await;
            drop(stdin);
        }
    }
}

impl AsyncWrite for ChildInput {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        loop {
            match &mut self.state {
                Writing::Open(_, stdin) => match ready!(Pin::new(stdin).poll_write(cx, buf)) {
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                        if let Writing::Open(running, _) =
                            std::mem::replace(&mut self.state, Writing::Failed(no_pipe()))
                        {
                            self.state = Writing::Ending(Box::pin(running.ended()));
                        }
                    }
                    other => return Poll::Ready(other),
                },
                Writing::Ending(ending) => {
                    let end = ready!(ending.as_mut().poll(cx));
                    self.state =
                        end.map_or_else(|failure| Writing::Failed(failure.into()), |()| Writing::Ended);
                }
                Writing::Ended => {
                    self.unread += buf.len() as u64;
                    return Poll::Ready(Ok(buf.len()));
                }
                Writing::Failed(error) => return Poll::Ready(Err(error.clone().into_io())),
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.state {
            Writing::Open(_, stdin) => Pin::new(stdin).poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Only flushes: to close its input is to tell the child that all is well, and only `finish` says that.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.poll_flush(cx)
    }
}
