//! The rules on dates that a person can check, and what must never happen on any.

use super::*;
use jiff::Timestamp;
use proptest::prelude::*;

fn at(text: &str) -> SystemTime {
    text.parse::<Timestamp>().unwrap().try_into().unwrap()
}

fn whole(moments: &[&str]) -> Vec<Candidate> {
    moments.iter().map(|text| Candidate { at: at(text), series: Series::Whole }).collect()
}

/// Only the rules: nothing else keeps anything but the newest.
fn by(rules: Rules, zone: &str) -> Policy {
    Policy { rules, zone: time_zone(zone).unwrap(), min_keep: 0, stale: Duration::MAX, force: false }
}

fn said(backups: &[Candidate], policy: &Policy) -> Vec<String> {
    let decision = decide(backups, policy, at("2026-11-27T00:00:00Z"));
    let words = |why: &Vec<Why>| why.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    decision.reasons.iter().map(words).collect()
}

#[test]
fn a_day_keeps_its_last_backup_and_the_oldest_fills_up() {
    let backups = whole(&[
        "2026-11-20T01:00:00Z",
        "2026-11-20T02:00:00Z",
        "2026-11-21T03:00:00Z",
        "2026-11-21T23:30:00Z",
        "2026-11-22T00:30:00Z",
    ]);
    let daily = |daily| by(Rules { daily, ..Rules::default() }, "UTC");
    assert_eq!(said(&backups, &daily(2)), ["", "", "", "daily", "daily, newest"]);
    assert_eq!(said(&backups, &daily(9)), ["oldest daily", "daily", "", "daily", "daily, newest"]);
    // In Berlin both nights belong to the same day.
    let in_berlin = by(Rules { daily: 2, ..Rules::default() }, "Europe/Berlin");
    assert_eq!(said(&backups, &in_berlin), ["", "", "daily", "", "daily, newest"]);
}

#[test]
fn the_hour_that_comes_twice_is_one_hour() {
    // In Berlin clocks went back from 03:00 to 02:00.
    let backups = whole(&["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"]);
    let hourly = |zone| by(Rules { hourly: 2, ..Rules::default() }, zone);
    assert_eq!(said(&backups, &hourly("Europe/Berlin")), ["", "hourly", "hourly, newest"]);
    assert_eq!(said(&backups, &hourly("UTC")), ["", "hourly", "hourly, newest"]);
    let three = by(Rules { hourly: 3, ..Rules::default() }, "Europe/Berlin");
    assert_eq!(said(&backups, &three), ["oldest hourly", "hourly", "hourly, newest"]);
}

#[test]
fn within_counts_from_the_newest_and_over_the_end_of_a_month() {
    let within = |span: &str| {
        let rules = Rules { within: Some(span.parse().unwrap()), ..Rules::default() };
        by(rules, "UTC")
    };
    let backups = whole(&["2026-03-03T12:00:00Z", "2026-03-03T12:00:01Z", "2026-03-31T12:00:00Z"]);
    // One month before March 31 is February 31, which is March 3: as restic counts.
    assert_eq!(said(&backups, &within("1mo")), ["", "within", "within, newest"]);
    assert_eq!(said(&backups, &within("28d")), ["", "within", "within, newest"]);
    assert_eq!(said(&backups, &within("4w1h")), ["within", "within", "within, newest"]);
    assert_eq!(said(&backups, &within("9000y")), ["within", "within", "within, newest"]);
}

#[test]
fn at_least_this_many_whole_ones_stay() {
    let mut backups = whole(&["2026-11-20T03:00:00Z", "2026-11-21T03:00:00Z", "2026-11-22T03:00:00Z"]);
    let policy = Policy { min_keep: 2, ..by(Rules { last: 1, ..Rules::default() }, "UTC") };
    assert_eq!(said(&backups, &policy), ["", "min-keep", "last, newest"]);
    // A partial one is neither the newest nor one of the least, and takes nobody's place.
    backups.push(Candidate { at: at("2026-11-23T03:00:00Z"), series: Series::Partial });
    assert_eq!(said(&backups, &policy), ["", "min-keep", "last, newest", "last"]);
}

