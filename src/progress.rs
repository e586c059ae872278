//! The progress of a run: counters that stages increase and the report reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::units::age;
use indicatif::BinaryBytes;

/// What is left is not guessed before this.
const SOON: Duration = Duration::from_secs(5);

/// After such a silence the time that is left is no guess any more.
const SILENT: Duration = Duration::from_secs(30);

/// The counters of one run; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Bytes of the dump that have passed, before compression or after decompression.
    pub plain: Arc<AtomicU64>,
    /// Bytes confirmed by the store, or read from it.
    pub stored: Arc<AtomicU64>,
    /// The table whose rows are passing now.
    pub current: Arc<Mutex<String>>,
    /// The final value of `plain`: exact for a restore, a guess (the database's size) for a backup.
    pub expected: Option<u64>,
    /// The direction of the bytes.
    pub direction: Direction,
    /// The bytes that had passed when a line was last made, and since when it was that many.
    pub seen: Arc<Mutex<(u64, Duration)>>,
}

/// The direction of the bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// From a database into a store.
    #[default]
    There,
    /// From a store into a database or file.
    Back,
    /// From one database into another.
    Across,
    /// From one store into another.
    Between,
    /// From a restored database, to be compared.
    Again,
}

impl Progress {
    /// Sets the table whose rows are passing now.
    pub fn now_passing(&self, table: String) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = table;
    }

    /// Counts from nothing again: what was read once is read once more.
    pub fn begin_again(&self) {
        self.plain.store(0, Ordering::Relaxed);
        self.stored.store(0, Ordering::Relaxed);
    }

    /// The share that is done, 0 to 1, if it is known.
    pub fn share(&self) -> Option<f64> {
        let expected = self.expected.filter(|bytes| *bytes > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "a progress bar needs no more")]
        Some((self.plain.load(Ordering::Relaxed) as f64 / expected as f64).min(1.0))
    }

    /// One line for people: share, bytes, rate, elapsed time, current table; a narrow terminal cuts off what matters
    /// least.
    pub fn line(&self, elapsed: Duration) -> String {
        let (plain, stored) = (self.plain.load(Ordering::Relaxed), self.stored.load(Ordering::Relaxed));
        let silence = self.silence(plain.wrapping_add(stored), elapsed);
        let rate = plain.checked_div(elapsed.as_secs().max(1)).unwrap_or_default();
        let (plain, stored) = (BinaryBytes(plain), BinaryBytes(stored));
        let moved = match self.direction {
            Direction::There => format!("{plain} read, {stored} stored"),
            Direction::Back => format!("{stored} fetched, {plain} delivered"),
            Direction::Across => format!("{plain} copied"),
            Direction::Between => format!("{plain} read, {stored} stored"),
            Direction::Again => format!("{plain} dumped again"),
        };
        // The size of the database is a guess at the size of its dump.
        let about =
            if matches!(self.direction, Direction::There | Direction::Across) { "about " } else { "" };
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = [
            self.share().map(|share| format!("{about}{:.0} %", share * 100.0)),
            Some(age(elapsed)),
            silence.or_else(|| self.left(elapsed).map(|left| format!("{} left", age(left)))),
            Some(current.clone()).filter(|current| !current.is_empty()),
            Some(moved),
            Some(format!("{}/s", BinaryBytes(rate))),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// That no byte has come for long, unless all are there: then indexes may be made, or rows counted.
    fn silence(&self, bytes: u64, elapsed: Duration) -> Option<String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0 != bytes {
            *seen = (bytes, elapsed);
        }
        let silent = elapsed.saturating_sub(seen.1);
        let is_missing = self.share().is_none_or(|share| share < 1.0);
        (is_missing && silent >= SILENT).then(|| format!("no bytes for {}", age(silent)))
    }

    /// How long the rest takes if it goes on as it did; `None` while there is too little to judge by.
    fn left(&self, elapsed: Duration) -> Option<Duration> {
        let share = self.share().filter(|share| (0.01..1.0).contains(share))?;
        let left = Duration::try_from_secs_f64(elapsed.as_secs_f64() * (1.0 - share) / share).ok()?;
        (elapsed >= SOON).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let progress = Progress { expected: Some(4 << 20), ..Progress::default() };
        progress.plain.store(1 << 20, Ordering::Relaxed);
        progress.stored.store(256 << 10, Ordering::Relaxed);
        progress.now_passing("public.users".into());
        assert_eq!(
            progress.line(Duration::from_secs(2)),
            "about 25 %, 2.0s, public.users, 1.00 MiB read, 256.00 KiB stored, 512.00 KiB/s"
        );
        progress.stored.fetch_add(1, Ordering::Relaxed);
        let line = progress.line(Duration::from_secs(100));
        assert!(line.starts_with("about 25 %, 1m 40s, 5m left, public.users, "), "{line}");
        // What the bar leaves of 80 columns holds what matters.
        let (head, _) = line.split_once(", 1.00 MiB").unwrap();
        assert!(head.len() <= 58, "{head}");
        let unknown = Progress::default().line(Duration::from_secs(20));
        assert_eq!(unknown, "20s, 0 B read, 0 B stored, 0 B/s");
    }

    #[test]
    fn a_store_that_hangs_is_given_no_time_that_is_left() {
        let progress = Progress { expected: Some(4 << 20), ..Progress::default() };
        progress.plain.store(1 << 20, Ordering::Relaxed);
        let line = |seconds| progress.line(Duration::from_secs(seconds));
        assert!(line(10).contains(", 30s left, "), "{}", line(10));
        assert!(line(39).contains(" left, "), "{}", line(39));
        assert!(line(40).starts_with("about 25 %, 40s, no bytes for 30s, "), "{}", line(40));
        progress.stored.store(1, Ordering::Relaxed);
        assert!(line(50).contains(" left, "), "{}", line(50));
        progress.plain.store(4 << 20, Ordering::Relaxed);
        line(60);
        assert!(!line(200).contains("no bytes"), "{}", line(200));
    }
}
