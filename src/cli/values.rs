//! Parsers for values as people write them: sizes, percentages, pairs, points in time.

use std::time::SystemTime;

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

/// Parses a pair: `OLD=NEW`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_people_write_them() {
        assert_eq!((percent("50%"), percent("0"), percent("100 %")), (Ok(50), Ok(0), Ok(100)));
        for wrong in ["", "%", "-1%", "101%", "0.5"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
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
