//! Days, weeks, months and years of a time zone.

use crate::error::{Error, Result};
use jiff::{Span, Timestamp, ToSpan, ZonedDateTime};
use std::time::SystemTime;

/// A time zone.
pub type TimeZone = jiff::tz::TimeZone;

/// The time zone with this name, such as `Europe/Berlin`: the system's data, else our own copy.
pub fn time_zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).map_err(|e| {
        Error::usage(format!("there is no time zone {name:?}"))
            .because(e)
            .hint("write it as in the IANA database: UTC, Europe/Berlin, America/New_York")
    })
}

/// A moment in a time zone. What lies outside of the years 1 to 9999 counts as their end.
pub(super) fn local(moment: SystemTime, zone: &TimeZone) -> ZonedDateTime {
    let moment = Timestamp::try_from(moment).unwrap_or(Timestamp::MAX);
    moment.to_zoned_datetime(zone.clone())
}

/// The moment that lies a span before another; `None` if there is none, because the span is too long.
///
/// Years and months are counted as restic counts them: one month before March 31 is February 31, which is March 3.
/// If clocks were changed at that moment, it is the earlier one, so that more is kept.
pub(super) fn before(moment: &ZonedDateTime, span: &Span) -> Option<ZonedDateTime> {
    let months = i64::from(span.get_years()) * 12 + i64::from(span.get_months());
    let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
    let first = moment.date().first_of_month().checked_sub(Span::new().try_months(months).ok()?).ok()?;
    let days = i64::from(moment.day()) - 1 - days;
    let date = first.checked_add(Span::new().try_days(days).ok()?).ok()?;
    let then = date.to_datetime(moment.time());
    let then = moment.time_zone().to_ambiguous_zoned_datetime(then).earlier().ok()?;
    then.checked_sub(span.get_hours().hours()).ok()
}
