//! When runs are due: by a cron expression in a time zone, or once in every period.
//!
//! The calendar is jiff's and the search is croner's. When clocks change, runs at fixed times come once that day, also if
//! their time is skipped or comes twice; croner knows that of a single time of day only, so it searches a calendar in which
//! clocks never change, and what it finds is looked up in the time zone. A run that comes every hour follows the clock.

use crate::error::{Error, Result};
use croner::Cron;
use croner::errors::CronError;
use croner::time::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The expressions that have a name.
const NICKNAMES: [&str; 7] = ["@hourly", "@daily", MIDNIGHT, "@weekly", "@monthly", "@yearly", "@annually"];
/// What cron knows and the parser does not; the same as `@daily`.
const MIDNIGHT: &str = "@midnight";

/// How many hours a run comes in that comes in every one.
const HOURS: usize = 24;

/// When runs are due.
#[derive(Debug, Clone)]
pub enum Moments {
    /// Whenever a cron expression matches the clock of a time zone.
    Cron(Box<Cron>, TimeZone),
    /// Once in every period. Periods are counted from the beginning of 1970 in UTC, so that they are the same
    /// after a restart.
    Every(Duration),
}

impl Moments {
    /// Once in every period; refuses one that is no number of seconds, or too long for a run to come.
    pub fn every(period: Duration) -> Result<Self> {
        let hint = "write it as 1d, 6h or 90m";
        if period < Duration::from_secs(1) || period.subsec_nanos() > 0 {
            return Err(Error::usage("--every takes whole seconds").hint(hint));
        }
        let moments = Self::Every(period);
        match moments.after(Timestamp::now()) {
            Some(_) => Ok(moments),
            None => Err(Error::usage("--every is too long: no run would ever be due").hint(hint)),
        }
    }

    /// Parses a cron expression; refuses one that no date matches.
    pub fn cron(expression: &str, zone: TimeZone) -> Result<Self> {
        if expression.starts_with('@') && !NICKNAMES.contains(&expression) {
            return Err(Error::usage(format!("{expression} is not one of {}", NICKNAMES.join(", ")))
                .hint("--at-start makes the first run at once"));
        }
        let unusable = |e: CronError| {
            let (CronError::InvalidPattern(why)
            | CronError::IllegalCharacters(why)
            | CronError::ComponentError(why)) = &e
            else {
                return Error::usage(format!("{expression:?} is not a cron expression"))
                    .because(std::io::Error::other(e.to_string()));
            };
            Error::usage(format!("{expression:?} is not a cron expression: {why}"))
        };
        let hint = "write it as minute, hour, day, month, weekday: \"17 3 * * *\" is every day at 3:17";
        let pattern = if expression == MIDNIGHT { "@daily" } else { expression };
        let cron = Cron::from_str(pattern).map_err(|e| unusable(e).hint(hint))?;
        let moments = Self::Cron(Box::new(cron), zone);
        match moments.after(Timestamp::now()) {
            Some(_) => Ok(moments),
            None => {
                Err(Error::usage(format!("no date matches the cron expression {expression:?}")).hint(hint))
            }
        }
    }

    /// The first moment after this one; `None` if there is none.
    pub fn after(&self, moment: Timestamp) -> Option<Timestamp> {
        match self {
            Moments::Cron(cron, zone) if cron.pattern.hours.values().len() < HOURS => {
                let local = moment.to_zoned_datetime(zone.clone()).datetime();
                let mut civil = Clock(TimeZone::UTC.to_ambiguous_zoned_datetime(local).compatible().ok()?);
                // In the second pass of an hour that comes twice, those of the first are over.
                loop {
                    civil = cron.find_next_occurrence(&civil, false).ok()?;
                    let due = fixed(civil.0.datetime(), zone)?;
                    if due > moment {
                        return Some(due);
                    }
                }
            }
            Moments::Cron(cron, zone) => {
                let from = Clock(moment.to_zoned_datetime(zone.clone()));
                let next = cron.find_next_occurrence(&from, false).ok()?;
                Some(next.0.timestamp())
            }
            Moments::Every(period) => {
                let period = i64::try_from(period.as_secs()).ok()?.max(1);
                let number = moment.as_second().div_euclid(period).checked_add(1)?;
                Timestamp::from_second(number.checked_mul(period)?).ok()
            }
        }
    }

    /// A moment as people read it: by the clock of the schedule's time zone.
    pub fn clock(&self, moment: Timestamp) -> String {
        let zone = match self {
            Moments::Cron(_, zone) => zone.clone(),
            Moments::Every(_) => TimeZone::UTC,
        };
        let name = zone.iana_name().unwrap_or("UTC").to_owned();
        format!("{} {name}", moment.to_zoned_datetime(zone).strftime("%F %T"))
    }
}

/// When a fixed time comes: the first time if it comes twice, and when the clock has moved on if it is skipped.
fn fixed(time: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let found = zone.to_ambiguous_zoned_datetime(time);
    let is_skipped = matches!(found.offset(), AmbiguousOffset::Gap { .. });
    let due = found.compatible().ok()?.timestamp();
    if !is_skipped {
        return Some(due);
    }
    zone.preceding(due + SignedDuration::from_secs(1)).next().map(|moved_on| moved_on.timestamp())
}

