//! Work that waits for a disk, on threads that may wait.

use crate::store::error::{Result, Situation, StoreError};

/// Does work that waits for a disk on a thread that may wait.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended
        .map_err(|e| StoreError::new(Situation::Other, "work on the folder ended unexpectedly").because(e))?
}
