//! SIGHUP, SIGINT and SIGTERM become one cancellation, on which every command ends in order.

use crate::error::{Error, Kind, Result};
use rustix::process::Signal;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long more signals are the first one's echo: `timeout` of coreutils sends its signal to the process, and at once
/// to the whole group, in which the process is too.
const ECHO: Duration = Duration::from_secs(1);

/// Whether the run must end; clones share the answer.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Option<Kind>>);

impl Stop {
    /// Listens for SIGHUP, SIGINT and SIGTERM from now on. A later second signal ends the process at once, but for
    /// SIGHUP: of one lost terminal the shell, the terminal and the system may all tell.
    pub fn on_signals() -> Result<Self> {
        let cannot = |e| Error::unexpected("cannot listen for signals").because(e);
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        let mut hang_up = match is_hang_up_ignored() {
            true => None,
            false => Some(signal(SignalKind::hangup()).map_err(cannot)?),
        };
        // Without this, a file that may not grow further would end the process without a message.
        let _ = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()));
        let (tell, told) = watch::channel(None);
        tokio::spawn(async move {
            let mut next = async || {
                tokio::select! {
                    _ = interrupt.recv() => Kind::Interrupted,
                    _ = terminate.recv() => Kind::Terminated,
                    Some(_) = async { hang_up.as_mut()?.recv().await } => Kind::HungUp,
                }
            };
            let first = next().await;
            tell.send_replace(Some(first));
            let since = Instant::now();
            loop {
                let second = next().await;
                if second != Kind::HungUp && since.elapsed() >= ECHO {
                    std::process::exit(i32::from(second.exit_code()));
                }
            }
        });
        Ok(Self(told))
    }

    /// Runs `work` until it is done or a signal arrives; then `work` is dropped, and the failure names the signal.
    pub async fn or<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut told = self.0.clone();
        let stopped = async {
            match told.wait_for(Option::is_some).await.map(|kind| *kind) {
                Ok(Some(kind)) => Error::new(kind, kind.meaning()),
                // The listener never ends before the process does.
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            error = stopped => Err(error),
            done = work => done,
        }
    }
}

/// Whether SIGHUP is ignored, as `nohup` and `trap "" HUP` leave it: whoever asked for that keeps it. On a system that
/// does not say so it is left as it is.
fn is_hang_up_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    // Of the mask's bits the first is signal 1, SIGHUP.
    ignored.is_none_or(|mask| mask & 1 == 1)
}
