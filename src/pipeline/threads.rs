//! Work on threads where it may wait and compute, off the runtime's own.

use crate::error::{Error, Result};
use std::future::Future;

/// Runs `work` on a thread where it may wait and compute; it starts at once.
pub fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> {
    let running = tokio::task::spawn_blocking(work);
    async move { running.await.unwrap_or_else(|panic| Err(Error::unexpected("a stage panicked").because(panic))) }
}

/// The failure of a stage whose neighbours stopped because the run was dropped.
pub fn given_up() -> Error {
    Error::unexpected("the run was given up")
}