#[test]
fn unproven_ones_take_nobodys_place_if_only_proven_ones_count() {
    let days = ["20", "21", "22", "23", "24"].map(|day| format!("2026-11-{day}T03:00:00Z"));
    let mut backups = whole(&days.each_ref().map(String::as_str));
    let policy = Policy { min_keep: 2, ..by(Rules { last: 1, ..Rules::default() }, "UTC") };
    for at in [1, 3, 4] {
        backups[at].series = Series::Unproven;
    }
    // The newest is kept, proven or not; and two that are proven.
    assert_eq!(said(&backups, &policy), ["min-keep", "", "last", "", "last, newest"]);
    // If none is proven, as many whole ones stay as the least says.
    backups.iter_mut().for_each(|one| one.series = Series::Unproven);
    assert_eq!(said(&backups, &policy), ["", "", "", "min-keep", "last, newest"]);
}

#[test]
fn rules_alone_keep_neither_the_oldest_nor_the_least() {
    let moments = [at("2026-11-20T03:00:00Z"), at("2026-11-21T03:00:00Z"), at("2026-11-21T04:00:00Z")];
    let policy = by(Rules { daily: 2, monthly: 9, ..Rules::default() }, "UTC");
    assert_eq!(kept_by_rule(&moments, &policy), [true, false, true]);
    let policy = Policy { min_keep: 3, ..by(Rules { daily: 1, monthly: 9, ..Rules::default() }, "UTC") };
    assert_eq!(kept_by_rule(&moments, &policy), [false, false, true]);
}

#[test]
fn nothing_goes_after_backups_have_stopped() {
    let backups = whole(&["2026-11-20T03:00:00Z", "2026-11-21T03:00:00Z", "2026-11-22T03:00:00Z"]);
    let last = by(Rules { last: 1, ..Rules::default() }, "UTC");
    let policy = Policy { stale: Duration::from_secs(3 * 86400), ..last };
    assert_eq!(said(&backups, &policy), ["stale", "stale", "last, newest"]);
    let forced = Policy { force: true, ..policy.clone() };
    assert_eq!(said(&backups, &forced), ["", "", "last, newest"]);
    // If none is whole, none is the newest.
    let parts: Vec<_> = backups.iter().map(|one| Candidate { series: Series::Partial, ..*one }).collect();
    assert_eq!(said(&parts, &policy), ["stale", "stale", "last"]);
    assert_eq!(decide(&parts, &policy, at("2026-11-22T04:00:00Z")).stale, Some(Stale(None)));
}

proptest! {
    #[test]
    fn the_newest_and_the_least_stay_whatever_the_rules_are(
        spans in prop::collection::vec((1_u64..200_000, 0_usize..3), 0..40),
        counts in prop::collection::vec(0_u32..4, 6),
        min_keep in 0_usize..6,
        force in any::<bool>(),
    ) {
        let mut moment = at("2026-01-01T00:00:00Z");
        let backups: Vec<Candidate> = spans.into_iter().map(|(seconds, series)| {
            moment += Duration::from_secs(seconds);
            Candidate { at: moment, series: [Series::Whole, Series::Unproven, Series::Partial][series] }
        }).collect();
        let rules = Rules {
            last: counts[0], hourly: counts[1], daily: counts[2], weekly: counts[3], monthly: counts[4],
            yearly: counts[5], within: None,
        };
        let stale = Duration::from_secs(3 * 86400);
        let policy = Policy { min_keep, stale, force, ..by(rules, "Europe/Berlin") };
        let now = moment + Duration::from_secs(2 * 86400);
        let decision = decide(&backups, &policy, now);
        let stays = |at: &usize| !decision.reasons[*at].is_empty();
        let of = |wanted: &[Series]| -> Vec<usize> {
            (0..backups.len()).filter(|at| wanted.contains(&backups[*at].series)).collect()
        };
        let (counted, whole) = (of(&[Series::Whole]), of(&[Series::Whole, Series::Unproven]));
        prop_assert!(counted.iter().filter(|at| stays(at)).count() >= min_keep.min(counted.len()));
        prop_assert!(whole.last().is_none_or(stays));
        prop_assert!(whole.iter().filter(|at| stays(at)).count() >= min_keep.min(whole.len()));
        let newest = whole.last().map(|at| now.duration_since(backups[*at].at).unwrap());
        let is_stale = newest.is_none_or(|age| age > stale);
        prop_assert_eq!(decision.stale.is_some(), is_stale && !force);
        prop_assert!(decision.stale.is_none() || (0..backups.len()).all(|at| stays(&at)));
    }
}
