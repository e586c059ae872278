//! Large buffers, created once and reused.
//!
//! The allocator often keeps freed blocks of several megabytes in pieces that fit nothing else, and each new block
//! costs page faults. Here the number of buffers is known, and so is the memory.

use bytes::Bytes;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lends buffers of one size; clones lend the same ones.
#[derive(Clone)]
pub struct Pool {
    size: usize,
    permits: Arc<Semaphore>,
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Pool {
    /// Creates a pool of at most `count` buffers with room for `size` bytes each.
    pub fn new(size: usize, count: usize) -> Self {
        let permits = Arc::new(Semaphore::new(count));
        Self { size, permits, free: Arc::default() }
    }

    /// Creates a pool without a limit of its own: its users limit the number of buffers.
    pub fn unbounded(size: usize) -> Self {
        Self::new(size, Semaphore::MAX_PERMITS)
    }

    /// Lends an empty buffer, and waits until one is free.
    pub async fn take(&self) -> Buffer {
        // The semaphore is never closed; a buffer without a permit would only be one too many.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        let used = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = used.unwrap_or_else(|| Vec::with_capacity(self.size));
        Buffer { bytes, free: Arc::clone(&self.free), _permit: permit }
    }
}

/// A lent buffer; it returns to its pool when it is dropped.
pub struct Buffer {
    bytes: Vec<u8>,
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Buffer {
    /// Makes the bytes shareable; the buffer returns when the last share is dropped.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.bytes.clear();
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut self.bytes));
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn buffers_are_bounded_and_used_again() {
        let pool = Pool::new(16, 2);
        let (mut first, second) = (pool.take().await, pool.take().await);
        first.extend_from_slice(b"0123");
        let place = first.as_ptr();
        let bytes = first.freeze();
        let tail = bytes.slice(2..);
        drop(bytes);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), pool.take()).await.is_err());
        drop(tail);
        let again = pool.take().await;
        assert!(again.is_empty());
        assert_eq!(again.as_ptr(), place);
        drop((second, again));
    }
}
