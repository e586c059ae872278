//! Parsers for values as people write them: sizes, percentages, pairs, points in time.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ZonedDateTime};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// The longest length of time: 1000 years, as the parser counts them.
const LONGEST: Duration = Duration::from_secs(31_557_600 * 1000);
/// PostgreSQL counts milliseconds in 31 bits.
const LONGEST_LOCK_WAIT: Duration = Duration::from_millis((1 << 31) - 1);

/// Parses a whole number of a range.
pub(super) fn number<N>(range: RangeInclusive<N>) -> impl Fn(&str) -> Result<N, String> + Clone
where
    N: FromStr + PartialOrd + Display + Copy + Send + Sync + 'static,
{
    move |text| {
        let number = text.trim().parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            format!("{text:?} is not a whole number from {} to {}", range.start(), range.end())
        })
    }
}

/// Checks the name of a time zone.
pub(super) fn zone(text: &str) -> Result<String, String> {
    TimeZone::get(text.trim()).map(|_| text.trim().to_owned()).map_err(|_| {
        format!("there is no time zone {text:?}; write it as in the IANA database: UTC, Europe/Berlin, America/New_York")
    })
}

/// Parses how many of something are kept: a number, or all of them.
pub(super) fn many(text: &str) -> Result<u32, String> {
    match text {
        "unlimited" => Ok(u32::MAX),
        _ => text.parse().map_err(|_| format!("{text:?} is neither a number nor \"unlimited\"")),
    }
}

/// Parses a length of time: `90s`, `15m`, `26h`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    // A month to the parser, and minutes to whoever typed it: an age that is never reached raises no alarm.
    if text.split(|c: char| !c.is_ascii_alphabetic()).any(|unit| unit == "M") {
        return Err(format!(
            "{text:?} is not a length of time; minutes are m, and months are written as 30d"
        ));
    }
    let length = humantime::parse_duration(text).map_err(|_| {
        format!("{text:?} is not a length of time with its unit; write it as 90s, 15m, 26h or 7d")
    })?;
    // A moment that is further away has no place in a clock.
    if length > LONGEST { Err(format!("{text:?} is too long: at most 1000y")) } else { Ok(length) }
}

/// Parses how long PostgreSQL waits for a lock.
pub(super) fn lock_wait(text: &str) -> Result<Duration, String> {
    let length = duration(text)?;
    if length > LONGEST_LOCK_WAIT {
        return Err(format!("{text:?} is too long: PostgreSQL waits 24d at most; 0s is no limit"));
    }
    Ok(length)
}

/// Parses a span of the calendar: `10d`, `1y6mo`.
pub(super) fn span(text: &str) -> Result<Span, String> {
    let wrong = |why: &str| format!("{text:?} is not a span{why}; write it as 10d, 36h or 1y6mo");
    let span: Span = text.parse().map_err(|_| wrong(""))?;
    // restic's 6m is six months, everybody else's is six minutes: a backup must not go by mistake.
    if span.get_minutes() != 0 || span.get_seconds() != 0 || span.get_milliseconds() != 0 {
        return Err(wrong(" of years, months (mo), weeks, days and hours"));
    }
    if span.is_zero() || span.is_negative() {
        return Err(wrong(" that is longer than nothing"));
    }
    Ok(span)
}

/// Parses a size: bytes, or with K, M, G, T, each 1024 times the one before (`16M`, `16MiB`).
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default().to_ascii_lowercase();
    let shift = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("{text:?} has an unknown unit; write it as 16MiB")),
    };
    let number: u64 =
        digits.trim().parse().map_err(|_| format!("{text:?} is not a size; write it as 16MiB"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text:?} is too large"))
}

/// Parses a rate: a size per second, with or without the `/s`.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    let bytes = size(text.strip_suffix("/s").unwrap_or(text));
    let bytes = bytes.map_err(|_| format!("{text:?} is not a rate; write it as 20MiB/s"))?;
    // Requests have deadlines for their bytes, by the slowest connection that pgstow works with.
    if bytes < 128 << 10 { Err(format!("{text:?} is too slow: at least 128KiB/s")) } else { Ok(bytes) }
}

/// Pairs that one value gives.
pub(super) type Pairs = Vec<(String, String)>;

/// Parses pairs, one a line: `OLD=NEW`. Blank lines count for nothing if there are others.
pub(super) fn pairs(text: &str) -> Result<Pairs, String> {
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if all.is_empty() { pair(text).map(|one| vec![one]) } else { all.into_iter().map(pair).collect() }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(old, new)| !old.is_empty() && !new.is_empty());
    let (old, new) = pair.ok_or_else(|| format!("{text:?} is not a pair; write it as OLD=NEW"))?;
    Ok((old.to_owned(), new.to_owned()))
}

/// Parses a percentage: `50%`, `50`.
pub(super) fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
    number
        .filter(|number| *number <= 100)
        .ok_or_else(|| format!("{text:?} is not a percentage; write it as 50%"))
}

/// Parses a point in time in UTC: `2026-11-20T03:00:00Z`, or a day, which means its beginning.
pub(super) fn moment(text: &str) -> Result<SystemTime, String> {
    let day = humantime::parse_rfc3339(&format!("{text}T00:00:00Z"));
    let moment = day.or_else(|_| humantime::parse_rfc3339_weak(text));
    moment.map_err(|_| format!("{text:?} is not a time; write it as 2026-11-20T03:00:00Z, or 2026-11-20"))
}

/// A moment as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So long ago.
    Ago(Duration),
    /// One that is the same everywhere.
    At(Timestamp),
    /// What clocks show, in a time zone that is not said.
    Local(DateTime),
}

