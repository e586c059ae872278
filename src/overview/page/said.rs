//! Moments, spans, sizes and states as the page says them.

use super::escape::Escaped;
use crate::overview::facts::State;
use crate::stored::format::names::Timestamp;
use crate::units::age;
use indicatif::BinaryBytes;
use std::time::{Duration, SystemTime};

/// What may be wider than the screen: it scrolls by itself, also by keys.
pub(super) fn wide(label: &str, table: &str) -> String {
    let label = Escaped(label);
    format!("<div class=\"wide\" role=\"region\" aria-label=\"{label}\" tabindex=\"0\">\n{table}</div>\n")
}

/// The state of a name, in a word and a colour.
pub(super) fn badge(state: State) -> &'static str {
    match state {
        State::Ok => "<span class=\"badge ok\">ok</span>",
        State::Late => "<span class=\"badge late\">late</span>",
        State::Missing => "<span class=\"badge missing\">no whole backup</span>",
    }
}

/// A moment to the minute.
pub(super) fn minute(moment: Timestamp) -> String {
    let text = humantime::format_rfc3339_seconds(SystemTime::from(moment)).to_string();
    text.get(..16).unwrap_or(&text).replace('T', " ")
}

/// The day of a moment.
pub(super) fn day(moment: Timestamp) -> String {
    let text = minute(moment);
    text.get(..10).unwrap_or(&text).to_owned()
}

/// How long ago a moment was.
pub(super) fn since(moment: Timestamp, now: Timestamp) -> String {
    format!("{} ago", span(now.since(moment)))
}

/// A span as people read it; not to the second if it is long.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let unit = match seconds {
        0..3600 => 1,
        3600..172_800 => 60,
        _ => 3600,
    };
    if seconds < 10 { age(span) } else { age(Duration::from_secs(seconds / unit * unit)) }
}

/// A size.
pub(super) fn bytes(number: u64) -> String {
    BinaryBytes(number).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_exact_as_people_need_them() {
        let said = |seconds| span(Duration::from_secs(seconds));
        assert_eq!((said(2).as_str(), said(75).as_str()), ("2.0s", "1m 15s"));
        assert_eq!((said(3700).as_str(), said(90_061).as_str()), ("1h 1m", "1day 1h"));
        assert_eq!(said(200_000), "2days 7h");
    }
}
