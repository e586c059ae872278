//! Retries: for how long, and with which pauses.
//!
//! One failure is no outage, and a network may be gone for minutes. So attempts go on until nothing has worked for a
//! while, however many they are. Work that goes on at the same time, as the parts of an upload, shares one outage: it is
//! reported once when waiting begins and once when it ends, and for what fails after it was given up nobody waits again.

pub(super) mod rate;
pub(super) mod retrying;

use crate::store::contract::error::{Result, StoreError};
use crate::units;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After how many failures it is reported that the store is waited for.
const PATIENT: u32 = 3;
/// After which time it is reported, with fewer failures.
const SILENT: Duration = Duration::from_secs(10);

/// How many failures that pass by themselves are reported one by one.
const EACH: u32 = 10;

/// How long a failure is retried, and how long the pauses are. Its clones share what they know of an outage.
#[derive(Debug, Clone)]
pub struct Retry {
    patience: Duration,
    first: Duration,
    cap: Duration,
    outage: Arc<Mutex<Outage>>,
}

/// What is known of an outage.
#[derive(Debug, Default)]
struct Outage {
    /// Since when nothing has worked.
    since: Option<Instant>,
    /// Whether it is reported that the store is waited for, and not yet that it works again.
    reported: bool,
    /// How many times that was reported.
    times: u32,
    /// How many failures passed without an outage.
    short: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self::lasting(Self::USUAL)
    }
}

/// The hint if the store only ever answered that it is busy.
const LATER: &str = "run it again when the store is available; for a slow store, raise --timeout";

impl Retry {
    /// How long a failure is usually retried.
    pub const USUAL: Duration = Duration::from_secs(15 * 60);

    /// Retries for this long, counted from the first failure on; the last attempt is made when the time is up.
    pub fn lasting(patience: Duration) -> Self {
        let (first, cap) = (Duration::from_millis(500), Duration::from_secs(20));
        Self { patience, first, cap, outage: Arc::default() }
    }

    /// The same with other pauses: the longest after the first failure, which doubles with each failure, and the
    /// longest of all.
    #[must_use]
    pub fn with_pauses(self, first: Duration, cap: Duration) -> Self {
        Self { first, cap, ..self }
    }

    /// How long a failure is retried.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// The same patience for work that has its own deadline, and that must be attempted more than once even after an
    /// outage was given up.
    pub(super) fn afresh(&self) -> Self {
        Self { outage: Arc::default(), ..self.clone() }
    }

    /// The pause after this number of failures in a row: a random share of the longest one, which doubles each time.
    ///
    /// Full jitter, so that parts that failed together are not sent again together.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let longest = self.first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.cap);
        let mut random = [0xff_u8; 4];
        // Without random bytes the pause is the longest one.
        let _ = getrandom::fill(&mut random);
        let share = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
        longest.mul_f64(share)
    }

    /// Begins to attempt something.
    pub fn attempts<W: Display>(&self, what: W) -> Attempts<W> {
        let (retry, begun) = (self.clone(), Instant::now());
        Attempts { retry, what, begun, failures: 0, since: None, last: None, times: 0, reported: false }
    }

    /// Does `work` until it succeeds, fails permanently, or has failed for too long.
    pub async fn run<T, F: Future<Output = Result<T>>>(
        &self,
        what: impl Display,
        mut work: impl FnMut(u32) -> F,
    ) -> Result<T> {
        let mut attempts = self.attempts(what);
        loop {
            match work(attempts.failures + 1).await {
                Ok(value) => {
                    attempts.answered(format_args!("it worked on attempt {}", attempts.failures + 1));
                    attempts.worked();
                    return Ok(value);
                }
                Err(error) => attempts.failed(error).await?,
            }
        }
    }

    fn outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The attempts at one thing.
pub struct Attempts<W: Display> {
    retry: Retry,
    what: W,
    begun: Instant,
    /// Failures in a row.
    failures: u32,
    /// When the first of them was.
    since: Option<Instant>,
    last: Option<StoreError>,
    /// How many outages had been reported by then.
    times: u32,
    /// Whether this one reported that the store is waited for.
    reported: bool,
}

