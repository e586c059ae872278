//! Which backups are kept, and by which rule: moments in, reasons out. No store, no clock, no I/O.
//!
//! The rules are those of `restic forget`, in a time zone; what must never go, whatever the rules say, is ours
//! ([`decide`]).

mod calendar;
mod rules;
mod why;

pub use calendar::{TimeZone, time_zone};
pub use rules::Rules;
pub use why::{Period, Why};

use std::time::{Duration, SystemTime};

/// One backup of a name, as the rules see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// When it was begun.
    pub at: SystemTime,
    /// Which others it is judged with.
    pub series: Series,
}

/// Backups of one series take each other's place, and never that of another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    /// Whole ones, as far as they count.
    Whole,
    /// Whole ones that are not proven, if only proven ones count.
    Unproven,
    /// Those that lack a part of what they are backups of.
    Partial,
}

/// The rules, and what they may not do.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What is kept.
    pub rules: Rules,
    /// The time zone in which days, weeks, months and years begin.
    pub zone: TimeZone,
    /// At least this many whole backups stay.
    pub min_keep: usize,
    /// How old the newest whole backup may be; if it is older, nothing goes.
    pub stale: Duration,
    /// Whether backups go even then.
    pub force: bool,
}

/// What becomes of the backups of one name.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision {
    /// For each backup why it is kept; those without a reason go.
    pub reasons: Vec<Vec<Why>>,
    /// Why nothing goes at all.
    pub stale: Option<Stale>,
}

/// The backup job may be dead: the age of the newest whole backup, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale(pub Option<Duration>);

impl Policy {
    /// Says whether a name is stale whose newest whole backup was begun then.
    fn stale(&self, newest: Option<SystemTime>, now: SystemTime) -> Option<Stale> {
        let age = newest.map(|newest| now.duration_since(newest).unwrap_or_default());
        let is_stale = !self.force && age.is_none_or(|age| age > self.stale);
        is_stale.then_some(Stale(age))
    }
}

/// Decides which backups of one name are kept, and why; they come oldest first.
///
/// The rules judge each series by itself, so that a partial or unproven backup never takes the place of one that counts.
/// The newest whole one stays, and as many as the least says, of those that count first; nothing goes if the newest
/// one is stale.
pub fn decide(backups: &[Candidate], policy: &Policy, now: SystemTime) -> Decision {
    let mut reasons = vec![Vec::new(); backups.len()];
    let of = |wanted: &[Series]| -> Vec<usize> {
        (0..backups.len()).rev().filter(|at| wanted.contains(&backups[*at].series)).collect()
    };
    for series in [Series::Whole, Series::Unproven, Series::Partial].map(|one| of(&[one])) {
        let moments: Vec<SystemTime> = series.iter().map(|at| backups[*at].at).collect();
        let kept = rules::apply(&policy.rules, &policy.zone, &moments);
        for (at, why) in series.into_iter().zip(kept) {
            reasons[at] = why;
        }
    }
    let whole = of(&[Series::Whole, Series::Unproven]);
    if let Some(newest) = whole.first() {
        reasons[*newest].push(Why::Newest);
    }
    for counted in [&of(&[Series::Whole]), &whole] {
        let kept = counted.iter().filter(|at| !reasons[**at].is_empty()).count();
        let lacking: Vec<usize> = counted.iter().copied().filter(|at| reasons[*at].is_empty()).collect();
        for at in lacking.into_iter().take(policy.min_keep.saturating_sub(kept)) {
            reasons[at].push(Why::MinKeep);
        }
    }
    let stale = policy.stale(whole.first().map(|at| backups[*at].at), now);
    if stale.is_some() {
        reasons.iter_mut().filter(|why| why.is_empty()).for_each(|why| why.push(Why::Stale));
    }
    Decision { reasons, stale }
}

/// Which backups of one name the rules keep, and not only because there are few; their moments come oldest first.
pub fn kept_by_rule(moments: &[SystemTime], policy: &Policy) -> Vec<bool> {
    let newest_first: Vec<SystemTime> = moments.iter().rev().copied().collect();
    let reasons = rules::apply(&policy.rules, &policy.zone, &newest_first);
    let by_rule = |why: &Vec<Why>| why.iter().any(|why| matches!(why, Why::Rule(_) | Why::Within));
    reasons.iter().rev().map(by_rule).collect()
}

#[cfg(test)]
mod tests;
