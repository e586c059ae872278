//! SIGINT and SIGTERM become one cancellation, on which every command ends in order.

use crate::error::{Error, Kind, Result};
use std::future::Future;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether the run must end; clones share the answer.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Option<Kind>>);

impl Stop {
    /// Listens for SIGINT and SIGTERM from now on. A second signal ends the process at once.
    pub fn on_signals() -> Result<Self> {
        let cannot = |e| Error::unexpected("cannot listen for signals").because(e);
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        let (tell, told) = watch::channel(None);
        tokio::spawn(async move {
            let mut next = async || {
                tokio::select! {
                    _ = interrupt.recv() => Kind::Interrupted,
                    _ = terminate.recv() => Kind::Terminated,
                }
            };
            let first = next().await;
            tell.send_replace(Some(first));
            let second = next().await;
            std::process::exit(i32::from(second.exit_code()));
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
