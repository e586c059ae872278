//! The rules of `restic forget`: how many of the last hours, days, weeks, months and years keep their last backup.

use super::calendar::{TimeZone, before, local};
use super::why::{Period, Why};
use jiff::{Span, ZonedDateTime};
use std::time::SystemTime;

/// What is kept; nothing if all of it is zero.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// How many of the newest.
    pub last: u32,
    /// The last of each of this many hours in which there are any.
    pub hourly: u32,
    /// The same for days.
    pub daily: u32,
    /// The same for weeks, which begin on Monday.
    pub weekly: u32,
    /// The same for months.
    pub monthly: u32,
    /// The same for years.
    pub yearly: u32,
    /// All that are less than this much older than the newest one.
    pub within: Option<Span>,
}

impl Rules {
    /// Whether they would keep nothing.
    pub fn is_empty(&self) -> bool {
        self.within.is_none() && self.counts().iter().all(|(_, count)| *count == 0)
    }

    pub(super) fn counts(&self) -> [(Period, u32); 6] {
        [
            (Period::Last, self.last),
            (Period::Hourly, self.hourly),
            (Period::Daily, self.daily),
            (Period::Weekly, self.weekly),
            (Period::Monthly, self.monthly),
            (Period::Yearly, self.yearly),
        ]
    }
}

/// What two moments of the same period have in common; `number` is that of the backup.
fn common(period: Period, moment: &ZonedDateTime, number: usize) -> [i64; 4] {
    let (year, month, day) = (moment.year().into(), moment.month().into(), moment.day().into());
    match period {
        Period::Last => [i64::try_from(number).unwrap_or(i64::MAX), 0, 0, 0],
        Period::Hourly => [year, month, day, moment.hour().into()],
        Period::Daily => [year, month, day, 0],
        Period::Weekly => {
            let week = moment.date().iso_week_date();
            [week.year().into(), week.week().into(), 0, 0]
        }
        Period::Monthly => [year, month, 0, 0],
        Period::Yearly => [year, 0, 0, 0],
    }
}

/// Why each of these moments is kept, which come newest first; those without a reason are not.
pub(super) fn apply(rules: &Rules, zone: &TimeZone, moments: &[SystemTime]) -> Vec<Vec<Why>> {
    let moments: Vec<ZonedDateTime> = moments.iter().map(|moment| local(*moment, zone)).collect();
    let mut reasons = vec![Vec::new(); moments.len()];
    if let (Some(within), Some(newest)) = (&rules.within, moments.first()) {
        // A span that leads before all calendars keeps everything.
        let limit = before(newest, within);
        let is_within = |moment: &ZonedDateTime| limit.as_ref().is_none_or(|limit| moment > limit);
        for (_, why) in moments.iter().zip(&mut reasons).filter(|(moment, _)| is_within(moment)) {
            why.push(Why::Within);
        }
    }
    for (period, count) in rules.counts() {
        let (mut left, mut last) = (count, None);
        for (number, (moment, why)) in moments.iter().zip(&mut reasons).enumerate() {
            let this = Some(common(period, moment, number));
            let is_oldest = number + 1 == moments.len();
            if left == 0 || (this == last && !is_oldest) {
                continue;
            }
            why.push(if this == last { Why::Oldest(period) } else { Why::Rule(period) });
            last = this;
            left -= 1;
        }
    }
    reasons
}
