//! Something made from credentials, made again if they have expired.

use crate::store::contract::error::Result;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What requests are made with now, and how often it was made before.
#[derive(Clone)]
pub(super) struct Numbered<T> {
    pub(super) value: T,
    number: u64,
}

/// Something made from credentials.
pub(super) struct Renewable<T> {
    current: Mutex<Numbered<T>>,
    renewing: tokio::sync::Mutex<()>,
    /// Whether the store has accepted these credentials before.
    accepted: AtomicBool,
}

impl<T: Clone> Renewable<T> {
    pub(super) fn new(value: T) -> Self {
        let current = Mutex::new(Numbered { value, number: 0 });
        Self { current, renewing: tokio::sync::Mutex::default(), accepted: AtomicBool::new(false) }
    }

    /// What to use now.
    pub(super) fn current(&self) -> Numbered<T> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that the store has accepted the credentials.
    pub(super) fn accept(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }

    /// Whether the store has accepted the credentials; only then it can be that they have expired.
    pub(super) fn was_accepted(&self) -> bool {
        self.accepted.load(Ordering::Relaxed)
    }

    /// What to use instead of this one, made by `make` unless another request has had it made already.
    pub(super) async fn renew(
        &self,
        expired: &Numbered<T>,
        make: impl Future<Output = Result<T>>,
    ) -> Result<Numbered<T>> {
        // If several requests fail together, one of them loads new credentials.
        let _one_at_a_time = self.renewing.lock().await;
        let current = self.current();
        if current.number > expired.number {
            return Ok(current);
        }
        tracing::info!("the store's credentials have expired: loading them again");
        let next = Numbered { value: make.await?, number: current.number + 1 };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = next.clone();
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_expired_once_is_made_again_once() {
        let it = Renewable::new(0);
        assert!(!it.was_accepted());
        it.accept();
        assert!(it.was_accepted());
        let (one, other) = (it.current(), it.current());
        assert_eq!(it.renew(&one, async { Ok(1) }).await.unwrap().value, 1);
        assert_eq!(it.renew(&other, async { Ok(2) }).await.unwrap().value, 1);
        assert_eq!(it.renew(&it.current(), async { Ok(3) }).await.unwrap().value, 3);
        assert_eq!(it.current().value, 3);
    }
}
