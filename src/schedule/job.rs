//! What a schedule runs: a command line of pgstow's, as a process of its own.

use crate::error::{Error, Kind};
use crate::run::Run;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tokio::process::{Child, Command};

/// A command line of pgstow's.
#[derive(Debug)]
pub struct Job {
    /// Which verb it is. That is all to be said of its words: there may be passwords and secret addresses among them.
    pub(super) verb: &'static str,
    program: PathBuf,
    /// What stands before the words that were typed.
    common: Vec<OsString>,
    words: Vec<OsString>,
    variables: Vec<(&'static str, PathBuf)>,
}

/// How a run went.
pub enum Outcome {
    /// It exited with 0.
    Succeeded,
    /// It did not, or could not be started.
    Failed {
        /// Why, in a sentence.
        why: String,
        /// Its exit code, if it had one.
        exit_code: Option<i32>,
    },
    /// A signal came for the schedule, and the run has ended.
    Stopped(Error),
}

impl Job {
    /// Runs this program, which is pgstow, with these words, which are of this verb.
    pub fn new(verb: &'static str, program: PathBuf, common: Vec<OsString>, words: Vec<OsString>) -> Self {
        Self { verb, program, common, words, variables: Vec::new() }
    }

    /// Sets a variable for its runs, in addition to those that this process has.
    pub(super) fn set(&mut self, name: &'static str, value: &Path) {
        self.variables.push((name, value.to_owned()));
    }

    /// Runs it to its end. A signal that comes for this process is passed on, and the end is waited for: a backup takes
    /// back what it has stored.
    pub(super) async fn run(&self, run: &Run) -> Outcome {
        let mut child = match self.start() {
            Ok(child) => child,
            Err(e) => return Outcome::Failed { why: format!("it cannot be started: {e}"), exit_code: None },
        };
        let stopped = run.or(async { Ok(child.wait().await) }).await;
        let error = match stopped {
            Ok(status) => return outcome(status),
            Err(error) => error,
        };
        let signal = match error.kind() {
            Kind::HungUp => Signal::HUP,
            Kind::Interrupted => Signal::INT,
            _ => Signal::TERM,
        };
        pass_on(&child, signal);
        let _ = child.wait().await;
        Outcome::Stopped(error)
    }

    fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.common).args(&self.words);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        // Ctrl-C reaches the schedule alone, which passes it on once: a second signal would end the run at once.
        command.stdin(Stdio::null()).process_group(0).spawn()
    }
}

fn outcome(status: std::io::Result<ExitStatus>) -> Outcome {
    let failed = |why, exit_code| Outcome::Failed { why, exit_code };
    match status {
        Ok(status) if status.success() => Outcome::Succeeded,
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => failed(format!("exit code {code}, {}", meaning(code)), Some(code)),
            (_, Some(signal)) => failed(format!("it was ended by signal {signal}"), None),
            _ => failed(status.to_string(), None),
        },
        Err(e) => failed(format!("it cannot be waited for: {e}"), None),
    }
}

/// What the exit code of pgstow means.
fn meaning(exit_code: i32) -> &'static str {
    let kind = Kind::ALL.iter().find(|kind| i32::from(kind.exit_code()) == exit_code);
    kind.map_or("unknown", |kind| kind.meaning())
}

fn pass_on(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

/// Takes the exit status of every process that lost its parent and became a child of this one, which is what the first
/// process of a container has to do. Only for when no run is running: its status would be taken too.
pub(super) fn reap_orphans() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_have_their_meaning() {
        assert_eq!(meaning(12), Kind::Store.meaning());
        assert_eq!(meaning(77), "unknown");
    }
}
