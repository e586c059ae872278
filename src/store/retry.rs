//! Trying again: a store around a store, which repeats what may pass.
//!
//! It repeats only what the contract allows ([`Situation::may_pass`]); what a repetition means for a
//! completion is the backend's knowledge. A retry that worked is said, and so is one that takes long.

use super::error::{Result, StoreError};
use std::fmt;
use std::time::Duration;

/// After how many failures a person who waits is told.
const PATIENT: u32 = 3;

/// How often and how patiently to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often to try altogether, at least once.
    pub attempts: u32,
    /// The longest pause after the first failure; it doubles with each further one.
    pub first: Duration,
    /// The longest pause at all.
    pub cap: Duration,
}

impl Default for Retry {
    /// Eight attempts, about half a minute of pauses on average.
    fn default() -> Self {
        Self { attempts: 8, first: Duration::from_millis(500), cap: Duration::from_secs(20) }
    }
}

/// Advice where a store only ever said that it is busy.
const LATER: &str =
    "nothing is lost: run it again when the store is well; --timeout gives a slow one more time";

impl Retry {
    /// Pauses after the `failures`th failure in a row: a random part of the doubling longest pause.
    ///
    /// Full jitter, so that parts refused together do not come back together.
    pub async fn pause(&self, failures: u32) {
        let longest = self.first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.cap);
        let mut random = [0xff_u8; 4];
        // Without randomness the pause is the longest one.
        let _ = getrandom::fill(&mut random);
        let share = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
        tokio::time::sleep(longest.mul_f64(share)).await;
    }

    /// Does `work` until it succeeds, fails for good, or was tried often enough.
    pub async fn run<T, F: Future<Output = Result<T>>>(
        &self,
        what: impl fmt::Display,
        mut work: impl FnMut(u32) -> F,
    ) -> Result<T> {
        let mut attempt = 1;
        let mut last: Option<StoreError> = None;
        loop {
            match work(attempt).await {
                Ok(value) => {
                    if let Some(error) = last {
                        tracing::warn!("{what}: {error}; it worked on attempt {attempt}");
                    }
                    return Ok(value);
                }
                Err(error) if error.situation().may_pass() && attempt < self.attempts => {
                    if attempt == PATIENT {
                        tracing::warn!("{what}: {error}; trying on, up to {} times", self.attempts);
                    } else {
                        tracing::debug!("{what}: {error}; attempt {attempt} of {}", self.attempts);
                    }
                    self.pause(attempt).await;
                    last = Some(error);
                    attempt += 1;
                }
                Err(error) if error.situation().may_pass() && attempt > 1 => {
                    let error = error.context(what).and(format_args!("gave up after {attempt} attempts"));
                    return Err(if error.hints().is_empty() { error.hint(LATER) } else { error });
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::Situation;
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    const FAST: Retry = Retry { attempts: 3, first: Duration::from_millis(1), cap: Duration::from_millis(2) };

    async fn failing(times: u32, situation: Situation) -> (Result<u32>, u32) {
        let tried = AtomicU32::new(0);
        let answer = FAST
            .run("x", |attempt| {
                tried.fetch_add(1, Ordering::Relaxed);
                async move {
                    if attempt <= times { Err(StoreError::new(situation, "busy")) } else { Ok(attempt) }
                }
            })
            .await;
        (answer, tried.into_inner())
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again_and_nothing_else() {
        assert_eq!(failing(2, Situation::Transient).await.0.unwrap(), 3);
        let (error, tried) = failing(3, Situation::Unreachable).await;
        assert_eq!(
            (error.unwrap_err().to_string().as_str(), tried),
            ("x: busy; gave up after 3 attempts", 3)
        );
        for situation in [Situation::Denied, Situation::NotFound, Situation::Exists, Situation::NoSpace] {
            let (error, tried) = failing(1, situation).await;
            assert_eq!((error.unwrap_err().to_string().as_str(), tried), ("busy", 1));
        }
    }
}
