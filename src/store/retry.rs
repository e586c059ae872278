//! Retries: how often, and with which pauses. A retry that worked is reported, and so are retries that take long.

use super::error::{Result, StoreError};
use std::fmt;
use std::time::Duration;

/// After how many failures a warning is printed.
const PATIENT: u32 = 3;

/// How often to retry, and how long to wait in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The number of attempts, at least one.
    pub attempts: u32,
    /// The longest pause after the first failure; it doubles with each failure.
    pub first: Duration,
    /// The longest pause after any failure.
    pub cap: Duration,
}

impl Default for Retry {
    /// Eight attempts, with about half a minute of pauses on average.
    fn default() -> Self {
        Self { attempts: 8, first: Duration::from_millis(500), cap: Duration::from_secs(20) }
    }
}

/// The hint if the store only ever answered that it is busy.
const LATER: &str = "run it again when the store is available; for a slow store, raise --timeout";

impl Retry {
    /// Waits after this number of failures in a row: a random share of the longest pause, which doubles each time.
    ///
    /// Full jitter, so that parts that failed together are not sent again together.
    pub async fn pause(&self, failures: u32) {
        let longest = self.first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.cap);
        let mut random = [0xff_u8; 4];
        // Without random bytes the pause is the longest one.
        let _ = getrandom::fill(&mut random);
        let share = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
        tokio::time::sleep(longest.mul_f64(share)).await;
    }

    /// Does `work` until it succeeds, fails permanently, or was attempted often enough.
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
                        tracing::warn!("{what}: {error}; retrying, up to {} attempts", self.attempts);
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