impl<W: Display> Attempts<W> {
    /// Takes note of a failure, and waits until the next attempt.
    ///
    /// # Errors
    /// The failure itself, if it is permanent or has been retried for too long.
    pub async fn failed(&mut self, error: StoreError) -> Result<()> {
        let pause = self.pause_after(error, Instant::now())?;
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Whether the last attempt failed.
    pub fn is_failing(&self) -> bool {
        self.last.is_some()
    }

    /// For how long it has been failing.
    pub fn failing_for(&self) -> Duration {
        self.since.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// Takes note that the work is done, or has come further: from here on failures are counted anew.
    pub fn worked(&mut self) {
        (self.failures, self.since, self.begun) = (0, None, Instant::now());
        self.retry.outage().since = None;
    }

    /// How long to wait after this failure.
    fn pause_after(&mut self, error: StoreError, now: Instant) -> Result<Duration> {
        if !error.situation().may_pass() {
            self.retry.outage().since = None;
            return Err(error);
        }
        self.failures += 1;
        let since = {
            let mut outage = self.retry.outage();
            if self.since.is_none() {
                self.times = outage.times - u32::from(outage.reported);
            }
            let own = *self.since.get_or_insert(now);
            own.min(*outage.since.get_or_insert(now))
        };
        let left = self.retry.patience.saturating_sub(now.saturating_duration_since(since));
        if left.is_zero() {
            return Err(self.give_up(error, now));
        }
        let pause = self.retry.pause(self.failures).min(left);
        self.report(&error, now, left);
        self.last = Some(error);
        Ok(pause)
    }

    fn give_up(&self, error: StoreError, now: Instant) -> StoreError {
        let error = match self.since {
            Some(since) if self.failures > 1 => {
                let took = units::age(now.saturating_duration_since(since));
                let error = error.context(&self.what);
                error.and(format_args!("gave up after {} attempts in {took}", self.failures))
            }
            _ => error,
        };
        if error.hints().is_empty() { error.hint(LATER) } else { error }
    }

    /// Reports that the store is waited for, unless that was done.
    fn report(&mut self, error: &StoreError, now: Instant, left: Duration) {
        let what = &self.what;
        let is_long = self.failures >= PATIENT || now.saturating_duration_since(self.begun) >= SILENT;
        let mut outage = self.retry.outage();
        if is_long && !self.reported && !outage.reported {
            (outage.reported, self.reported) = (true, true);
            outage.times += 1;
            tracing::warn!("{what}: {error}; retrying for up to {}", units::age(left));
        } else {
            tracing::debug!("{what}: {error}; attempt {}", self.failures);
        }
    }

    /// Takes note that the store answers; if it did not before, reports `how` it goes on.
    pub fn answered(&mut self, how: impl Display) {
        let Some(error) = self.last.take() else { return };
        let what = &self.what;
        let mut outage = self.retry.outage();
        if std::mem::take(&mut self.reported) {
            outage.reported = false;
            let took = units::age(self.failing_for());
            tracing::warn!("the store works again after {took}: {what}: {how}");
        } else if outage.times > self.times {
            // Somebody else reports it.
            tracing::debug!("{what}: {error}; {how}");
        } else if outage.short < EACH {
            outage.short += 1;
            tracing::warn!("{what}: {error}; {how}");
            if outage.short == EACH {
                tracing::warn!(
                    "the store or the network fails again and again; if it goes on, that is not reported (but with -v)"
                );
            }
        } else {
            tracing::debug!("{what}: {error}; {how}");
        }
    }
}

impl<W: Display> Drop for Attempts<W> {
    fn drop(&mut self) {
        if self.reported {
            self.retry.outage().reported = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::error::Situation;
    use std::sync::atomic::{AtomicU32, Ordering};

    const MINUTE: Duration = Duration::from_secs(60);

    fn busy() -> StoreError {
        StoreError::new(Situation::Transient, "busy")
    }

    async fn failing(times: u32, situation: Situation) -> (Result<u32>, u32) {
        let tried = AtomicU32::new(0);
        let retry = Retry::lasting(Duration::from_millis(300));
        let retry = retry.with_pauses(Duration::from_millis(1), Duration::from_millis(2));
        let answer =
            retry
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
        assert_eq!(failing(1, Situation::Transient).await.0.unwrap(), 2);
        let (error, tried) = failing(u32::MAX, Situation::Unreachable).await;
        let error = error.unwrap_err();
        assert!(error.to_string().starts_with("x: busy; gave up after "), "{error}");
        assert!(tried > 1 && error.hints() == [LATER], "{tried}");
        for situation in [Situation::Denied, Situation::NotFound, Situation::Exists, Situation::NoSpace] {
            let (error, tried) = failing(1, situation).await;
            assert_eq!((error.unwrap_err().to_string().as_str(), tried), ("busy", 1));
        }
    }

    /// Fails at every attempt until `end`, on a clock of its own; returns when the last attempt was made, and how many
    /// there were.
    fn outage(retry: &Retry, begin: Instant, end: Instant) -> (Result<Instant>, u32) {
        let mut attempts = retry.attempts("x");
        let (mut now, mut made) = (begin, 0);
        loop {
            made += 1;
            if now >= end {
                attempts.worked();
                return (Ok(now), made);
            }
            match attempts.pause_after(busy(), now) {
                Ok(pause) => now += pause,
                Err(error) => return (Err(error), made),
            }
        }
    }

    #[test]
    fn an_outage_of_a_quarter_of_an_hour_is_survived_and_a_longer_one_is_given_up_in_time() {
        for _ in 0..20 {
            let (retry, begin) = (Retry::default(), Instant::now());
            let (worked, made) = outage(&retry, begin, begin + 15 * MINUTE);
            // However the pauses fall, one attempt is made when the time is up.
            assert!(worked.unwrap() <= begin + 15 * MINUTE);
            // Pauses grow to twenty seconds, and are half of that on average.
            assert!((50..250).contains(&made), "{made}");
            let (error, _) = outage(&retry, begin, begin + 16 * MINUTE);
            let error = error.unwrap_err().to_string();
            assert!(error.contains("attempts in 15m"), "{error}");
        }
    }

    #[test]
    fn for_what_fails_after_an_outage_was_given_up_nobody_waits_again() {
        let (retry, begin) = (Retry::default(), Instant::now());
        outage(&retry, begin, begin + 16 * MINUTE).0.unwrap_err();
        let late = begin + 15 * MINUTE;
        let (error, made) = outage(&retry, late, late + MINUTE);
        assert_eq!((error.unwrap_err().to_string().as_str(), made), ("busy", 1));
        // What tidies up is attempted again all the same, and so is everything once something has worked.
        outage(&retry.afresh(), late, late + MINUTE).0.unwrap();
        retry.attempts("y").worked();
        outage(&retry, late, late + MINUTE).0.unwrap();
    }

    #[test]
    fn an_outage_is_reported_once_however_much_is_waiting() {
        let (retry, now) = (Retry::default(), Instant::now());
        let mut all: Vec<_> = (1..5).map(|number| retry.attempts(format!("part {number}"))).collect();
        for _ in 0..5 {
            for attempts in &mut all {
                attempts.pause_after(busy(), now).unwrap();
            }
        }
        assert_eq!(all.iter().filter(|attempts| attempts.reported).count(), 1);
        assert_eq!(retry.outage().times, 1);
        // If the one that reported it is dropped, its end is not awaited for ever.
        let reporter = all.iter().position(|attempts| attempts.reported).unwrap();
        drop(all.remove(reporter));
        assert!(!retry.outage().reported);
        for mut attempts in all {
            attempts.answered("");
            attempts.worked();
        }
        assert_eq!(retry.outage().times, 1);
        assert_eq!(retry.outage().since, None);
    }
}
