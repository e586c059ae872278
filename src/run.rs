//! One run of the program: whom it reports to, and whether it was told to stop.
//!
//! The engine knows nothing of terminals, flags or JSON. It says sentences, shows progress and asks to
//! be stopped through this; warnings go through `tracing`. What it found out it returns.

use crate::error::Result;
use crate::progress::Progress;
use crate::signal::Stop;
use futures_util::future::BoxFuture;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

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
}

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

    /// Runs `work` until it is done or a signal comes; then `work` is dropped, and the failure says which.
    pub async fn or<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.stop.or(work).await
    }
}
