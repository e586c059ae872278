//! Work on threads that may wait and compute, outside the runtime's own.

use crate::error::{Error, Result};
use std::future::Future;

/// Runs `work` on a thread that may wait and compute; it starts immediately.
pub fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> {
    let running = tokio::task::spawn_blocking(work);
    async move { running.await.unwrap_or_else(|panic| Err(Error::unexpected("a stage panicked").because(panic))) }
}

/// The failure of a stage whose neighbours stopped because the run was dropped.
pub fn dropped() -> Error {
    Error::unexpected("the run was dropped")
}
