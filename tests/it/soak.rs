//! Random faults in front of real servers: every backup ends as a whole one or as none, every restore as an equal
//! database or as none, in bounded time, and what is left is named.
//!
//! A seed decides everything, and is printed: `scripts/soak.sh --seed N` does the same again.

pub mod dice;
mod faults;
mod figures;
mod round;
mod scene;

use dice::Dice;
use figures::Figures;
use scene::{Scene, Worker};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many runs go on at the same time: they mostly wait.
const WORKERS: usize = 4;
/// The seed of the rounds that are always the same.
const SEED: u64 = 10;

/// Does these rounds of a seed, and adds what comes of them to the figures.
fn soak(seed: u64, rounds: u64, figures: &Mutex<Figures>) {
    let (scene, next) = (Scene::shared(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let worker = Worker::new(scene);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= rounds {
                        break;
                    }
                    if number > 0 && number % 50 == 0 {
                        eprintln!("{number} of {rounds} rounds were begun");
                    }
                    let mut dice = Dice::new(seed, number);
                    for outcome in round::round(&worker, &mut dice) {
                        figures.lock().unwrap().add(seed, number, outcome);
                    }
                }
            });
        }
    });
}

fn random_seed() -> u64 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).unwrap();
    u32::from_le_bytes(bytes).into()
}

fn set(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[test]
fn whatever_the_network_does_a_backup_is_whole_or_none() {
    let (random, figures) = (random_seed(), Mutex::default());
    soak(SEED, 14, &figures);
    soak(random, 6, &figures);
    figures.into_inner().unwrap().conclude();
}

#[test]
#[ignore = "takes many minutes: make soak"]
fn the_long_form() {
    let (seed, figures) = (set("PGSTOW_SOAK_SEED").unwrap_or_else(random_seed), Mutex::default());
    soak(seed, set("PGSTOW_SOAK_ROUNDS").unwrap_or(500), &figures);
    figures.into_inner().unwrap().conclude();
}
