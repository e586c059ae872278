//! Runs a command line of pgstow's whenever it is due, on machines and in containers without cron.
//!
//! Every run is a process of its own: the same program with the same environment. So a crash or a leak of one night
//! does not end the schedule, secrets reach the run as they came, and a signal ends it as it ends any other run. There
//! is one at a time; what becomes due meanwhile, or while the machine sleeps, is made up for by one run.

mod job;
mod moments;
mod server;
mod state;

pub use job::Job;
pub use moments::Moments;

use crate::error::{Error, Result};
use crate::run::Run;
use crate::temporary;
use crate::units::{age, count};
use jiff::Timestamp;
use job::Outcome;
use server::Server;
use state::{Ended, State};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often the clock is looked at: a timer does not notice that the machine slept, or that its clock was set.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A run that begins later than this after it was due is reported.
const LATE: Duration = Duration::from_secs(60);
/// How many moments to come are looked at, to see how close together they are.
const MOST_LOOKED_AT: usize = 50;
/// How many missed runs are counted one by one.
const MOST_COUNTED: u64 = 10_000;

/// What to run, and when.
#[derive(Debug)]
pub struct ScheduleOptions {
    /// When runs are due.
    pub moments: Moments,
    /// By how much each may be delayed, at random.
    pub jitter: Duration,
    /// Whether the first run begins at once.
    pub at_start: bool,
    /// What to run.
    pub job: Job,
    /// Which address answers `/healthz` and `/metrics`.
    pub listen: Option<SocketAddr>,
    /// The file that runs write their metrics into.
    pub metrics: MetricsFile,
}

/// The file that runs write their metrics into.
#[derive(Debug)]
pub enum MetricsFile {
    /// Runs of this command write none.
    None,
    /// The user's own, which the command line of the run names.
    Named(PathBuf),
    /// One made for this schedule; a run knows it by this variable.
    ByVariable(&'static str),
}

/// Runs until a signal comes. It fails if that ended a run.
pub async fn schedule(options: ScheduleOptions, run: &Run) -> Result<()> {
    let now = Timestamp::now();
    check_jitter(&options.moments, options.jitter, now)?;
    let ScheduleOptions { moments, jitter, at_start, mut job, listen, metrics } = options;
    let state = State::new(moments.clone());
    let mut _folder = None;
    if let Some(address) = listen {
        let file = match metrics {
            MetricsFile::None => None,
            MetricsFile::Named(file) => Some(file),
            MetricsFile::ByVariable(name) => folder().map(|folder| {
                let file = folder.path().join("pgstow.prom");
                job.set(name, &file);
                _folder = Some(folder);
                file
            }),
        };
        let server = Server::bind(address, state.clone(), file).await?;
        run.say(format!("/healthz and /metrics are at http://{}", server.address()));
        tokio::spawn(server.serve());
    }
    let first = if at_start { Some(now) } else { moments.after(now) };
    Schedule { moments, jitter, job, state }.run(first, run).await
}

/// Refuses a delay after which the next run would be due.
fn check_jitter(moments: &Moments, jitter: Duration, now: Timestamp) -> Result<()> {
    let due: Vec<Timestamp> = std::iter::successors(moments.after(now), |moment| moments.after(*moment))
        .take(MOST_LOOKED_AT)
        .collect();
    let between =
        due.windows(2).filter_map(|pair| Duration::try_from(pair[1].duration_since(pair[0])).ok()).min();
    match between {
        Some(between) if jitter >= between => Err(Error::usage(format!(
            "--jitter {} is too long: the next run is due after {}",
            age(jitter),
            age(between)
        ))),
        _ => Ok(()),
    }
}

/// A folder for the metrics of this schedule's runs; warns if there can be none.
fn folder() -> Option<TempDir> {
    let made = temporary::folder(&std::env::temp_dir(), "pgstow-schedule-");
    let warn = |e: &std::io::Error| tracing::warn!("/metrics has only those of the schedule itself: {e}");
    made.inspect_err(warn).ok()
}

/// A schedule that runs.
struct Schedule {
    moments: Moments,
    jitter: Duration,
    job: Job,
    state: State,
}

impl Schedule {
    async fn run(self, first: Option<Timestamp>, run: &Run) -> Result<()> {
        let mut due = first;
        let is_now = first.is_some_and(|first| first <= Timestamp::now());
        let mut delay = if is_now { Duration::ZERO } else { random(self.jitter) };
        loop {
            let Some(at) = due else {
                return Err(Error::settings("no more runs are due"));
            };
            let begins = at.checked_add(delay).unwrap_or(at);
            self.state.waits(Some(begins));
            if begins > Timestamp::now() {
                run.say(format!("the next run begins at {}", self.moments.clock(begins)));
            }
            match run.or(self.until(at, begins)).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!("the clock was set back: a run is due before {}", self.moments.clock(at));
                    (due, delay) = (self.moments.after(Timestamp::now()), random(self.jitter));
                    continue;
                }
                Err(_) => {
                    run.say("told to end while nothing was running");
                    return Ok(());
                }
            }
            let began = Timestamp::now();
            let (left_out, last) = self.passed(at, began);
            let late = Duration::try_from(began.duration_since(begins)).unwrap_or_default();
            if late > LATE || left_out > 0 {
                let runs = count(left_out + 1, "run");
                tracing::warn!("the machine slept: this run is {} late, and makes up for {runs}", age(late));
                self.state.left_out(left_out);
            }
            self.state.begins(began, self.moments.after(last));
            let ended = self.once(run).await?;
            let (missed, last) = self.passed(last, ended);
            (due, delay) = if missed > 0 {
                let runs = count(missed, "run");
                tracing::warn!("{runs} became due while this one was running; one makes up for all, now");
                self.state.left_out(missed - 1);
                (Some(ended), Duration::ZERO)
            } else {
                (self.moments.after(last), random(self.jitter))
            };
        }
    }

    /// Makes one run; when it ended. Fails only if a signal ended it.
    async fn once(&self, run: &Run) -> Result<Timestamp> {
        let since = Instant::now();
        run.say(format!("run: pgstow {}", self.job.verb));
        let outcome = self.job.run(run).await;
        job::reap_orphans();
        let (at, took) = (Timestamp::now(), since.elapsed());
        let failed = match outcome {
            Outcome::Succeeded => None,
            Outcome::Failed { why, exit_code } => Some((why, exit_code)),
            Outcome::Stopped(error) => {
                return Err(error.and("the run that was running has ended"));
            }
        };
        match &failed {
            None => run.say(format!("the run succeeded after {}", age(took))),
            Some((why, _)) => tracing::warn!("the run failed after {}: {why}", age(took)),
        }
        self.state.ends(Ended { at, took, failed });
        Ok(at)
    }

    /// Waits until this moment by the clock of the machine, for the run that is due at `due`; false if the clock was set
    /// back.
    async fn until(&self, due: Timestamp, moment: Timestamp) -> Result<bool> {
        loop {
            let now = Timestamp::now();
            if self.is_set_back(due, now) {
                return Ok(false);
            }
            match Duration::try_from(moment.duration_since(now)) {
                Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(LOOK_EVERY)).await,
                _ => return Ok(true),
            }
            job::reap_orphans();
        }
    }

    /// Whether another run is due before the one that is waited for: `due` was the next one by an earlier clock. A clock
    /// that is set right by less than a minute makes no run twice.
    fn is_set_back(&self, due: Timestamp, now: Timestamp) -> bool {
        now.checked_add(LATE).is_ok_and(|soon| self.moments.after(soon).is_some_and(|next| next < due))
    }

    /// How many runs became due after this moment and until now, and the last moment that did.
    fn passed(&self, after: Timestamp, now: Timestamp) -> (u64, Timestamp) {
        let (mut number, mut last) = (0, after);
        while let Some(next) = self.moments.after(last).filter(|next| *next <= now) {
            if number == MOST_COUNTED {
                return (number, now);
            }
            (number, last) = (number + 1, next);
        }
        (number, last)
    }
}