/// A moment by the clock of its time zone, as croner asks for it.
#[derive(Clone)]
struct Clock(ZonedDateTime);

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A part of a date or time; those of a calendar are never negative.
fn part(number: i8) -> u32 {
    number.unsigned_abs().into()
}

/// The same for jiff, which refuses what is too large.
fn back(number: u32) -> i8 {
    i8::try_from(number).unwrap_or(i8::MAX)
}

impl CronDateTime for Clock {
    fn to_civil(&self) -> CivilDateTime {
        let (date, time) = (self.0.date(), self.0.time());
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(date.year().into(), part(date.month()), part(date.day())),
            CivilTime::from_parts_unchecked(part(time.hour()), part(time.minute()), part(time.second())),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(part(self.0.weekday().to_sunday_zero_offset()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let (month, day) = (back(civil.month()), back(civil.day()));
        let (hour, minute, second) = (back(civil.hour()), back(civil.minute()), back(civil.second()));
        let local =
            DateTime::new(year, month, day, hour, minute, second, 0).map_err(|_| CronError::InvalidDate)?;
        let all = self.0.time_zone().to_ambiguous_zoned_datetime(local);
        let one =
            |found: Result<ZonedDateTime, jiff::Error>| found.map(Clock).map_err(|_| CronError::InvalidTime);
        Ok(match all.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(one(all.compatible())?),
            AmbiguousOffset::Fold { .. } => {
                Resolution::Ambiguous(one(all.clone().earlier())?, one(all.later())?)
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Clock)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The moments after one, in UTC.
    fn some(expression: &str, zone: &str, from: &str, many: usize) -> Vec<String> {
        let moments = Moments::cron(expression, TimeZone::get(zone).unwrap()).unwrap();
        let mut moment = at(from);
        let mut next = || {
            moment = moments.after(moment).unwrap();
            moment.to_string()
        };
        (0..many).map(|_| next()).collect()
    }

    #[test]
    fn in_berlin_a_nightly_run_comes_once_on_every_night() {
        // On March 29 clocks went from 02:00 to 03:00, on October 25 from 03:00 back to 02:00.
        let spring = ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"];
        assert_eq!(some("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3), spring);
        let autumn = ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
        assert_eq!(some("30 2 * * *", "Europe/Berlin", "2026-10-23T12:00:00Z", 3), autumn);
        // A time that both days have follows the clock.
        let after = ["2026-03-28T02:17:00Z", "2026-03-29T01:17:00Z"];
        assert_eq!(some("17 3 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 2), after);
    }

    #[test]
    fn in_new_york_a_nightly_run_comes_once_on_every_night() {
        // On March 8 clocks went from 02:00 to 03:00, on November 1 from 02:00 back to 01:00.
        let spring = ["2026-03-07T07:30:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"];
        assert_eq!(some("30 2 * * *", "America/New_York", "2026-03-06T12:00:00Z", 3), spring);
        let autumn = ["2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"];
        assert_eq!(some("30 1 * * *", "America/New_York", "2026-10-30T12:00:00Z", 3), autumn);
    }

    #[test]
    fn each_of_several_times_a_day_is_a_fixed_time() {
        let berlin = |expression, from| some(expression, "Europe/Berlin", from, 3);
        for expression in ["0 2,14 * * *", "0 2-14/12 * * *"] {
            let spring = ["2026-03-29T01:00:00Z", "2026-03-29T12:00:00Z", "2026-03-30T00:00:00Z"];
            assert_eq!(berlin(expression, "2026-03-28T23:00:00Z"), spring, "{expression}");
            let autumn = ["2026-10-25T00:00:00Z", "2026-10-25T13:00:00Z", "2026-10-26T01:00:00Z"];
            assert_eq!(berlin(expression, "2026-10-24T23:00:00Z"), autumn, "{expression}");
        }
        for expression in ["15,45 2 * * *", "15-45/30 2 * * *", "*/30 2 * * *"] {
            let spring = berlin(expression, "2026-03-28T23:00:00Z");
            assert_eq!(spring[0], "2026-03-29T01:00:00Z", "{expression}");
            assert!(
                spring[1].starts_with("2026-03-30T00:"),
                "both come when the clock has moved on: {spring:?}"
            );
        }
        let weekly = ["2026-03-29T01:00:00Z", "2026-04-05T00:00:00Z", "2026-04-05T00:30:00Z"];
        assert_eq!(berlin("0,30 2 * * SUN", "2026-03-28T23:00:00Z"), weekly);
        // In the second pass of an hour nothing comes again.
        let later = ["2026-10-26T01:00:00Z", "2026-10-26T01:30:00Z", "2026-10-27T01:00:00Z"];
        assert_eq!(berlin("*/30 2 * * *", "2026-10-25T01:10:00Z"), later);
    }

    #[test]
    fn every_time_comes_once_a_day_whatever_clocks_do() {
        for (zone, days) in [
            ("Europe/Berlin", ["2026-03-29", "2026-10-25"]),
            ("America/New_York", ["2026-03-08", "2026-11-01"]),
            ("Australia/Lord_Howe", ["2026-04-05", "2026-10-04"]),
            ("Africa/Cairo", ["2026-04-24", "2026-10-30"]),
        ] {
            let time_zone = TimeZone::get(zone).unwrap();
            for day in days {
                let midnight = |day: jiff::civil::Date| {
                    let found = time_zone.to_ambiguous_zoned_datetime(day.at(0, 0, 0, 0));
                    found.compatible().unwrap().timestamp()
                };
                let day: jiff::civil::Date = day.parse().unwrap();
                for (hours, minutes) in [(vec![0, 1, 2, 3], vec![0, 10, 50]), (vec![1, 2, 14], vec![15])] {
                    let list = |all: &[i8]| all.iter().map(i8::to_string).collect::<Vec<_>>().join(",");
                    let expression = format!("{} {} * * *", list(&minutes), list(&hours));
                    let moments = Moments::cron(&expression, time_zone.clone()).unwrap();
                    let before = midnight(day) - SignedDuration::from_secs(1);
                    let next = |moment: &Timestamp| moments.after(*moment);
                    let all = std::iter::successors(moments.after(before), next);
                    let found: Vec<Timestamp> =
                        all.take_while(|moment| *moment < midnight(day.tomorrow().unwrap())).collect();
                    let times =
                        hours.iter().flat_map(|hour| minutes.iter().map(move |minute| (*hour, *minute)));
                    let mut expected: Vec<Timestamp> = times
                        .map(|(hour, minute)| {
                            let time = day.at(hour, minute, 0, 0);
                            // Looked for minute by minute: the first at which the clock shows it, or a later time.
                            let shows = |minutes: &i64| {
                                let moment = midnight(day) + SignedDuration::from_mins(*minutes);
                                moment.to_zoned_datetime(time_zone.clone()).datetime() >= time
                            };
                            midnight(day) + SignedDuration::from_mins((0..1600).find(shows).unwrap())
                        })
                        .collect();
                    expected.dedup();
                    assert_eq!(found, expected, "{expression} in {zone} on {day}");
                }
            }
        }
    }

    #[test]
    fn an_hourly_run_comes_in_every_hour_that_passes() {
        let spring = ["2026-03-29T00:05:00Z", "2026-03-29T01:05:00Z", "2026-03-29T02:05:00Z"];
        assert_eq!(some("5 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3), spring);
        let autumn = ["2026-10-25T00:05:00Z", "2026-10-25T01:05:00Z", "2026-10-25T02:05:00Z"];
        assert_eq!(some("5 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 3), autumn);
        let autumn = ["2026-11-01T05:05:00Z", "2026-11-01T06:05:00Z", "2026-11-01T07:05:00Z"];
        assert_eq!(some("5 * * * *", "America/New_York", "2026-11-01T05:00:00Z", 3), autumn);
    }

    #[test]
    fn periods_are_the_same_after_a_restart() {
        let daily = Moments::Every(Duration::from_secs(86400));
        assert!(Moments::every(Duration::from_secs(86400)).is_ok());
        for wrong in [Duration::from_millis(1500), Duration::ZERO, Duration::from_hours(24 * 99_999_999_999)]
        {
            assert!(Moments::every(wrong).is_err(), "{wrong:?}");
        }
        for from in ["2026-11-27T00:00:00Z", "2026-11-27T14:30:00.5Z", "2026-11-27T23:59:59Z"] {
            assert_eq!(daily.after(at(from)), Some(at("2026-11-28T00:00:00Z")), "{from}");
        }
    }

    #[test]
    fn what_is_no_cron_expression_is_refused_with_an_example() {
        let utc = || TimeZone::UTC;
        for wrong in ["", "17 3", "61 3 * * *", "17 3 * * * * * *", "every day", "0 0 31 2 *"] {
            let error = Moments::cron(wrong, utc()).unwrap_err();
            assert!(error.message().contains(&format!("{wrong:?}")), "{error}");
            assert!(error.hints()[0].contains("17 3 * * *"), "{error}");
        }
        let reboot = Moments::cron("@reboot", utc()).unwrap_err();
        assert!(reboot.message().contains("@reboot is not one of @hourly, "), "{reboot}");
        for nickname in NICKNAMES {
            assert!(Moments::cron(nickname, utc()).is_ok(), "{nickname}");
        }
        for right in ["0 4 * * SUN", "*/15 * * * *", "0 3 L * *", "* * * * * *"] {
            assert!(Moments::cron(right, utc()).is_ok(), "{right}");
        }
    }

    #[test]
    fn moments_are_said_by_the_clock_of_the_zone() {
        let moments = Moments::cron("17 3 * * *", TimeZone::get("Europe/Berlin").unwrap()).unwrap();
        assert_eq!(moments.clock(at("2026-11-28T02:17:00Z")), "2026-11-28 03:17:00 Europe/Berlin");
        let moments = Moments::Every(Duration::from_secs(60));
        assert_eq!(moments.clock(at("2026-11-28T02:17:00Z")), "2026-11-28 02:17:00 UTC");
    }
}
