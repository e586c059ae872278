//! What a soak comes to: a table by kind of fault, and what must be zero.

use super::faults::Way;
use super::round::{End, Outcome};
use std::collections::BTreeMap;
use std::time::Duration;

/// What runs with one kind of fault came to.
#[derive(Default)]
struct Row {
    struck: usize,
    runs: usize,
    whole: usize,
    none: usize,
}

/// All figures.
#[derive(Default)]
pub struct Figures {
    rows: BTreeMap<&'static str, Row>,
    /// Backups and restores: all, and those that ended whole.
    runs: BTreeMap<&'static str, (usize, usize)>,
    seeds: Vec<u64>,
    slowest: Duration,
    hung: Vec<String>,
    wrong: Vec<String>,
    left: Vec<String>,
}

impl Figures {
    pub fn add(&mut self, seed: u64, number: u64, outcome: Outcome) {
        let Outcome { way, store, mut kinds, struck, end, took } = outcome;
        if !self.seeds.contains(&seed) {
            self.seeds.push(seed);
        }
        self.slowest = self.slowest.max(took);
        let is_whole = matches!(end, End::Whole);
        let runs = self.runs.entry(if way == Way::Backup { "backups" } else { "restores" }).or_default();
        *runs = (runs.0 + 1, runs.1 + usize::from(is_whole));
        let place = format!("seed {seed}, round {number}, {way:?} with {store}, {kinds:?}, {took:?}");
        kinds.sort_unstable();
        kinds.dedup();
        for name in kinds {
            let row = self.rows.entry(name).or_default();
            row.struck += struck.iter().filter(|other| **other == name).count();
            row.runs += 1;
            row.whole += usize::from(is_whole);
            row.none += usize::from(matches!(end, End::None));
        }
        let (list, why) = match end {
            End::Whole | End::None => return,
            End::Hung(why) => (&mut self.hung, why),
            End::Wrong(why) => (&mut self.wrong, why),
            End::Left(why) => (&mut self.left, why),
        };
        eprintln!("{place}: {why}");
        list.push(place);
    }

    /// Prints the figures; fails if anything was not in order.
    pub fn conclude(self) {
        let Figures { rows, runs, seeds, slowest, hung, wrong, left } = self;
        eprintln!("\n| fault | struck | runs | whole | none |\n|---|---|---|---|---|");
        for (name, Row { struck, runs, whole, none }) in &rows {
            eprintln!("| {name} | {struck} | {runs} | {whole} | {none} |");
        }
        let struck: usize = rows.values().map(|row| row.struck).sum();
        for (what, (all, whole)) in runs {
            eprintln!("\n{all} {what}, {whole} of them whole");
        }
        eprintln!(
            "\n{struck} faults; hangs: {}; wrong successes: {}; left and not named: {}; the slowest run took {:.0} s; \
             seeds: {seeds:?}",
            hung.len(),
            wrong.len(),
            left.len(),
            slowest.as_secs_f64()
        );
        let bad: Vec<String> = [hung, wrong, left].concat();
        // Last, and short: of a long output people often see the end only.
        assert!(bad.is_empty(), "not in order:\n{}", bad.join("\n"));
    }
}
