//! What a schedule has done and does now, as its health and as Prometheus' metrics.

use super::moments::Moments;
use jiff::Timestamp;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A run that is due has begun after this, unless the schedule itself hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a schedule has done and does now; clones are the same schedule.
#[derive(Debug, Clone)]
pub struct State {
    moments: Moments,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// When the next run begins.
    next: Option<Timestamp>,
    /// Since when one is running.
    running: Option<Timestamp>,
    last: Option<Ended>,
    last_success: Option<Timestamp>,
    succeeded: u64,
    failed: u64,
    left_out: u64,
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// How it failed, and its exit code if it had one.
    pub failed: Option<(String, Option<i32>)>,
}

/// How a schedule is.
#[derive(Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing is wrong; what it does.
    Good(String),
    /// Somebody should look: what is wrong.
    Bad(String),
}

impl State {
    /// Of a schedule that has done nothing yet.
    pub fn new(moments: Moments) -> Self {
        Self { moments, inner: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that it waits for a run.
    pub fn waits(&self, next: Option<Timestamp>) {
        self.lock().next = next;
    }

    /// Notes that runs were left out.
    pub fn left_out(&self, runs: u64) {
        self.lock().left_out += runs;
    }

    /// Notes that a run has begun, and when the one after it is due.
    pub fn begins(&self, at: Timestamp, next: Option<Timestamp>) {
        let mut inner = self.lock();
        (inner.running, inner.next) = (Some(at), next);
    }

    /// Notes that the run has ended.
    pub fn ends(&self, ended: Ended) {
        let mut inner = self.lock();
        inner.running = None;
        if ended.failed.is_some() {
            inner.failed += 1;
        } else {
            inner.succeeded += 1;
            inner.last_success = Some(ended.at);
        }
        inner.last = Some(ended);
    }

    /// How it is: bad if the last run failed, if one takes until the next is due, or if one that is due does not begin.
    pub fn health(&self, now: Timestamp) -> Health {
        let clock = |moment| self.moments.clock(moment);
        let inner = self.lock();
        let next = inner.next.map_or_else(|| "never".to_owned(), clock);
        let is_due = |since: Duration| inner.next.is_some_and(|next| passed(next, now) > since);
        if let Some(since) = inner.running
            && is_due(Duration::ZERO)
        {
            let since = clock(since);
            return Health::Bad(format!("the run of {since} still runs, and the next was due at {next}"));
        }
        if inner.running.is_none() && is_due(PATIENCE) {
            return Health::Bad(format!("the run of {next} did not begin"));
        }
        match (&inner.last, inner.running) {
            (Some(Ended { at, failed: Some((why, _)), .. }), _) => {
                Health::Bad(format!("the run that ended at {} failed: {why}", clock(*at)))
            }
            (_, Some(since)) => Health::Good(format!("running since {}", clock(since))),
            (_, None) => Health::Good(format!("the next run begins at {next}")),
        }
    }

    /// It as metrics, in Prometheus' text format.
    pub fn metrics(&self) -> String {
        let inner = self.lock();
        let seconds = |moment: Option<Timestamp>| moment.map(|moment| moment.as_second().to_string());
        let last = inner.last.as_ref();
        let is_success = |last: &Ended| u8::from(last.failed.is_none()).to_string();
        let exit_code = |last: &Ended| match &last.failed {
            Some((_, code)) => code.map(|code| code.to_string()),
            None => Some("0".to_owned()),
        };
        let count = |number: u64| Some(number.to_string());
        let all = [
            ("next_run_timestamp_seconds", "gauge", "When the next run begins.", seconds(inner.next)),
            ("running", "gauge", "Whether a run is running.", count(inner.running.is_some().into())),
            (
                "last_run_timestamp_seconds",
                "gauge",
                "When the last run ended.",
                seconds(last.map(|last| last.at)),
            ),
            ("last_run_success", "gauge", "Whether the last run succeeded.", last.map(is_success)),
            ("last_run_exit_code", "gauge", "The exit code of the last run.", last.and_then(exit_code)),
            (
                "last_run_duration_seconds",
                "gauge",
                "How long the last run took.",
                last.map(|last| format!("{:.3}", last.took.as_secs_f64())),
            ),
            (
                "last_success_timestamp_seconds",
                "gauge",
                "When the last success ended.",
                seconds(inner.last_success),
            ),
            ("succeeded_runs_total", "counter", "Runs that succeeded.", count(inner.succeeded)),
            ("failed_runs_total", "counter", "Runs that failed.", count(inner.failed)),
            ("left_out_runs_total", "counter", "Runs that another one made up for.", count(inner.left_out)),
        ];
        let mut text = String::new();
        for (name, kind, help, value) in all {
            let Some(value) = value else { continue };
            let name = format!("pgstow_schedule_{name}");
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        }
        text
    }
}

/// How long ago a moment was; nothing if it is to come.
fn passed(moment: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(moment)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn state() -> State {
        State::new(Moments::Every(Duration::from_secs(100)))
    }

    fn ended(second: i64, failed: Option<(&str, i32)>) -> Ended {
        let failed = failed.map(|(why, code)| (why.to_owned(), Some(code)));
        Ended { at: at(second), took: Duration::from_millis(1500), failed }
    }

    fn is_good(state: &State, second: i64) -> bool {
        matches!(state.health(at(second)), Health::Good(_))
    }

    #[test]
    fn a_failure_is_bad_until_the_next_success() {
        let state = state();
        state.waits(Some(at(100)));
        assert!(is_good(&state, 50), "it has not run yet");
        state.begins(at(100), Some(at(200)));
        assert!(is_good(&state, 110));
        state.ends(ended(120, Some(("exit code 12", 12))));
        state.waits(Some(at(200)));
        let Health::Bad(why) = state.health(at(130)) else { panic!("it failed") };
        assert_eq!(why, "the run that ended at 1970-01-01 00:02:00 UTC failed: exit code 12");
        state.begins(at(200), Some(at(300)));
        assert!(!is_good(&state, 210), "nothing has succeeded since");
        state.ends(ended(220, None));
        assert!(is_good(&state, 230));
    }

    #[test]
    fn a_run_that_takes_until_the_next_is_due_is_bad_and_so_is_one_that_does_not_begin() {
        let state = state();
        state.begins(at(100), Some(at(200)));
        assert!(is_good(&state, 200) && !is_good(&state, 201));
        state.ends(ended(210, None));
        state.waits(Some(at(300)));
        assert!(is_good(&state, 360) && !is_good(&state, 361));
    }

    #[test]
    fn metrics_say_what_is_known() {
        let state = state();
        state.waits(Some(at(100)));
        let text = state.metrics();
        assert!(text.contains("\npgstow_schedule_next_run_timestamp_seconds 100\n"), "{text}");
        assert!(!text.contains("last_run"), "{text}");
        state.ends(ended(120, Some(("exit code 12", 12))));
        state.left_out(2);
        let text = state.metrics();
        for line in
            ["last_run_exit_code 12", "last_run_success 0", "failed_runs_total 1", "left_out_runs_total 2"]
        {
            assert!(text.contains(&format!("\npgstow_schedule_{line}\n")), "{line}: {text}");
        }
    }
}
