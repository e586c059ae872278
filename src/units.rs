//! Counts, sizes, ages and moments as people read them: "1 table", "16MiB", "3days 4h", "20261121_054500".
//!
//! It only writes; what people type is read in `cli/`.

use indicatif::HumanCount;
use std::time::{Duration, SystemTime};

const MIB: u64 = 1 << 20;

/// A number of things, by the noun for one of them: `1 table`, `1,000 tables`, `2 indexes`.
pub fn count(number: impl TryInto<u64>, one: &str) -> String {
    // Nothing that is counted here comes to more.
    let number = number.try_into().unwrap_or(u64::MAX);
    let number_of = HumanCount(number);
    match one.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u'])) {
        _ if number == 1 => format!("{number_of} {one}"),
        Some(stem) => format!("{number_of} {stem}ies"),
        None if one.ends_with(['s', 'x']) => format!("{number_of} {one}es"),
        None => format!("{number_of} {one}s"),
    }
}

/// A number of rows; not every dump says how many it has.
pub fn counted_rows(number: Option<u64>) -> String {
    number.map_or_else(|| "rows not counted".to_owned(), |number| count(number, "row"))
}

/// A size in bytes as the flag `--part-size` reads it, rounded up to whole MiB above the first: `16MiB`, `512 bytes`.
pub fn size(bytes: u64) -> String {
    match bytes {
        1..MIB => format!("{bytes} bytes"),
        _ => format!("{}MiB", bytes.div_ceil(MIB)),
    }
}

/// A span of time with its two largest units, `3days 4h`; below ten seconds in tenths, `3.5s`.
pub fn age(span: Duration) -> String {
    if span < Duration::from_secs(10) {
        return format!("{:.1}s", span.as_secs_f64());
    }
    let whole = humantime::format_duration(Duration::from_secs(span.as_secs())).to_string();
    whole.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// A moment in UTC as part of a name, its day and time joined by `joint`: `20261121_054500`. It sorts by time.
pub fn stamp(moment: SystemTime, joint: char) -> String {
    let text = humantime::format_rfc3339_seconds(moment).to_string();
    text.replace(['-', ':', 'Z'], "").replace('T', &joint.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn one_is_one_and_thousands_have_their_commas() {
        for (number, one, text) in [
            (0, "row", "0 rows"),
            (1, "table", "1 table"),
            (2, "index", "2 indexes"),
            (1, "index", "1 index"),
            (2, "policy", "2 policies"),
            (2, "key", "2 keys"),
            (2, "operator class", "2 operator classes"),
            (370_500, "row", "370,500 rows"),
        ] {
            assert_eq!(count(number, one), text);
        }
    }

    #[test]
    fn sizes_are_rounded_up() {
        for (bytes, text) in [
            (0, "0MiB"),
            (17, "17 bytes"),
            (16 << 20, "16MiB"),
            ((16 << 20) + 1, "17MiB"),
            (5 << 30, "5120MiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn ages_are_short() {
        for (seconds, text) in
            [(0, "0.0s"), (59, "59s"), (3725, "1h 2m"), (86400 * 3 + 4 * 3600 + 5, "3days 4h")]
        {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn stamps_fit_into_names() {
        let moment = UNIX_EPOCH + Duration::from_millis(1_795_143_600_123);
        assert_eq!(stamp(moment, '_'), "20261120_030000");
        assert_eq!(stamp(moment, '-'), "20261120-030000");
    }
}