/// A random span up to this one.
fn random(most: Duration) -> Duration {
    let mut bytes = [0; 4];
    // Without randomness there is no delay, which is no harm.
    let _ = getrandom::fill(&mut bytes);
    most.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn every(seconds: u64) -> Moments {
        Moments::Every(Duration::from_secs(seconds))
    }

    fn schedule(moments: Moments) -> Schedule {
        let job = Job::new("list", "pgstow".into(), Vec::new(), Vec::new());
        Schedule { state: State::new(moments.clone()), moments, jitter: Duration::ZERO, job }
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_ends_the_wait_for_a_wrong_moment() {
        let schedule = schedule(every(100));
        for (now, is_back) in
            [(50, true), (139, true), (140, false), (200, false), (299, false), (310, false)]
        {
            assert_eq!(schedule.is_set_back(at(300), at(now)), is_back, "{now}");
        }
        let in_a_year = Timestamp::now() + Duration::from_hours(365 * 24);
        assert!(!schedule.until(in_a_year, in_a_year).await.unwrap());
        let past = at(300);
        assert!(schedule.until(past, past).await.unwrap());
    }

    #[test]
    fn what_became_due_is_counted() {
        let schedule = schedule(every(100));
        assert_eq!(schedule.passed(at(100), at(199)), (0, at(100)));
        assert_eq!(schedule.passed(at(100), at(200)), (1, at(200)));
        assert_eq!(schedule.passed(at(100), at(550)), (4, at(500)));
        assert_eq!(schedule.passed(at(100), at(200_000_000)), (MOST_COUNTED, at(200_000_000)));
    }

    #[test]
    fn a_delay_is_random_and_shorter_than_a_period() {
        let delays: Vec<Duration> = (0..20).map(|_| random(Duration::from_secs(600))).collect();
        assert!(delays.iter().all(|delay| *delay <= Duration::from_secs(600)), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay != delays[0]), "{delays:?}");
        assert_eq!(random(Duration::ZERO), Duration::ZERO);
        let check = |jitter| check_jitter(&every(100), Duration::from_secs(jitter), at(0));
        assert!(check(99).is_ok());
        assert_eq!(check(100).unwrap_err().kind(), Kind::Usage);
        // At night the next one comes an hour later, else a day.
        let nightly = Moments::cron("0 3,4 * * *", jiff::tz::TimeZone::UTC).unwrap();
        for from in ["2026-11-27T00:00:00Z", "2026-11-27T03:30:00Z"] {
            let refused = check_jitter(&nightly, Duration::from_secs(7200), from.parse().unwrap());
            assert!(refused.unwrap_err().message().ends_with("the next run is due after 1h"), "{from}");
        }
    }
}
