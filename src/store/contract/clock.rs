//! A store's clock, as far as its answers have shown it.

use jiff::fmt::rfc2822::DateTimeParser;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

/// What the clock showed last, and when that was, whatever this machine's clock does.
#[derive(Debug, Default)]
pub(in crate::store) struct Clock(Mutex<Option<(SystemTime, Instant)>>);

impl Clock {
    /// It shows this now.
    pub(in crate::store) fn shows(&self, moment: SystemTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((moment, Instant::now()));
    }

    /// The same, as an answer's `Date` says it; what is no date is passed over.
    pub(in crate::store) fn says(&self, date: &str) {
        let moment = DateTimeParser::new().parse_timestamp(date).map(SystemTime::try_from);
        if let Ok(Ok(moment)) = moment {
            self.shows(moment);
        }
    }

    /// What it shows now; `None` if it was never seen.
    pub(in crate::store) fn now(&self) -> Option<SystemTime> {
        let (moment, then) = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        moment.checked_add(then.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn it_goes_on_from_what_an_answer_said() {
        let clock = Clock::default();
        for wrong in ["", "yesterday", "1795998600"] {
            clock.says(wrong);
            assert_eq!(clock.now(), None, "{wrong}");
        }
        clock.says("Mon, 30 Nov 2026 00:30:00 GMT");
        let since =
            clock.now().unwrap().duration_since(UNIX_EPOCH + Duration::from_secs(1_795_998_600)).unwrap();
        assert!(since < Duration::from_secs(60), "{since:?}");
    }
}
