//! A limit for bytes per second, over everything that is sent to stores, and over everything that is read from them.
//!
//! Bytes wait until their time has come: a part before it is sent, a piece of an answer before the next is read, so
//! the network slows down by itself. Time in which nothing was sent is not made up for. Waiting is no failure: deadlines
//! of requests begin afterwards.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The slowest connection for which a request gets enough time, in bytes per second.
pub(in crate::store) const SLOWEST: u64 = 128 << 10;

/// The limit in both directions; clones share it, so several stores together keep it.
#[derive(Debug, Clone)]
pub struct Rates {
    pub(in crate::store) sending: Arc<Rate>,
    pub(in crate::store) reading: Arc<Rate>,
}

impl Rates {
    /// At most this many bytes per second in each direction; any number if there is no limit.
    pub fn new(limit: Option<u64>) -> Self {
        let rate = || Arc::new(Rate::new(limit));
        Self { sending: rate(), reading: rate() }
    }
}

/// Bytes per second in one direction.
#[derive(Debug)]
pub(in crate::store) struct Rate {
    /// Without one nothing waits.
    limit: Option<u64>,
    /// When everything that was admitted has passed.
    free: Mutex<Instant>,
}

impl Rate {
    pub(in crate::store) fn new(limit: Option<u64>) -> Self {
        // With less, readers would think that the connection is broken.
        Self { limit: limit.map(|limit| limit.max(SLOWEST)), free: Mutex::new(Instant::now()) }
    }

    /// Waits until this many bytes may pass.
    pub(in crate::store) async fn admit(&self, bytes: usize) {
        let Some(limit) = self.limit else { return };
        let time = Duration::from_secs_f64(bytes as f64 / limit as f64);
        let until = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            *free = (*free).max(Instant::now()) + time;
            *free
        };
        sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only lower bounds: on a busy machine everything takes longer.
    #[tokio::test]
    async fn bytes_wait_for_those_before_them_and_idle_time_is_not_made_up_for() {
        let (rate, start) = (Rate::new(Some(1 << 20)), Instant::now());
        tokio::join!(rate.admit(100 << 10), rate.admit(100 << 10), rate.admit(0));
        assert!(start.elapsed() >= Duration::from_millis(195), "{:?}", start.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
        let later = Instant::now();
        rate.admit(100 << 10).await;
        assert!(later.elapsed() >= Duration::from_millis(97), "{:?}", later.elapsed());
        Rate::new(None).admit(usize::MAX).await;
    }
}