/// Parses a moment: `2026-11-29 02:55`, `2026-11-29T02:55:00Z`, a day, or how long ago it was, `2h`.
pub(super) fn when(text: &str) -> Result<When, String> {
    if let Ok(moment) = text.parse() {
        return Ok(When::At(moment));
    }
    // A time of the calendar would be read although it has a zone, and its zone passed over.
    if let Ok(moment) = text.parse::<ZonedDateTime>() {
        return Ok(When::At(moment.timestamp()));
    }
    if let Ok(local) = text.parse() {
        return Ok(When::Local(local));
    }
    let ago = text.strip_suffix(" ago").unwrap_or(text);
    duration(ago).map(When::Ago).map_err(|_| {
        format!("{text:?} is not a time; write it as \"2026-11-29 02:55\", 2026-11-29T02:55:00Z, 2026-11-29, or 2h")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_sizes_per_second() {
        assert_eq!(
            (rate("20MiB/s"), rate("20MiB"), rate("128k/s")),
            (Ok(20 << 20), Ok(20 << 20), Ok(128 << 10))
        );
        for wrong in ["", "/s", "20MiB/m", "fast", "100KiB/s", "0"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_are_read_as_people_write_them() {
        assert_eq!((percent("50%"), percent("0"), percent("100 %")), (Ok(50), Ok(0), Ok(100)));
        for wrong in ["", "%", "-1%", "101%", "0.5"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lengths_of_time_have_a_unit() {
        assert_eq!(duration("26h"), Ok(Duration::from_secs(26 * 3600)));
        assert_eq!(duration("1d 6h"), Ok(Duration::from_secs(30 * 3600)));
        assert_eq!(duration("2min"), Ok(Duration::from_secs(120)));
        for month in ["26M", "26 M", "1d 2M"] {
            assert!(duration(month).unwrap_err().contains("minutes are m"), "{month}");
        }
        for wrong in ["", "26", "26x", "-1h", "a day"] {
            assert!(duration(wrong).unwrap_err().contains("26h"), "{wrong}");
        }
    }

    #[test]
    fn no_length_of_time_is_longer_than_a_clock_can_count() {
        for long in ["300000000000y", "18446744073709551615s", "1001y"] {
            assert_eq!(duration(long), Err(format!("{long:?} is too long: at most 1000y")));
        }
        let longest = duration("1000y").unwrap();
        assert!(std::time::Instant::now().checked_add(longest).is_some());
        assert!(humantime::format_rfc3339(SystemTime::now() + longest).to_string().starts_with('3'));
        assert_eq!((lock_wait("24d"), lock_wait("0s")), (duration("24d"), Ok(Duration::ZERO)));
        assert!(lock_wait("25d").unwrap_err().contains("24d at most"));
    }

    #[test]
    fn pairs_are_one_a_line() {
        let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
        assert_eq!(pairs("a=b\n\nc=d=e\n"), Ok(vec![pair("a", "b"), pair("c", "d=e")]));
        for wrong in ["", "\n", "a=b\nc", "=b", "a="] {
            assert!(pairs(wrong).unwrap_err().contains("OLD=NEW"), "{wrong:?}");
        }
    }

    #[test]
    fn spans_have_months_and_no_minutes() {
        for (text, same) in [("10d", "P10D"), ("1y6mo", "P1Y6M"), ("2w 1d", "P2W1D"), ("36h", "PT36H")] {
            assert_eq!(span(text).unwrap().fieldwise(), same.parse::<Span>().unwrap().fieldwise(), "{text}");
        }
        for wrong in ["", "10", "6m", "90s", "1h30m", "0d", "-1d", "d"] {
            assert!(span(wrong).unwrap_err().contains("10d"), "{wrong}");
        }
        assert_eq!((many("7"), many("unlimited")), (Ok(7), Ok(u32::MAX)));
        assert!(many("-1").is_err() && many("all").is_err());
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        let midnight = moment("2026-11-20T00:00:00Z").unwrap();
        for same in ["2026-11-20", "2026-11-20 00:00:00", "2026-11-20T00:00:00"] {
            assert_eq!(moment(same), Ok(midnight), "{same}");
        }
        for wrong in ["", "yesterday", "20.11.2026", "2026-13-01", "2026-11-20T03"] {
            assert!(moment(wrong).unwrap_err().contains("2026-11-20T03:00:00Z"), "{wrong}");
        }
    }

    #[test]
    fn a_time_is_read_with_its_zone_if_it_has_one() {
        let at = |text: &str| When::At(text.parse().unwrap());
        for (text, moment) in [
            ("2026-11-29T02:55:00Z", at("2026-11-29T02:55:00Z")),
            ("2026-11-29 02:55Z", at("2026-11-29T02:55:00Z")),
            ("2026-11-29 02:55+01:00", at("2026-11-29T01:55:00Z")),
            ("2026-11-29 02:55[Europe/Berlin]", at("2026-11-29T01:55:00Z")),
            ("20261129T025500Z", at("2026-11-29T02:55:00Z")),
            ("2026-11-29 02:55", When::Local("2026-11-29T02:55:00".parse().unwrap())),
            ("2026-11-29", When::Local("2026-11-29T00:00:00".parse().unwrap())),
            ("2h", When::Ago(Duration::from_secs(7200))),
            ("3 days ago", When::Ago(Duration::from_secs(3 * 86400))),
        ] {
            assert_eq!(when(text), Ok(moment), "{text}");
        }
        for wrong in ["", "yesterday", "02:55", "2M", "20261129T025500Z-7f3k9q", "2026-13-01", "3"] {
            assert!(when(wrong).unwrap_err().contains("2026-11-29T02:55:00Z"), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("8k", 8192), ("16MiB", 16 << 20), ("16mb", 16 << 20), ("1T", 1 << 40)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "MiB", "-1", "1.5G", "12parsecs", "99999999999T"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
