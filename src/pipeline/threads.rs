//! Work on threads that may wait and compute, outside the runtime's own.

use crate::error::{Error, Result};
use std::future::Future;
use tokio::sync::oneshot;

/// Runs `work` on a thread that may wait and compute; it starts immediately.
pub fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> {
    let running = tokio::task::spawn_blocking(work);
    async move { running.await.unwrap_or_else(|panic| Err(Error::unexpected("a stage panicked").because(panic))) }
}

/// Runs `work`, which computes all the time, on a new thread; it starts immediately.
///
/// The kernel puts a new thread on the core that has the least to do. One that is woken often stays on the core of whoever wakes
/// it, and the other one idles: on two cores a backup with one reader took 1.06 times as long.
pub fn computing<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> {
    let (done, ready) = oneshot::channel();
    let begun = std::thread::Builder::new().name("compute".to_owned()).spawn(move || {
        // Nobody waits any more if the run was dropped.
        let _ = done.send(work());
    });
    async move {
        begun.map_err(|e| Error::unexpected("no thread could be started").because(e))?;
        ready.await.unwrap_or_else(|_| Err(Error::unexpected("a stage panicked")))
    }
}

/// The failure of a stage whose neighbours stopped because the run was dropped.
pub fn dropped() -> Error {
    Error::unexpected("the run was dropped")
}
