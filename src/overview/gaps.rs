//! When backups are missing: intervals that are much longer than those around them.
//!
//! Retention thins old backups out, from days to weeks to months. So an interval is compared with its neighbours, and
//! never with those of another time.

use crate::stored::format::names::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// How many intervals on each side are neighbours.
const NEIGHBOURS: usize = 2;
/// How many of the newest intervals say when the next backup is due.
const NEWEST: usize = 5;
/// How much longer than its neighbours an interval must be, in quarters: one missed run makes it twice as long.
const QUARTERS: u32 = 7;

/// A time in which backups are missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The last backup before it.
    pub since: Timestamp,
    /// The first one after it; `None` if there is none yet.
    pub until: Option<Timestamp>,
    /// What was usual at that time, in seconds.
    pub usual_s: u64,
}

/// The gaps between these moments, which come oldest first, and until now; and the interval that is usual now.
pub(super) fn find(moments: &[Timestamp], now: Timestamp) -> (Vec<Gap>, Option<Duration>) {
    let intervals: Vec<Duration> = moments.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    let mut gaps = Vec::new();
    for (at, interval) in intervals.iter().enumerate() {
        let before = intervals[at.saturating_sub(NEIGHBOURS)..at].iter();
        let after = intervals[at + 1..].iter().take(NEIGHBOURS);
        let around: Vec<Duration> = before.chain(after).copied().collect();
        if let Some(usual) = median(around).filter(|usual| is_long(*interval, *usual)) {
            gaps.push(Gap { since: moments[at], until: Some(moments[at + 1]), usual_s: usual.as_secs() });
        }
    }
    let usual = median(intervals[intervals.len().saturating_sub(NEWEST)..].to_vec());
    if let (Some(last), Some(usual)) = (moments.last(), usual)
        && is_long(now.since(*last), usual)
    {
        gaps.push(Gap { since: *last, until: None, usual_s: usual.as_secs() });
    }
    (gaps, usual)
}

/// The middle one, or of two the longer one; `None` of fewer than two, which say nothing of what is usual.
fn median(mut all: Vec<Duration>) -> Option<Duration> {
    all.sort_unstable();
    if all.len() < 2 { None } else { all.get(all.len() / 2).copied() }
}

fn is_long(interval: Duration, usual: Duration) -> bool {
    interval * 4 > usual * QUARTERS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn day(days: u64) -> Timestamp {
        (SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86400)).into()
    }

    fn days(all: &[u64]) -> Vec<Timestamp> {
        all.iter().map(|days| day(*days)).collect()
    }

    /// The gaps as days since and until.
    fn found(all: &[u64], now: u64) -> Vec<(Timestamp, Option<Timestamp>)> {
        find(&days(all), day(now)).0.into_iter().map(|gap| (gap.since, gap.until)).collect()
    }

    #[test]
    fn a_missed_night_is_a_gap() {
        assert_eq!(found(&[1, 2, 3, 5, 6, 7], 7), [(day(3), Some(day(5)))]);
        assert_eq!(found(&[1, 2, 4, 5, 7, 8], 8), [(day(2), Some(day(4))), (day(5), Some(day(7)))]);
        assert_eq!(found(&[1, 2, 3, 4], 4), []);
    }

    #[test]
    fn what_retention_has_thinned_out_is_none() {
        // Monthly, then weekly, then daily.
        let thinned = [0, 30, 60, 90, 97, 104, 111, 118, 119, 120, 121, 122, 123];
        assert_eq!(found(&thinned, 123), []);
        assert_eq!(find(&days(&thinned), day(123)).1, Some(Duration::from_secs(86400)));
    }

    #[test]
    fn a_backup_that_does_not_come_is_a_gap_without_an_end() {
        assert_eq!(found(&[1, 2, 3, 4], 6), [(day(4), None)]);
        assert_eq!(found(&[1, 2, 3, 4], 5), []);
    }

    #[test]
    fn of_two_backups_nothing_is_usual() {
        assert_eq!(find(&days(&[1, 2]), day(100)), (vec![], None));
        assert_eq!(find(&[], day(100)), (vec![], None));
    }
}
