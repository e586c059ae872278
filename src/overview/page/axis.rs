//! The time that charts show.

use super::said::day;
use crate::overview::facts::NameFacts;
use crate::stored::format::names::Timestamp;

/// The time that the charts show, from 0 to 1.
pub(super) struct Axis {
    pub first: Timestamp,
    pub last: Timestamp,
}

impl Axis {
    /// From the first backup until now; `None` if there is none.
    pub fn of(facts: &NameFacts, now: Timestamp) -> Option<Self> {
        Some(Self { first: facts.backups.first()?.started_at, last: now })
    }

    /// A moment, from 0 to 1.
    pub fn at(&self, moment: Timestamp) -> f64 {
        let whole = self.last.since(self.first).as_secs_f64();
        if whole > 0.0 { moment.since(self.first).as_secs_f64() / whole } else { 0.0 }
    }

    /// Its ends, as they stand below a chart.
    pub fn labels(&self) -> String {
        format!(
            "<p class=\"axis-labels\" aria-hidden=\"true\"><span>{}</span><span>{}</span></p>\n",
            day(self.first),
            day(self.last)
        )
    }
}
