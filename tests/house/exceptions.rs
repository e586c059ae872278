//! What breaks a rule today and may do so for a while: `not_yet.txt`, one line each, which only ever shrinks.
//!
//! A line that is no longer needed fails the test too. After a large move the whole list is made anew by
//! `NOT_YET=1 cargo test --test house; sort target/tmp/not_yet.* >tests/house/not_yet.txt`: look at what was added.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The rules, by the names that `not_yet.txt` calls them.
const RULES: [&str; 16] = [
    "room",
    "imports",
    "circle",
    "verbs",
    "environment",
    "prints",
    "clap",
    "function",
    "file",
    "verb",
    "head",
    "named",
    "messages",
    "help",
    "docs",
    "comments",
];

/// Something that breaks a rule.
pub struct Offence {
    /// What `not_yet.txt` would call it.
    pub subject: String,
    /// Where, and what is wrong, for whoever must mend it.
    pub detail: String,
}

/// Asserts that nothing breaks a rule but what is listed, and that all that is listed still does.
#[track_caller]
pub fn assert_none(rule: &str, what: &str, offences: Vec<Offence>) {
    assert!(RULES.contains(&rule));
    let listed = lines().filter(|(of, _)| *of == rule).map(|(_, subject)| subject);
    let listed: BTreeSet<&str> = listed.collect();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Offence { subject, detail } in offences {
        found.entry(subject).or_default().push(detail);
    }
    let mut wrong = String::new();
    for (_, details) in found.iter().filter(|(subject, _)| !listed.contains(subject.as_str())) {
        details.iter().for_each(|detail| writeln!(wrong, "  {detail}").unwrap());
    }
    for subject in listed.iter().filter(|subject| !found.contains_key(**subject)) {
        writeln!(wrong, "  no longer needed in tests/house/not_yet.txt: {rule}: {subject}").unwrap();
    }
    if std::env::var_os("NOT_YET").is_some() {
        let lines: String = found.keys().map(|subject| format!("{rule}: {subject}\n")).collect();
        std::fs::write(format!("{}/not_yet.{rule}.txt", env!("CARGO_TARGET_TMPDIR")), lines).unwrap();
    }
    assert!(wrong.is_empty(), "{what}:\n{wrong}");
}

/// What is listed: rule and subject.
fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("not_yet.txt").lines().map(|line| line.split_once(": ").unwrap())
}

#[test]
fn what_is_listed_is_of_a_rule() {
    let unknown: Vec<_> = lines().filter(|(rule, _)| !RULES.contains(rule)).collect();
    assert!(unknown.is_empty(), "no such rule: {unknown:?}");
}
