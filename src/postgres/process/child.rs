//! A child process: started in a process group of its own, and reaped however it ends.
//!
//! Ctrl-C reaches pgstow alone, and pgstow decides. Dropping a child ends it: it is told to, has a moment
//! to cancel its query, and is killed then.

use std::os::fd::AsFd;
use std::sync::LazyLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_util::task::TaskTracker;

use crate::error::{Error, Kind, Result};

use super::attendance::{Attendance, Watcher};
use super::patience::{PIPE, Patient};
use super::secret::Secret;
use super::stderr::{Manner, Reports, Stderr};
use crate::postgres::failure::Failure;

/// How long a child may take to end after it was told to; `pg_dump` cancels its query in that time.
pub(super) const GRACE: Duration = Duration::from_millis(if cfg!(test) { 1500 } else { 5000 });

/// A child that runs; dropping it ends it.
pub struct Running {
    /// `None` only after the child has been handed over to be reaped.
    child: Option<Child>,
    pub(super) group: Option<Pid>,
    name: String,
    /// `None` if it speaks to people itself.
    stderr: Option<Stderr>,
    pub(super) attendance: Attendance,
}

impl Running {
    /// Starts it in a process group of its own, and drains its stderr if that is piped.
    pub fn start(
        mut command: Command,
        name: String,
        manner: Manner,
        secrets: Vec<Secret>,
        watcher: Option<Watcher>,
        reports: Reports,
    ) -> std::io::Result<Box<Self>> {
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let stderr = child.stderr.take();
        let stderr = stderr.map(|stderr| Stderr::drain(stderr, &name, manner, secrets, reports));
        let attendance = Attendance::new(watcher, &name);
        Ok(Box::new(Self { child: Some(child), group, name, stderr, attendance }))
    }

    /// Its stdin, once.
    pub fn stdin(&mut self) -> Result<ChildStdin> {
        let stdin = self.child.as_mut().and_then(|child| child.stdin.take()).ok_or_else(no_pipe)?;
        widen(&stdin);
        Ok(stdin)
    }

    /// Its stdout, once.
    pub fn stdout(&mut self) -> Result<Patient<ChildStdout>> {
        let stdout = self.child.as_mut().and_then(|child| child.stdout.take()).ok_or_else(no_pipe)?;
        let capacity = widen(&stdout);
        Ok(Patient::new(stdout, capacity))
    }

    /// Notes that it has moved, for whoever watches over it.
    pub fn moved(&mut self) {
        self.attendance.moved();
    }

    /// Waits until whoever watches over it gives it up.
    pub async fn given_up(&mut self) -> Error {
        self.attendance.given_up().await
    }

    /// Waits for the exit; anything but 0 is a failure in the child's own words.
    pub async fn ended(mut self: Box<Self>) -> Result<(), Failure> {
        self.end().await
    }

    /// Waits for the exit of a child that should still run; the failure says why it does not.
    pub async fn last_words(&mut self) -> Error {
        let ended = self.end().await;
        ended.map_or_else(Error::from, |()| Error::postgres(format!("{} ended without an answer", self.name)))
    }

    async fn end(&mut self) -> Result<(), Failure> {
        let Self { child, attendance, .. } = self;
        let Some(child) = child else { return Err(Failure::NotStarted(no_pipe())) };
        let status = tokio::select! {
            status = child.wait() => status,
            error = attendance.given_up() => return Err(Failure::NotStarted(error)),
        };
        let status = status.map_err(|error| {
            let what = format!("wait for {}: {error}", self.name);
            Failure::NotStarted(Error::new(Kind::Unexpected, what).because(error))
        })?;
        if let Some(stderr) = &mut self.stderr {
            stderr.ended().await;
        }
        let stderr = self.stderr.as_ref();
        if status.success() && !stderr.is_some_and(Stderr::went_on_after_an_error) {
            stderr.inspect(|stderr| stderr.pass_on());
            Ok(())
        } else {
            Err(Failure::Ended { name: self.name.clone(), status, said: stderr.map(Stderr::messages) })
        }
    }

    /// Ends it now, and waits until it is gone.
    pub(super) async fn stop(mut self: Box<Self>) {
        if let Some(child) = self.child.take() {
            tell(&child, self.group, &self.name);
            reap(child, self.group, self.stderr.take()).await;
        }
    }
}

pub(super) fn no_pipe() -> Error {
    Error::unexpected("a child was used without its pipe")
}

/// Asks for a 1 MiB pipe, so that a hiccup downstream does not stop the COPY; a refusal is no harm. Returns how many bytes
/// it holds then, or 0 if that is not known.
fn widen(pipe: &impl AsFd) -> usize {
    #[cfg(target_os = "linux")]
    let capacity = rustix::pipe::fcntl_setpipe_size(pipe, PIPE).unwrap_or_default();
    #[cfg(not(target_os = "linux"))]
    let (capacity, _) = (0, pipe);
    capacity
}

/// Children that were dropped, and are not gone yet.
static REAPING: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);

/// Waits until every child that was dropped is gone.
///
/// A process that exits sooner kills them before they have cancelled their queries, and the server
/// would continue to work on them. A process may run pgstow, and wait, more than once.
pub async fn all_reaped() {
    REAPING.close();
    REAPING.wait().await;
    REAPING.reopen();
}

/// Tells a child to cancel its query and end; `psql` does so at SIGINT only.
fn tell(child: &Child, group: Option<Pid>, name: &str) {
    // After it was reaped, another process may have its number.
    if let (Some(group), Some(_)) = (group, child.id()) {
        let _ = kill_process_group(group, if name == "psql" { Signal::INT } else { Signal::TERM });
    }
}

/// Gives a child that was told to end some time, then kills it; takes its exit status.
///
/// Its stderr is drained until then: a closed pipe would kill it as soon as it says something, before it
/// has cancelled its query.
async fn reap(mut child: Child, group: Option<Pid>, stderr: Option<Stderr>) {
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        if let (Some(group), Some(_)) = (group, child.id()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = tokio::time::timeout(GRACE, child.wait()).await;
    }
    drop(stderr);
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(child) = self.child.take().filter(|child| child.id().is_some()) else { return };
        // At once, not when the task below first runs: a pipe is about to close, and the child
        // must not take that for the end of its input.
        tell(&child, self.group, &self.name);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            REAPING.spawn_on(reap(child, self.group, self.stderr.take()), &runtime);
        }
        // Without a runtime the child is dropped here, and `kill_on_drop` kills it.
    }
}
