//! One run of the program: whom it reports to, and whether it was told to stop.
//!
//! The engine knows nothing of terminals, flags or JSON. It says sentences, shows progress and asks to
//! be stopped through this; warnings go through `tracing`. What it found out it returns.

use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::signal::Stop;
use futures_util::future::BoxFuture;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// Whom a run reports to.
pub trait Events: fmt::Debug + Send + Sync {
    /// Says a sentence to people.
    fn note(&self, sentence: &str);
    /// Shows progress until the guard is dropped.
    fn follow(&self, progress: &Progress) -> Following;
    /// Asks somebody whether to go on; `None` if nobody is there.
    fn ask(&self, question: &str) -> BoxFuture<'static, Option<bool>>;
    /// Keeps warnings from now on instead of printing them, and returns those that it has kept so far.
    fn take_warnings(&self) -> Vec<String>;
    /// Hears that a step of the run begins; what is returned hears how it ended, or is dropped if it was cancelled.
    fn step(&self, _name: &'static str) -> Step {
        Box::new(drop)
    }
}

/// Hears how a step of a run ended: with which kind of failure, if it failed.
pub type Step = Box<dyn FnOnce(Option<Kind>) + Send>;

/// Shows progress while it lives.
pub type Following = Box<dyn Send + Sync>;

/// One run; clones are the same run.
#[derive(Debug, Clone)]
pub struct Run {
    events: Arc<dyn Events>,
    stop: Stop,
}

impl Run {
    /// Begins a run that reports to `events` and ends early when `stop` says so.
    pub fn new(events: Arc<dyn Events>, stop: Stop) -> Self {
        Self { events, stop }
    }

    /// Says a sentence to people.
    pub fn say(&self, sentence: impl fmt::Display) {
        self.events.note(&sentence.to_string());
    }

    /// Shows progress until the guard is dropped.
    #[must_use]
    pub fn follow(&self, progress: &Progress) -> Following {
        self.events.follow(progress)
    }

    /// Asks somebody whether to go on; `None` if nobody is there.
    pub async fn ask(&self, question: &str) -> Option<bool> {
        self.events.ask(question).await
    }

    /// Keeps warnings from now on instead of printing them, and returns those that it has kept so far.
    pub fn take_warnings(&self) -> Vec<String> {
        self.events.take_warnings()
    }

    /// Does a step of the run: whoever measures the run learns how long it took, and whether it failed.
    pub async fn step<T>(&self, name: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let step = self.events.step(name);
        let done = work.await;
        step(done.as_ref().err().map(Error::kind));
        done
    }

    /// Runs `work` until it is done or a signal comes; then `work` is dropped, and the failure says which.
    pub async fn or<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.stop.or(work).await
    }

    /// The same for a request that makes something. It may be made although nobody waits for the answer any more: after
    /// a signal the answer is awaited for this long, and `late` gets it, to take back what was made.
    pub async fn or_late<T>(
        &self,
        wait: Duration,
        request: impl Future<Output = Result<T>>,
        late: impl AsyncFnOnce(Option<Result<T>>),
    ) -> Result<T> {
        let mut request = pin!(request);
        let done = self.or(request.as_mut()).await;
        if done.as_ref().is_err_and(|error| error.kind().is_signal()) {
            late(tokio::time::timeout(wait, request).await.ok()).await;
        }
        done
    }
}
